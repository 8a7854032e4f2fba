// The promise about training: weights after n steps are a function of (start, rows, options),
// whatever the threads, the recomputation, the micro-batches and the instruction set.
// docs/arithmetic.md has the table of promises.
#include "ops/test_support.h"
#include "train/test_world.h"
#include "train/trainer.h"

namespace ponder::train {
namespace {

using train_test::random_pairs;
using train_test::random_rows;
using train_test::tiny_config;
using train_test::tiny_model;

// Everything a run leaves: weights, both moments, and each step's loss and norm.
struct Trace {
  std::vector<float> weights, exp_avg, exp_avg_sq;
  std::vector<double> losses, norms;
  bool operator==(const Trace&) const = default;
};

Trace train(TrainingTask& task, const TrainOptions& options, ThreadPool& pool) {
  model::Decoder decoder(tiny_config(), pool, options.precision);
  PlannedBatches batches(task, options.batch);
  Trainer trainer(tiny_config(), tiny_model().parameters, batches, options, decoder, pool);
  Trace trace;
  while (!trainer.done()) {
    const StepReport report = *trainer.step();
    EXPECT_TRUE(report.skipped.empty()) << report.skipped;
    trace.losses.push_back(report.loss);
    trace.norms.push_back(report.grad_norm);
  }
  const auto copy = [](const model::Parameters& p) {
    return std::vector<float>(p.flat().begin(), p.flat().end());
  };
  trace.weights = copy(trainer.state().weights());
  trace.exp_avg = train_test::values_of(trainer.state(), TrainingState::Part::kExpAvg);
  trace.exp_avg_sq = train_test::values_of(trainer.state(), TrainingState::Part::kExpAvgSq);
  return trace;
}

void expect_same(const Trace& a, const Trace& b) {
  EXPECT_TRUE(testing::same_bits(a.weights, b.weights));
  EXPECT_TRUE(testing::same_bits(a.exp_avg, b.exp_avg));
  EXPECT_TRUE(testing::same_bits(a.exp_avg_sq, b.exp_avg_sq));
  EXPECT_EQ(a.losses, b.losses);
  EXPECT_EQ(a.norms, b.norms);
}

TrainOptions options_of(int epochs) {
  TrainOptions options;
  options.lr = 2e-3;
  options.batch.epochs = epochs;
  options.batch.batch_rows = 4;
  return options;
}

// Both arithmetics.
class SlowPromises : public ::testing::TestWithParam<tensor::Precision> {};
class Promises : public SlowPromises {};
constexpr auto kBoth = [] {
  return ::testing::Values(tensor::Precision::kF32, tensor::Precision::kBf16);
};
constexpr auto kName = [](const auto& info) { return std::string(to_string(info.param)); };
INSTANTIATE_TEST_SUITE_P(, SlowPromises, kBoth(), kName);
INSTANTIATE_TEST_SUITE_P(, Promises, kBoth(), kName);

TEST_P(SlowPromises, TwoHundredStepsAreTheSameOnAnyThreadsWithAndWithoutCheckpointing) {
  SftTask task(random_rows(8));
  TrainOptions options = options_of(100);
  options.precision = GetParam();
  ThreadPool one(1);
  const Trace first = train(task, options, one);
  ASSERT_EQ(first.losses.size(), 200u);
  EXPECT_LT(first.losses.back(), 0.5 * first.losses.front());  // it did learn
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    for (const bool recompute : {false, true}) {
      if (threads == 1 && !recompute) continue;
      SCOPED_TRACE(std::to_string(threads) + " threads, recomputation " +
                   (recompute ? "on" : "off"));
      options.activation_checkpointing = recompute;
      expect_same(first, train(task, options, pool));
    }
  }
}

TEST_P(Promises, EveryMachineTrainsTheSame) {
  SftTask task(random_rows(20));
  DpoTask preferences(random_pairs(6), {}, data::Align::kResponse);
  TrainOptions options = options_of(1);
  options.precision = GetParam();
  ThreadPool one(1);
  const Trace first = train(task, options, one), first_dpo = train(preferences, options, one);
  int machines = 0;
  ops::on_every_machine(GetParam(), false, [&](ThreadPool& pool) {
    options.activation_checkpointing = machines++ % 2 == 1;
    expect_same(first, train(task, options, pool));
    DpoTask again(random_pairs(6), {}, data::Align::kResponse);
    expect_same(first_dpo, train(again, options, pool));
  });
  EXPECT_GE(machines, 2);
}

// The same rows in any micro-batches, with recomputation and threads, alone and in groups; another
// arithmetic trains something else.
TEST_P(Promises, MicroBatchesRecomputationAndThreadsChangeNoBit) {
  std::vector<data::TokenRow> rows = random_rows(10);
  for (const int length : {33, 97, 64}) {  // around the ends of blocks of 32
    data::TokenRow& row = rows.emplace_back();
    row.name = "row of " + std::to_string(length);
    for (int i = 0; i < length; ++i) row.tokens.push_back((i * 7 + length) % 300);
    row.loss_mask.assign(row.tokens.size(), 1);
    row.loss_mask[0] = 0;
  }
  SftTask task(rows);
  TrainOptions options = options_of(2);
  options.precision = GetParam();
  options.batch.batch_rows = 8;
  ThreadPool one(1), three(3);
  for (const int64_t group : {0, 120}) {
    options.group_tokens = group;
    options.micro_batch_tokens = 4096;
    options.activation_checkpointing = false;
    const Trace whole = train(task, options, one);
    for (const int64_t micro : {1, 50, 130}) {
      SCOPED_TRACE("micro-batches of " + std::to_string(micro) + ", groups of " +
                   std::to_string(group));
      options.micro_batch_tokens = micro;
      options.activation_checkpointing = micro == 50;
      expect_same(whole, train(task, options, micro == 130 ? three : one));
    }
    if (GetParam() == tensor::Precision::kF32) continue;
    options.precision = tensor::Precision::kF32;
    EXPECT_FALSE(testing::same_bits(whole.weights, train(task, options, one).weights));
    options.precision = GetParam();
  }
}

}  // namespace
}  // namespace ponder::train
