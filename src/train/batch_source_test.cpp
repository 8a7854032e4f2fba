#include "train/batch_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/file.h"
#include "base/philox.h"
#include "comm/thread_members.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"
#include "train/test_world.h"
#include "train/training_job.h"

namespace ponder::train {
namespace {

namespace fs = std::filesystem;
using train_test::random_rows;
using train_test::tiny_config;
using train_test::tiny_model;
using train_test::values_of;

// Of four rows drawn for every step, the two that the policy of the moment finds least likely; ends
// when it is told to.
class HardestRows : public BatchSource {
 public:
  explicit HardestRows(int64_t end) : end_(end) {}

  std::optional<TrainBatch> next(int64_t step, const Policy& policy) override {
    if (step == end_) return std::nullopt;
    if (step != step_) seed_before_ = seed_;  // a step that is asked for again draws the same
    step_ = step;
    std::vector<data::TokenRow> rows = random_rows(4, seed_before_);
    seed_ = RandomSequence(seed_before_, 1).below(1000000);
    std::vector<std::pair<double, size_t>> order;
    for (size_t i = 0; i < rows.size(); ++i) order.emplace_back(mean_logprob(rows[i], policy), i);
    std::sort(order.begin(), order.end());
    chosen.push_back({static_cast<int>(order[0].second), static_cast<int>(order[1].second)});
    task_.emplace(std::vector<data::TokenRow>{rows[order[0].second], rows[order[1].second]});
    return TrainBatch{&*task_, {0, 1}, 0};
  }
  std::optional<int64_t> num_steps() const override { return std::nullopt; }
  int64_t longest_row() const override { return 40; }
  Json save() const override {
    return {{"step", step_}, {"seed", seed_}, {"seed_before", seed_before_}};
  }
  void load(const Json& state, const std::string& /*where*/) override {
    step_ = state.at("step").get<int64_t>();
    seed_ = state.at("seed").get<uint64_t>();
    seed_before_ = state.at("seed_before").get<uint64_t>();
  }
  Json identity() const override { return {{"objective", "sft"}, {"source", "hardest rows"}}; }

  std::vector<std::pair<int, int>> chosen;  // of every call

 private:
  static double mean_logprob(const data::TokenRow& row, const Policy& policy) {
    model::PackedBatch batch;
    std::vector<float> logprobs(static_cast<size_t>(batch.append(row.tokens, row.loss_mask)));
    policy.decoder.forward(batch, logprobs, model::Keep::kNothing);
    double sum = 0;
    for (const float logprob : logprobs) sum += logprob;
    return sum / static_cast<double>(logprobs.size());
  }

  int64_t end_, step_ = -1;
  uint64_t seed_ = 11, seed_before_ = 11;
  std::optional<SftTask> task_;
};

TrainOptions endless_options() {
  TrainOptions options;
  options.lr = 3e-3;
  options.schedule = ScheduleKind::kConstant;
  options.warmup_ratio = 0;
  options.group_tokens = 20;
  return options;
}

TEST(BatchSource, StepsMadeFromThePolicyUntilThereAreNoMore) {
  ThreadPool pool(1);
  model::Decoder decoder(tiny_config(), pool);
  HardestRows source(12);
  Trainer trainer(tiny_config(), tiny_model().parameters, source, endless_options(), decoder, pool);
  EXPECT_FALSE(trainer.num_steps());
  int64_t steps = 0;
  while (const std::optional<StepReport> report = trainer.step()) {
    EXPECT_EQ(report->step, ++steps);
    EXPECT_EQ(report->rows, 2);
    EXPECT_EQ(report->lr, 3e-3);
    EXPECT_FALSE(to_json(*report).contains("num_steps"));
    EXPECT_FALSE(trainer.done());
  }
  EXPECT_EQ(steps, 12);
  EXPECT_TRUE(trainer.done());

  // It was the policy that chose: that of the start would have chosen otherwise.
  HardestRows untrained(12);
  const model::Checkpoint start = tiny_model();
  decoder.set_parameters(start.parameters);
  for (int64_t step = 0; step < 12; ++step)
    untrained.next(step, {decoder, 2048, comm::single_member()});
  EXPECT_EQ(untrained.chosen[0], source.chosen[0]);
  EXPECT_NE(untrained.chosen, source.chosen);
}

TEST(BatchSource, AJobWithoutAPlanResumesByteIdentical) {
  const testing::TemporaryFolder folder;
  const auto run = [&](const char* out, int64_t steps, int members) {
    JobResult result;
    comm::run_members(members, [&](comm::Communicator& c) {
      ThreadPool pool(1);
      HardestRows source(8);
      JobOptions job;
      job.out = folder / out;
      job.stop_after_steps = steps;
      job.checkpoint_steps = 2;  // the last step too: only the next question says that it was
      const JobResult own = run_training(tiny_model(), source, endless_options(), job, pool, c);
      if (c.rank() == 0) result = own;
    });
    return result;
  };
  const JobResult whole = run("whole", 0, 1);
  EXPECT_TRUE(whole.finished);
  EXPECT_EQ(whole.steps_done, 8);
  EXPECT_FALSE(whole.stopped_by_request);
  EXPECT_FALSE(fs::exists(folder / "whole" / "trainer_state" / "optimizer.safetensors"));
  EXPECT_FALSE(run("half", 3, 1).finished);
  EXPECT_FALSE(run("half", 5, 3).finished);
  const JobResult rest = run("half", 0, 2);
  EXPECT_TRUE(rest.finished);
  EXPECT_EQ(rest.losses, whole.losses);
  EXPECT_EQ(rest.sha256, whole.sha256);
  EXPECT_EQ(run("half", 0, 1).steps_done, 8);
}

// A source that is asked while a stop comes: the step is given up under way.
class StopsOnce : public HardestRows {
 public:
  using HardestRows::HardestRows;
  std::optional<TrainBatch> next(int64_t step, const Policy& policy) override {
    ++asked;
    if (step == 2 && !stopped_) stop = stopped_ = true;
    return HardestRows::next(step, policy);
  }
  std::atomic<bool> stop = false;
  size_t asked = 0;

 private:
  bool stopped_ = false;
};

TEST(BatchSource, AStoppedStepIsAskedForAgain) {
  ThreadPool pool(1);
  model::Decoder decoder(tiny_config(), pool);
  HardestRows source(5);
  StopsOnce stopping(5);
  Trainer trainer(tiny_config(), tiny_model().parameters, source, endless_options(), decoder, pool);
  while (trainer.step()) {
  }
  Trainer other(tiny_config(), tiny_model().parameters, stopping, endless_options(), decoder, pool);
  int stops = 0;
  while (!other.done()) {
    if (other.step(&stopping.stop) || other.done()) continue;
    EXPECT_EQ(other.position().step, 2);
    stopping.stop = false;
    ++stops;
  }
  EXPECT_EQ(stops, 1);
  EXPECT_EQ(stopping.asked, source.chosen.size() + 2);  // once again, and for the end
  EXPECT_EQ(stopping.chosen, source.chosen);  // the source was interrupted before it had chosen
  EXPECT_EQ(values_of(other.state(), TrainingState::Part::kWeights),
            values_of(trainer.state(), TrainingState::Part::kWeights));
}

TEST(BatchSource, AScheduleThatNeedsAnEndIsRefused) {
  ThreadPool pool(1);
  model::Decoder decoder(tiny_config(), pool);
  HardestRows source(8);
  const auto refusal = [&](const TrainOptions& options) {
    return testing::error_text(
        [&] { Trainer(tiny_config(), tiny_model().parameters, source, options, decoder, pool); });
  };
  TrainOptions options = endless_options();
  EXPECT_EQ(refusal(options), "(no error)");
  options.warmup_ratio = 0.1;
  EXPECT_NE(refusal(options).find("schedule"), std::string::npos);
  options = endless_options();
  options.schedule = ScheduleKind::kCosine;
  EXPECT_NE(refusal(options).find("schedule"), std::string::npos);
}

TEST(PlannedBatches, GiveThePlanAndThenNothing) {
  SftTask task(random_rows(10));
  BatchOptions options;
  options.epochs = 2;
  options.batch_rows = 4;
  PlannedBatches batches(task, options);
  ThreadPool pool(1);
  model::Decoder decoder(tiny_config(), pool);
  const Policy policy{decoder, 2048, comm::single_member()};
  ASSERT_EQ(batches.num_steps(), 6);
  std::vector<int> seen(10, 0);
  for (int64_t step = 0; step < 6; ++step) {
    const TrainBatch batch = *batches.next(step, policy);
    EXPECT_EQ(batch.task, &task);
    EXPECT_EQ(batch.epoch, step / 3);
    for (const int32_t example : batch.examples) ++seen[static_cast<size_t>(example)];
  }
  EXPECT_EQ(seen, std::vector<int>(10, 2));
  EXPECT_FALSE(batches.next(6, policy));
  for (const char* key : {"epochs", "batch_rows", "batch_tokens", "seed", "rows_sha256"}) {
    EXPECT_TRUE(batches.identity().contains(key)) << key;
  }
}

}  // namespace
}  // namespace ponder::train
