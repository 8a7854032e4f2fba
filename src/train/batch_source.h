// Where a trainer's steps come from: before each step it asks for the next batch. A list planned
// from the examples of one task is the first source; others may make rows from what the policy of
// the moment does, without an end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "train/batches.h"
#include "train/policy.h"
#include "train/task.h"

namespace ponder::train {

// What one optimiser step trains on.
struct TrainBatch {
  TrainingTask* task = nullptr;  // rows and objective; the source's, until next() is called again
  // Of the task, at least one, in the order in which they are summed.
  std::vector<int32_t> examples;
  int epoch = 0;  // counted from 0
};

// Over many members everyone has a source, calls the same functions, and must get the same batches.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  // Called once, before the first step, with the starting weights; again if a pass of the policy was
  // interrupted, which it must then pass on (model::Interrupted) on all members.
  virtual void prepare(const Policy&) {}
  // The batch of step `step`, counted from 0; nullopt when there are no more. Asked for in
  // ascending order, but a step that was stopped is asked for again and must be the same.
  virtual std::optional<TrainBatch> next(int64_t step, const Policy& policy) = 0;
  virtual std::optional<int64_t> num_steps() const = 0;  // where that is known before
  virtual int64_t longest_row() const = 0;               // tokens, of all rows that may come

  // What prepare() and next() need to go on in another process, with the step that was given last
  // or the one after it.
  virtual Json save() const { return Json::object(); }
  virtual void load(const Json&, const std::string& /*where*/) {}
  // Name, settings and data: two sources with equal identities give the same batches for the same
  // weights.
  virtual Json identity() const = 0;
};

// Every example of a task once per epoch (plan_steps). Borrows the task.
class PlannedBatches : public BatchSource {
 public:
  PlannedBatches(TrainingTask& task, const BatchOptions& options);

  void prepare(const Policy& policy) override { task_.prepare(policy); }
  std::optional<TrainBatch> next(int64_t step, const Policy& policy) override;
  std::optional<int64_t> num_steps() const override { return static_cast<int64_t>(steps_.size()); }
  int64_t longest_row() const override { return task_.longest_row(); }
  Json save() const override { return task_.save(); }
  void load(const Json& state, const std::string& where) override { task_.load(state, where); }
  Json identity() const override;  // the task's, and epochs, batch_rows, batch_tokens, seed

 private:
  TrainingTask& task_;
  BatchOptions options_;
  std::vector<StepExamples> steps_;
};

}  // namespace ponder::train
