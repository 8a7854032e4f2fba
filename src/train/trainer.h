// The optimiser loop: forward, objective, backward, clip, AdamW. Weights after step n are a
// function of (starting weights, batches, options): threads, members, the split into micro-batches,
// activation checkpointing and restarts change no bit.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "model/decoder.h"
#include "tensor/precision.h"
#include "train/batch_source.h"
#include "train/lr_schedule.h"
#include "train/training_state.h"

namespace ponder::train {

// Tokens per forward and backward where nothing is said: in bf16 fewer, which takes less memory and, with AMX,
// no more time (docs/performance.md).
constexpr int64_t usual_micro_batch_tokens(tensor::Precision precision) {
  return precision == tensor::Precision::kF32 ? 2048 : 1024;
}

struct TrainOptions {
  BatchOptions batch;  // of a planned job; other sources of batches have settings of their own
  double lr = 1e-5;    // peak
  ScheduleKind schedule = ScheduleKind::kCosine;
  double warmup_ratio = 0.1;  // of all steps
  AdamWOptions adamw;
  double max_grad_norm = 1.0;  // 0: no clipping
  // 0: the gradient is one chain over all tokens of a step. Otherwise it is the sum of the
  // gradients of groups: neighbouring examples of at most so many tokens (a longer example is a
  // group by itself).
  int64_t group_tokens = 0;
  tensor::Precision precision = tensor::Precision::kF32;  // in which the decoder computes
  // How it is computed; changes no bit of the result.
  // Tokens per forward and backward, unless one example is longer.
  int64_t micro_batch_tokens = usual_micro_batch_tokens(tensor::Precision::kF32);
  // Keep the inputs of layers only: less memory, about a third more work.
  bool activation_checkpointing = false;

  // Throws Error naming the option that makes no sense.
  void check() const;
  Json identity() const;  // the fields that change results, less `batch`: PlannedBatches has those
};

// One optimiser step, as logged.
struct StepReport {
  int64_t step = 0;       // counted from 1
  int64_t num_steps = 0;  // 0: not known
  int epoch = 0;          // counted from 1
  double loss = 0, lr = 0, grad_norm = 0;
  int64_t tokens = 0, trained_tokens = 0, rows = 0;
  double seconds = 0;
  std::vector<std::pair<std::string, double>> metrics;  // DPO: preference_loss, chosen_nll, …
  // A step whose loss or gradient is not finite changes nothing; empty otherwise.
  std::string skipped;  // why
  std::vector<std::string>
      skipped_rows;  // the examples to blame, or all of the step where that cannot be told

  double tokens_per_second() const {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  }
};
std::string to_text(const StepReport& report);  // "loss 0.5321  lr 1.00e-04  …", for people
Json to_json(const StepReport& report);  // step, loss, lr, grad_norm, tokens, tokens_per_second, …

// Where a trainer stands, beside its weights and moments.
struct TrainerPosition {
  int64_t step = 0;         // steps done: also the position in the order of rows
  int64_t num_updates = 0;  // less those skipped
  int64_t consecutive_skips = 0;
  int64_t total_tokens = 0;
};

// The decoder computes in options.precision; weights and moments are f32 in either. Borrows source,
// decoder, threads and members for its life. One thread calls.
//
// Over many members every one has a trainer with the same start, batches and options, and calls
// the same functions. Group k of a step is made by member k modulo their number; loss, reports,
// skips and stops are the same for all. What one of them throws ends the job for all.
class Trainer {
 public:
  static constexpr int64_t kMaxConsecutiveSkips = 3;

  // Without a known number of steps the schedule must be constant, without warm-up.
  Trainer(const model::ModelConfig& config, model::Parameters start, BatchSource& source,
          const TrainOptions& options, model::Decoder& decoder, ThreadPool& threads,
          comm::Communicator& members = comm::single_member());

  std::optional<int64_t> num_steps() const { return source_.num_steps(); }
  const TrainerPosition& position() const { return position_; }
  bool done() const { return ended_ || position_.step == num_steps(); }

  // The next optimiser step. nullopt if `stop` (may be null) of any member was set: it is looked at
  // before micro-batches and between layers; the step counts as not begun. Also nullopt, and done()
  // from then on, if the source has no more. Throws Error when a third step in a row was skipped.
  std::optional<StepReport> step(const std::atomic<bool>* stop = nullptr);

  const TrainingState& state() const { return state_; }
  // To resume: fill the state, then set the position.
  TrainingState& mutable_state() { return state_; }
  void set_position(const TrainerPosition& position);
  // No step follows: done() from now on.
  void end() { ended_ = true; }
  Policy policy() const { return {decoder_, options_.micro_batch_tokens, members_}; }

 private:
  class ExampleTable;
  struct Step;
  std::optional<StepReport> next_step(const std::atomic<bool>* stop);
  bool accumulate(Step& step);
  bool add_group(Step& step, ExampleRange group);

  BatchSource& source_;
  TrainOptions options_;
  model::Decoder& decoder_;
  comm::Communicator& members_;
  TrainingState state_;
  LrSchedule schedule_;
  TrainerPosition position_;
  bool prepared_ = false, ended_ = false;
};

}  // namespace ponder::train
