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
  model::Decoder decoder(tiny_config(), pool);
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

TEST(SlowPromises, TwoHundredStepsAreTheSameOnAnyThreadsWithAndWithoutCheckpointing) {
  SftTask task(random_rows(8));
  TrainOptions options = options_of(100);
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

TEST(Promises, EveryMachineTrainsTheSame) {
  SftTask task(random_rows(20));
  DpoTask preferences(random_pairs(6), {}, data::Align::kResponse);
  TrainOptions options = options_of(1);
  ThreadPool one(1);
  const Trace first = train(task, options, one), first_dpo = train(preferences, options, one);
  int machines = 0;
  ops::on_every_machine(false, [&](ThreadPool& pool) {
    options.activation_checkpointing = machines++ % 2 == 1;
    expect_same(first, train(task, options, pool));
    DpoTask again(random_pairs(6), {}, data::Align::kResponse);
    expect_same(first_dpo, train(again, options, pool));
  });
  EXPECT_GE(machines, 2);
}

}  // namespace
}  // namespace ponder::train
