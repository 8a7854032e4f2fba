#include "train/task_rows.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ponder {

int64_t checked_num_trained(const TokenRow& row) {
  if (row.trained.size() != row.tokens.size()) {
    throw Error(row.name, fmt::format("expected a mask of {} tokens, found {}", row.tokens.size(),
                                      row.trained.size()));
  }
  // Token 0 has nothing before it to be predicted from.
  if (row.tokens.size() < 2 || row.trained[0]) {
    throw Error(
        row.name,
        fmt::format("expected a prompt and a response, found a row of {} tokens with {} trained",
                    row.tokens.size(), row.num_trained()));
  }
  const int64_t trained = row.num_trained();
  if (trained == 0)
    throw Error(row.name, "expected at least one trained token, found none", "leave the row out");
  return trained;
}

void hash_row(Sha256& hash, const std::vector<int32_t>& tokens, const std::vector<uint8_t>& mask) {
  const uint64_t sizes[2] = {tokens.size(), mask.size()};
  hash.update(sizes, sizeof sizes);
  hash.update(tokens.data(), tokens.size() * sizeof(int32_t));
  hash.update(mask.data(), mask.size());
}

}  // namespace ponder
