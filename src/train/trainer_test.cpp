#include "train/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.h"
#include "testing/same_bits.h"
#include "train/test_world.h"

namespace ponder::train {
namespace {

using train_test::random_pairs;
using train_test::random_rows;
using train_test::tiny_config;
using train_test::tiny_model;

std::vector<float> flat(const model::Parameters& parameters) {
  return {parameters.flat().begin(), parameters.flat().end()};
}

TrainOptions options_for(int64_t batch_rows) {
  TrainOptions options;
  options.lr = 2e-3;
  options.batch.batch_rows = batch_rows;
  return options;
}

struct Outcome {
  std::vector<float> weights;
  std::vector<StepReport> reports;
};

Outcome run(TrainingTask& task, const TrainOptions& options, int threads = 1) {
  ThreadPool pool(threads);
  model::Decoder decoder(tiny_config(), pool);
  PlannedBatches batches(task, options.batch);
  Trainer trainer(tiny_config(), tiny_model().parameters, batches, options, decoder, pool);
  Outcome result;
  while (!trainer.done()) result.reports.push_back(*trainer.step());
  result.weights = flat(trainer.state().weights());
  return result;
}

TEST(Trainer, LossFallsOnRowsItSees) {
  SftTask task(random_rows(12));
  TrainOptions options = options_for(12);
  options.batch.epochs = 40;
  options.lr = 1e-2;
  const Outcome result = run(task, options);
  EXPECT_NEAR(result.reports.front().loss, std::log(300.0), 0.6);
  EXPECT_LT(result.reports.back().loss, 0.6 * result.reports.front().loss);
  EXPECT_EQ(result.reports.back().step, 40);
  EXPECT_EQ(result.reports.back().epoch, 40);
}

// The loss of a step does not depend on accumulation, packing, recomputation or threads; nor does
// any bit of the weights.
TEST(Trainer, SplitCheckpointingAndThreadsChangeNoBit) {
  SftTask task(random_rows(20));
  TrainOptions options = options_for(8);
  options.batch.epochs = 2;
  const Outcome whole = run(task, options, 1);
  for (const int64_t micro : {1, 60}) {
    for (const bool recompute : {false, true}) {
      options.micro_batch_tokens = micro;
      options.activation_checkpointing = recompute;
      const Outcome split = run(task, options, recompute ? 2 : 1);
      EXPECT_TRUE(testing::same_bits(whole.weights, split.weights)) << micro << " " << recompute;
      for (size_t i = 0; i < whole.reports.size(); ++i) {
        EXPECT_EQ(whole.reports[i].loss, split.reports[i].loss);
        EXPECT_EQ(whole.reports[i].grad_norm, split.reports[i].grad_norm);
      }
    }
  }
}

// The gradient by its definition, with nothing of the trainer's: the rows of each group in one
// batch, chains from zero, groups added in order.
TEST(Trainer, GradientsOfGroupsAreAddedInOrder) {
  constexpr int64_t kGroupTokens = 50;
  const std::vector<data::TokenRow> rows = random_rows(9);
  SftTask task(rows);
  TrainOptions options = options_for(9);
  std::vector<int64_t> tokens;
  for (const data::TokenRow& row : rows) tokens.push_back(row.num_tokens());
  const std::vector<int32_t> order = plan_steps(tokens, options.batch)[0].examples;

  ThreadPool pool(1);
  model::Decoder decoder(tiny_config(), pool);
  const model::Checkpoint model = tiny_model();
  decoder.set_parameters(model.parameters);
  model::Gradients gradients(tiny_config());
  std::vector<float> sum(gradients.parameters().flat().size(), 0.0f);
  const std::optional<float> d = task.constant_gradient(task.step_weight(order));
  int groups = 0;
  for (size_t next = 0; next < order.size(); ++groups) {
    model::PackedBatch batch;
    while (next < order.size()) {
      const data::TokenRow& row = rows[static_cast<size_t>(order[next])];
      if (batch.num_tokens() > 0 && batch.num_tokens() + row.num_tokens() > kGroupTokens) break;
      batch.append(row.tokens, row.loss_mask);
      ++next;
    }
    std::vector<float> logprobs(static_cast<size_t>(batch.num_targets()));
    decoder.forward(batch, logprobs, model::Keep::kActivations);
    gradients.zero();
    decoder.backward(batch, std::vector<float>(logprobs.size(), *d), gradients);
    gradients.finish();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += gradients.parameters().flat()[i];
  }
  ASSERT_GE(groups, 3);
  ASSERT_LT(groups, 9);

  options.batch.epochs = 1;
  options.group_tokens = kGroupTokens;
  EXPECT_EQ(run(task, options).reports[0].grad_norm, gradient_norm(sum, pool));
  options.group_tokens = 0;
  EXPECT_NE(run(task, options).reports[0].grad_norm, gradient_norm(sum, pool));
}

TEST(Trainer, SplitCheckpointingAndThreadsChangeNoBitOfGroups) {
  TrainOptions options = options_for(6);
  options.batch.epochs = 2;
  options.group_tokens = 70;
  const auto outcome = [&](int64_t micro, bool recompute, int threads, bool dpo) {
    options.micro_batch_tokens = micro;
    options.activation_checkpointing = recompute;
    SftTask rows(random_rows(20));
    DpoTask pairs(random_pairs(12), {}, data::Align::kThought);
    return run(dpo ? static_cast<TrainingTask&>(pairs) : rows, options, threads).weights;
  };
  for (const bool dpo : {false, true}) {
    const auto weights = outcome(2048, false, 1, dpo);
    EXPECT_TRUE(testing::same_bits(weights, outcome(1, true, 2, dpo))) << dpo;
    EXPECT_TRUE(testing::same_bits(weights, outcome(60, false, 1, dpo))) << dpo;
    EXPECT_TRUE(testing::same_bits(weights, outcome(100, false, 1, dpo))) << dpo;
    // All of a step as one group is the one chain; other groups are another rounding.
    options.group_tokens = 1 << 20;
    const auto one_group = outcome(60, false, 1, dpo);
    options.group_tokens = 0;
    EXPECT_TRUE(testing::same_bits(one_group, outcome(60, false, 1, dpo))) << dpo;
    EXPECT_FALSE(testing::same_bits(one_group, weights)) << dpo;
    options.group_tokens = 70;
  }
}

// A packed row's log-probabilities are those it has alone.
TEST(Trainer, PackedRowsDoNotSeeEachOther) {
  ThreadPool pool(1);
  model::Decoder decoder(tiny_config(), pool);
  const model::Checkpoint model = tiny_model();
  decoder.set_parameters(model.parameters);
  const auto rows = random_rows(10);
  model::PackedBatch packed;
  for (const auto& row : rows) packed.append(row.tokens, row.loss_mask);
  std::vector<float> together(static_cast<size_t>(packed.num_targets()));
  decoder.forward(packed, together, model::Keep::kNothing);
  size_t at = 0;
  for (const auto& row : rows) {
    model::PackedBatch alone;
    std::vector<float> own(static_cast<size_t>(alone.append(row.tokens, row.loss_mask)));
    decoder.forward(alone, own, model::Keep::kNothing);
    for (const float logprob : own) EXPECT_EQ(logprob, together[at++]);
  }
}

TEST(Trainer, OneHugeAndManyTinyRowsWeighByTokens) {
  auto rows = random_rows(6);
  data::TokenRow huge;
  huge.name = "huge";
  for (int i = 0; i < 400; ++i) huge.tokens.push_back(i % 300);
  huge.loss_mask.assign(400, 1);
  huge.loss_mask[0] = 0;
  rows.push_back(huge);
  SftTask task(rows);
  int64_t tokens = 0;
  for (const auto& row : rows) tokens += row.num_loss_tokens();
  TrainOptions options = options_for(100);
  options.batch.epochs = 1;
  options.micro_batch_tokens = 50;
  const Outcome result = run(task, options);
  ASSERT_EQ(result.reports.size(), 1u);
  EXPECT_EQ(result.reports[0].trained_tokens, tokens);
  EXPECT_TRUE(std::isfinite(result.reports[0].loss));
}

TEST(Trainer, DegenerateRowsAreErrorsThatNameThem) {
  const auto expect_names = [](data::TokenRow row) {
    try {
      SftTask task({row});
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.where(), row.name);
    }
  };
  expect_names({"length one", {5}, {1}, 0});
  expect_names({"nothing to train", {5, 6, 7}, {0, 0, 0}, 2});
  expect_names({"first token", {5, 6, 7}, {1, 1, 1}, 2});
  expect_names({"short mask", {5, 6, 7}, {0, 1}, 2});
  EXPECT_THROW(SftTask({}), Error);
  EXPECT_THROW(DpoTask({}, {}, data::Align::kThought), Error);
}

TEST(Trainer, RowsBeyondThePositionsAreRefused) {
  auto rows = random_rows(1);
  rows[0].tokens.resize(600, 1);
  rows[0].loss_mask.resize(600, 1);
  SftTask task(rows);
  EXPECT_THROW(run(task, options_for(8)), Error);
}

// An SFT task that spoils the objective of chosen steps.
class SpoiledTask : public SftTask {
 public:
  enum class Spoil { kLoss, kGradient };
  SpoiledTask(std::vector<data::TokenRow> rows, std::vector<int> bad_calls, Spoil spoil)
      : SftTask(std::move(rows)), bad_calls_(std::move(bad_calls)), spoil_(spoil) {}
  ExampleTerms evaluate(int32_t example, std::span<const float> logprobs, StepWeight weight,
                        std::span<float> dlogprobs) const override {
    ExampleTerms terms = SftTask::evaluate(example, logprobs, weight, dlogprobs);
    for (const int bad : bad_calls_) {
      if (calls_ != bad) continue;
      last_spoiled = example_name(example);
      if (spoil_ == Spoil::kLoss) terms.loss = std::numeric_limits<double>::quiet_NaN();
      // Finite, but the sum in backward overflows.
      if (spoil_ == Spoil::kGradient) std::fill(dlogprobs.begin(), dlogprobs.end(), 3e38f);
    }
    ++calls_;
    return terms;
  }
  std::optional<float> constant_gradient(StepWeight weight) const override {
    if (spoil_ == Spoil::kGradient) return std::nullopt;
    return SftTask::constant_gradient(weight);
  }
  mutable std::string last_spoiled;

 private:
  std::vector<int> bad_calls_;
  Spoil spoil_;
  mutable int calls_ = 0;
};

TEST(Trainer, StepThatIsNotFiniteChangesNothingAndNamesTheRow) {
  for (const auto spoil : {SpoiledTask::Spoil::kLoss, SpoiledTask::Spoil::kGradient}) {
    SpoiledTask task(random_rows(8), {5}, spoil);  // the second example of the second step
    ThreadPool pool(1);
    model::Decoder decoder(tiny_config(), pool);
    PlannedBatches batches(task, options_for(4).batch);
    Trainer trainer(tiny_config(), tiny_model().parameters, batches, options_for(4), decoder, pool);
    EXPECT_TRUE(trainer.step()->skipped.empty());
    const auto weights = flat(trainer.state().weights()),
               m = train_test::values_of(trainer.state(), TrainingState::Part::kExpAvg),
               v = train_test::values_of(trainer.state(), TrainingState::Part::kExpAvgSq);
    const StepReport report = *trainer.step();
    EXPECT_FALSE(report.skipped.empty());
    EXPECT_NE(std::find(report.skipped_rows.begin(), report.skipped_rows.end(), task.last_spoiled),
              report.skipped_rows.end());
    if (spoil == SpoiledTask::Spoil::kLoss) {
      EXPECT_EQ(report.skipped_rows.size(), 1u);
    }
    EXPECT_TRUE(testing::same_bits(weights, flat(trainer.state().weights())));
    EXPECT_TRUE(testing::same_bits(
        m, train_test::values_of(trainer.state(), TrainingState::Part::kExpAvg)));
    EXPECT_TRUE(testing::same_bits(
        v, train_test::values_of(trainer.state(), TrainingState::Part::kExpAvgSq)));
    EXPECT_EQ(trainer.state().num_updates(), 1);
    EXPECT_EQ(trainer.position().step, 2);
    EXPECT_TRUE(trainer.step()->skipped.empty());
    EXPECT_EQ(trainer.position().consecutive_skips, 0);
  }
}

TEST(Trainer, ThreeSkippedStepsInARowStop) {
  SpoiledTask task(random_rows(4), {4, 8, 12}, SpoiledTask::Spoil::kLoss);
  ThreadPool pool(1);
  model::Decoder decoder(tiny_config(), pool);
  TrainOptions options = options_for(4);
  options.batch.epochs = 6;
  PlannedBatches batches(task, options.batch);
  Trainer trainer(tiny_config(), tiny_model().parameters, batches, options, decoder, pool);
  for (int i = 0; i < 3; ++i) trainer.step();
  try {
    trainer.step();
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.problem().find(task.last_spoiled), std::string::npos) << error.what();
  }
}

// Told to stop at the beginning of a forward, or of a backward by itself.
class StopsWithin : public SftTask {
 public:
  enum class Pass { kForward, kBackward };
  StopsWithin(std::vector<data::TokenRow> rows, Pass pass)
      : SftTask(std::move(rows)), pass_(pass) {}
  void append(int32_t example, model::PackedBatch& batch) const override {
    SftTask::append(example, batch);
    if (pass_ == Pass::kForward) stop = armed;
  }
  ExampleTerms evaluate(int32_t example, std::span<const float> logprobs, StepWeight weight,
                        std::span<float> dlogprobs) const override {
    ++evaluated;
    stop = armed;
    return SftTask::evaluate(example, logprobs, weight, dlogprobs);
  }
  std::optional<float> constant_gradient(StepWeight weight) const override {
    return pass_ == Pass::kForward ? SftTask::constant_gradient(weight) : std::nullopt;
  }
  mutable std::atomic<bool> stop = false;
  mutable int evaluated = 0;
  bool armed = false;

 private:
  Pass pass_;
};

TEST(Trainer, StopWithinAPassLeavesTheStepUndone) {
  SftTask whole(random_rows(8));
  const Outcome expected = run(whole, options_for(4));
  for (const auto pass : {StopsWithin::Pass::kForward, StopsWithin::Pass::kBackward}) {
    StopsWithin task(random_rows(8), pass);
    ThreadPool pool(1);
    model::Decoder decoder(tiny_config(), pool);
    PlannedBatches batches(task, options_for(4).batch);
    Trainer trainer(tiny_config(), tiny_model().parameters, batches, options_for(4), decoder, pool);
    trainer.step(&task.stop);
    task.armed = true;
    const int before = task.evaluated;
    EXPECT_FALSE(trainer.step(&task.stop)) << "a step is one micro-batch here";
    EXPECT_EQ(task.evaluated > before, pass == StopsWithin::Pass::kBackward);
    EXPECT_EQ(trainer.position().step, 1);
    task.armed = task.stop = false;
    while (!trainer.done()) trainer.step(&task.stop);
    EXPECT_TRUE(testing::same_bits(expected.weights, flat(trainer.state().weights())));
  }
}

TEST(Trainer, StopBetweenMicroBatchesLeavesTheStepUndone) {
  SftTask task(random_rows(8));
  ThreadPool pool(1);
  model::Decoder decoder(tiny_config(), pool);
  PlannedBatches batches(task, options_for(4).batch);
  Trainer trainer(tiny_config(), tiny_model().parameters, batches, options_for(4), decoder, pool);
  const auto weights = flat(trainer.state().weights());
  const std::atomic<bool> stop{true};
  EXPECT_FALSE(trainer.step(&stop));
  EXPECT_EQ(trainer.position().step, 0);
  EXPECT_TRUE(testing::same_bits(weights, flat(trainer.state().weights())));
}

TEST(DpoTraining, StartsAtLn2AndLearnsThePreference) {
  DpoTask task(random_pairs(8), {0.5, 0.1}, data::Align::kResponse);
  TrainOptions options = options_for(8);
  options.batch.epochs = 15;
  options.micro_batch_tokens = 60;
  const Outcome result = run(task, options);
  const auto metric = [](const StepReport& report, const std::string& name) {
    for (const auto& [key, value] : report.metrics) {
      if (key == name) return value;
    }
    ADD_FAILURE() << name;
    return 0.0;
  };
  EXPECT_NEAR(metric(result.reports.front(), "preference_loss"), std::numbers::ln2, 1e-12);
  EXPECT_EQ(metric(result.reports.front(), "margin"), 0.0);
  EXPECT_GT(metric(result.reports.back(), "margin"), 0.5);
  EXPECT_EQ(metric(result.reports.back(), "accuracy"), 1.0);
}

TEST(DpoTraining, ReferenceOfAnotherModelStopsTheJob) {
  ThreadPool pool(1);
  model::Decoder decoder(tiny_config(), pool);
  class WrongReference : public DpoTask {
   public:
    using DpoTask::DpoTask;
    void prepare(const Policy& policy) override {
      policy.decoder.set_parameters(other_.parameters);
      DpoTask::prepare(policy);
      policy.decoder.set_parameters(start_.parameters);
    }

   private:
    // The decoder borrows what it was given, so both outlive the step.
    model::Checkpoint other_ = tiny_model(2), start_ = tiny_model(1);
  };
  WrongReference wrong(random_pairs(4), {1.0, 0.0}, data::Align::kThought);
  PlannedBatches batches(wrong, options_for(4).batch);
  Trainer trainer(tiny_config(), tiny_model(1).parameters, batches, options_for(4), decoder, pool);
  try {
    trainer.step();
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.problem().find("ln 2"), std::string::npos);
  }
}

TEST(DpoTraining, SplitChangesNoBit) {
  DpoTask task(random_pairs(10), {}, data::Align::kThought),
      again(random_pairs(10), {}, data::Align::kThought);
  TrainOptions options = options_for(5);
  options.batch.epochs = 2;
  const Outcome whole = run(task, options, 1);
  options.micro_batch_tokens = 1;
  const Outcome split = run(again, options, 2);
  EXPECT_TRUE(testing::same_bits(whole.weights, split.weights));
}

}  // namespace
}  // namespace ponder::train
