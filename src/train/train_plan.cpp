#include <algorithm>

#include "ops/attention.h"
#include "ops/bf16_matmul.h"
#include "train/training_job.h"

namespace ponder::train {

namespace {

// Upwards, of numbers from 0; for any `divisor` above 0, however large.
int64_t quotient(int64_t dividend, int64_t divisor) {
  return dividend / divisor + (dividend % divisor != 0 ? 1 : 0);
}

}  // namespace

TrainWorkload workload_of(const TrainingTask& task) {
  TrainWorkload workload;
  workload.examples = task.num_examples();
  workload.longest_row = task.longest_row();
  for (int32_t example = 0; example < task.num_examples(); ++example) {
    workload.tokens += task.example_tokens(example);
    workload.loss_tokens += task.example_loss_tokens(example);
    workload.longest_example = std::max(workload.longest_example, task.example_tokens(example));
  }
  workload.reference_tokens = task.reference_tokens();
  return workload;
}

int64_t TrainPlan::peak_memory_bytes() const { return tensor::total_bytes(memory_bytes); }

TrainPlan plan_training(const model::Decoder& decoder, const TrainWorkload& workload,
                        const TrainOptions& options) {
  options.check();
  const model::ModelConfig& config = decoder.config();
  TrainPlan plan;
  const BatchOptions& batch = options.batch;
  const int64_t examples = std::max<int64_t>(workload.examples, 1);
  // By tokens the exact number depends on the order of rows; this is the fewest steps possible.
  const int64_t steps = batch.batch_tokens > 0 ? quotient(workload.tokens, batch.batch_tokens)
                                               : quotient(workload.examples, batch.batch_rows);
  plan.num_steps = batch.epochs * steps;
  plan.total_tokens = batch.epochs * workload.tokens;

  const int64_t row_length =
      std::max<int64_t>(1, std::min(workload.longest_row, workload.tokens / examples));
  const double work =
      options.activation_checkpointing
          ? 4.0
          : 3.0;  // forwards: one, a backward worth two, one more with activation checkpointing
  plan.flops = work * config.forward_flops(plan.total_tokens, row_length) +
               config.forward_flops(workload.reference_tokens, row_length);

  const int64_t parameters = 4 * config.num_parameters();
  const int64_t tokens =
      std::min(workload.tokens, std::max(options.micro_batch_tokens, workload.longest_example));
  const int64_t targets = std::min(tokens, workload.loss_tokens);
  const model::Keep keep =
      options.activation_checkpointing ? model::Keep::kCheckpoints : model::Keep::kActivations;
  const int64_t blocks = (tokens + ops::kKeyBlock - 1) / ops::kKeyBlock + tokens / row_length;
  // A tied embedding's own gradients: rows for the tokens that a step (or group) holds, at most.
  int64_t step_tokens = batch.batch_tokens;
  if (step_tokens <= 0)
    step_tokens = std::min(batch.batch_rows, workload.tokens) * (workload.tokens / examples);
  if (options.group_tokens > 0)
    step_tokens = std::min(step_tokens, std::max(options.group_tokens, workload.longest_example));
  const int64_t embedding_rows =
      config.tie_word_embeddings
          ? std::min({config.vocab_size, step_tokens, workload.tokens}) * config.hidden_size * 4
          : 0;
  plan.memory_bytes = {
      {"weights", parameters},
      {"gradients", parameters + embedding_rows},
      {"AdamW moments", 2 * config.num_parameters() * tensor::size_bytes(options.adamw.moments)}};
  if (const int64_t copy = decoder.parameter_copy_bytes(); copy > 0)
    plan.memory_bytes.emplace_back("weights rounded to bf16", copy);
  if (options.group_tokens > 0) plan.memory_bytes.push_back({"sum of group gradients", parameters});
  const int64_t sum_blocks = quotient(tokens, ops::Bf16Matrix::kBlock) + tokens / row_length;
  const model::PassSize pass{tokens, targets, blocks, workload.longest_row, keep, sum_blocks};
  for (auto& entry : decoder.pass_memory(pass)) plan.memory_bytes.push_back(std::move(entry));
  // During a save the old folder and the new one: model, and f32 weights and moments.
  plan.disk_bytes = 2 * (parameters + 3 * parameters);
  return plan;
}

}  // namespace ponder::train
