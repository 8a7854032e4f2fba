#include "train/batch_source.h"

namespace ponder::train {

PlannedBatches::PlannedBatches(TrainingTask& task, const BatchOptions& options)
    : task_(task), options_(options) {
  std::vector<int64_t> tokens;
  for (int32_t example = 0; example < task.num_examples(); ++example)
    tokens.push_back(task.example_tokens(example));
  steps_ = plan_steps(tokens, options);
}

std::optional<TrainBatch> PlannedBatches::next(int64_t step, const Policy& /*policy*/) {
  if (step >= num_steps()) return std::nullopt;
  const StepExamples& planned = steps_[static_cast<size_t>(step)];
  return TrainBatch{&task_, planned.examples, planned.epoch};
}

Json PlannedBatches::identity() const {
  Json json{{"epochs", options_.epochs},
            {"batch_rows", options_.batch_tokens > 0 ? 0 : options_.batch_rows},
            {"batch_tokens", options_.batch_tokens},
            {"seed", options_.seed}};
  json.update(task_.identity());
  return json;
}

}  // namespace ponder::train
