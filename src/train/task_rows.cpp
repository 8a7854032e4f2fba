#include "train/task_rows.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ponder::train {

int64_t checked_loss_tokens(const data::TokenRow& row) {
  if (row.loss_mask.size() != row.tokens.size()) {
    throw Error(row.name, fmt::format("expected a mask of {} tokens, found {}", row.tokens.size(),
                                      row.loss_mask.size()));
  }
  // Token 0 has nothing before it to be predicted from.
  if (row.tokens.size() < 2 || row.loss_mask[0]) {
    throw Error(
        row.name,
        fmt::format("expected a prompt and a response, found a row of {} tokens with {} trained",
                    row.tokens.size(), row.num_loss_tokens()));
  }
  const int64_t loss_tokens = row.num_loss_tokens();
  if (loss_tokens == 0)
    throw Error(row.name, "expected at least one trained token, found none", "leave the row out");
  return loss_tokens;
}

void hash_row(Sha256& hash, const std::vector<int32_t>& tokens, const std::vector<uint8_t>& mask) {
  const uint64_t sizes[2] = {tokens.size(), mask.size()};
  hash.update(sizes, sizeof sizes);
  hash.update(tokens.data(), tokens.size() * sizeof(int32_t));
  hash.update(mask.data(), mask.size());
}

}  // namespace ponder::train
