#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "train/task.h"
#include "train/task_rows.h"

namespace ponder::train {

SftTask::SftTask(std::vector<data::TokenRow> rows) : rows_(std::move(rows)) {
  if (rows_.empty()) throw Error("training data", "no rows are left to train on");
  for (const data::TokenRow& row : rows_) loss_tokens_.push_back(checked_loss_tokens(row));
}

int64_t SftTask::longest_row() const {
  int64_t longest = 0;
  for (const data::TokenRow& row : rows_) longest = std::max(longest, row.num_tokens());
  return longest;
}

void SftTask::append(int32_t example, model::PackedBatch& batch) const {
  batch.append(row(example).tokens, row(example).loss_mask);
}

StepWeight SftTask::step_weight(std::span<const int32_t> examples) const {
  int64_t tokens = 0;
  for (const int32_t example : examples) tokens += example_loss_tokens(example);
  return tokens;
}

ExampleTerms SftTask::evaluate(int32_t /*example*/, std::span<const float> logprobs,
                               StepWeight step_weight, std::span<float> dlogprobs) const {
  return {sft_objective(logprobs, step_weight.units, dlogprobs), {}};
}

std::optional<float> SftTask::constant_gradient(StepWeight step_weight) const {
  float gradient = 0;
  sft_objective({}, step_weight.units, std::span(&gradient, 1));
  return gradient;
}

Json SftTask::identity() const {
  Sha256 hash;
  for (const data::TokenRow& row : rows_) hash_row(hash, row.tokens, row.loss_mask);
  return Json{{"objective", "sft"}, {"rows", num_examples()}, {"rows_sha256", hash.hex()}};
}

}  // namespace ponder::train
