#include "model/added_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace ponder::model {
namespace {

// Sums in double in the order of the ids: one result on every machine.
void set_mean(std::span<float> table, int64_t width, const AddedRow& row) {
  for (int64_t column = 0; column < width; ++column) {
    double sum = 0;
    for (const int32_t id : row.mean_of)
      sum += static_cast<double>(table[static_cast<size_t>(id * width + column)]);
    table[static_cast<size_t>(row.id * width + column)] =
        static_cast<float>(sum / static_cast<double>(row.mean_of.size()));
  }
}

bool has_row_per_token(const ParameterInfo& info) {
  return info.role == TensorRole::kEmbedding || info.role == TensorRole::kHead;
}

}  // namespace

void add_rows(Checkpoint& checkpoint, std::span<const AddedRow> rows) {
  if (rows.empty()) return;
  const int64_t before = checkpoint.config.vocab_size;
  int64_t size = before;
  for (const AddedRow& row : rows) {
    const bool known = std::all_of(row.mean_of.begin(), row.mean_of.end(),
                                   [&](int32_t id) { return id >= 0 && id < before; });
    if (row.id < 0 || row.id > size || row.mean_of.empty() || !known) {
      throw Error(fmt::format("row {} of the embedding", row.id),
                  fmt::format("cannot be added to {} rows", before));
    }
    size = std::max<int64_t>(size, row.id + 1);
  }
  if (size > before) {
    ModelConfig config = checkpoint.config;
    config.vocab_size = size;
    Parameters grown(config, "weights");
    for (const ParameterInfo& info : checkpoint.parameters.layout().entries()) {
      const std::span<const float> from = std::as_const(checkpoint.parameters).at(info);
      std::copy(from.begin(), from.end(), grown.at(info.name).begin());
    }
    checkpoint.parameters = std::move(grown);
    checkpoint.config = config;
  }
  for (const ParameterInfo& info : checkpoint.parameters.layout().entries()) {
    if (!has_row_per_token(info)) continue;
    const std::span<float> table = checkpoint.parameters.at(info);
    for (const AddedRow& row : rows) set_mean(table, info.shape[1], row);
  }
}

}  // namespace ponder::model
