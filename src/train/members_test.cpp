// Training over members: what comes out does not depend on how many there are, and none of them is
// left behind by a stop, a skipped step or an error of another.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "comm/thread_members.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"
#include "train/test_world.h"
#include "train/training_job.h"

namespace ponder::train {
namespace {

using train_test::random_pairs;
using train_test::random_rows;
using train_test::tiny_config;
using train_test::tiny_model;
using train_test::values_of;
using Part = TrainingState::Part;

TrainOptions options_of_groups() {
  TrainOptions options;
  options.lr = 2e-3;
  options.batch.epochs = 2;
  options.batch.batch_rows = 7;
  options.group_tokens = 60;
  options.micro_batch_tokens = 45;
  return options;
}

std::unique_ptr<TrainingTask> task_of(bool dpo) {
  if (dpo) return std::make_unique<DpoTask>(random_pairs(10), DpoOptions{}, data::Align::kThought);
  return std::make_unique<SftTask>(random_rows(24));
}

// Everything a member has at its end.
struct Trace {
  std::vector<float> weights, exp_avg, exp_avg_sq;
  std::vector<Json> reports;
  bool operator==(const Trace&) const = default;
};

// One for each member.
std::vector<Trace> train(int members, bool dpo, const TrainOptions& options) {
  std::vector<Trace> traces(static_cast<size_t>(members));
  comm::run_members(members, [&](comm::Communicator& c) {
    ThreadPool pool(1);
    model::Decoder decoder(tiny_config(), pool);
    const auto task = task_of(dpo);
    PlannedBatches batches(*task, options.batch);
    Trainer trainer(tiny_config(), tiny_model().parameters, batches, options, decoder, pool, c);
    Trace& trace = traces[static_cast<size_t>(c.rank())];
    while (!trainer.done()) {
      StepReport report = *trainer.step();
      EXPECT_TRUE(report.skipped.empty()) << report.skipped;
      report.seconds = 0;
      trace.reports.push_back(to_json(report));
    }
    trace.weights = values_of(trainer.state(), Part::kWeights);
    trace.exp_avg = values_of(trainer.state(), Part::kExpAvg);
    trace.exp_avg_sq = values_of(trainer.state(), Part::kExpAvgSq);
  });
  return traces;
}

TEST(Members, OneTwoThreeAndFourTrainTheSame) {
  for (const bool dpo : {false, true}) {
    TrainOptions options = options_of_groups();
    const Trace one = train(1, dpo, options)[0];
    ASSERT_GE(one.reports.size(), 4u);
    for (const int members : {2, 3, 4}) {
      options.activation_checkpointing = members == 3;
      options.micro_batch_tokens = 20 * members;
      for (const Trace& trace : train(members, dpo, options)) {
        EXPECT_EQ(trace.reports, one.reports) << members << " members, dpo " << dpo;
        EXPECT_TRUE(trace == one) << members << " members, dpo " << dpo;
      }
    }
  }
}

TEST(Members, MomentsInBf16TrainTheSame) {
  TrainOptions options = options_of_groups();
  options.adamw.moments = tensor::DType::kBF16;
  const Trace one = train(1, false, options)[0];
  EXPECT_FALSE(one == train(1, false, options_of_groups())[0]);
  for (const Trace& trace : train(3, false, options)) EXPECT_TRUE(trace == one);
}

TEST(Members, AGradientOfOneChainIsNotSharedOut) {
  TrainOptions options = options_of_groups();
  options.group_tokens = 0;
  const std::string text = testing::error_text([&] { train(2, false, options); });
  EXPECT_NE(text.find("group_tokens"), std::string::npos) << text;
}

// A task whose objective throws, or is not finite, for one row.
class BadRow : public SftTask {
 public:
  BadRow(std::vector<data::TokenRow> rows, int32_t bad, bool throws)
      : SftTask(std::move(rows)), bad_(bad), throws_(throws) {}
  ExampleTerms evaluate(int32_t example, std::span<const float> logprobs, StepWeight weight,
                        std::span<float> dlogprobs) const override {
    ExampleTerms terms = SftTask::evaluate(example, logprobs, weight, dlogprobs);
    if (example == bad_ && throws_) throw Error(example_name(example), "cannot be evaluated");
    if (example == bad_) terms.loss = std::numeric_limits<double>::quiet_NaN();
    return terms;
  }

 private:
  int32_t bad_;
  bool throws_;
};

TEST(Members, AnErrorOfOneEndsTheJobOfAll) {
  std::atomic<int> ended = 0;
  const std::string text = testing::error_text([&] {
    comm::run_members(3, [&](comm::Communicator& c) {
      ThreadPool pool(1);
      model::Decoder decoder(tiny_config(), pool);
      BadRow task(random_rows(24), 5, true);
      PlannedBatches batches(task, options_of_groups().batch);
      Trainer trainer(tiny_config(), tiny_model().parameters, batches, options_of_groups(), decoder,
                      pool, c);
      const std::string own = testing::error_text([&] {
        while (!trainer.done()) trainer.step();
      });
      EXPECT_NE(own.find("cannot be evaluated"), std::string::npos) << own;
      ++ended;
      throw Error("member", own);
    });
  });
  EXPECT_NE(text.find("row 5"), std::string::npos) << text;
  EXPECT_EQ(ended, 3);
}

TEST(Members, AStepThatIsNotFiniteForOneIsSkippedByAll) {
  comm::run_members(3, [&](comm::Communicator& c) {
    ThreadPool pool(1);
    model::Decoder decoder(tiny_config(), pool);
    BadRow task(random_rows(24), 5, false);
    PlannedBatches batches(task, options_of_groups().batch);
    Trainer trainer(tiny_config(), tiny_model().parameters, batches, options_of_groups(), decoder,
                    pool, c);
    int skipped = 0;
    while (!trainer.done()) {
      const std::vector<float> before = values_of(trainer.state(), Part::kWeights);
      const StepReport report = *trainer.step();
      if (report.skipped.empty()) continue;
      ++skipped;
      EXPECT_EQ(report.skipped_rows, std::vector<std::string>{"row 5"});
      EXPECT_EQ(values_of(trainer.state(), Part::kWeights), before);
    }
    EXPECT_EQ(skipped, 2);  // once in each epoch
  });
}

TEST(Members, AStopOfOneStopsAllBeforeTheSameStep) {
  const Trace whole = train(1, false, options_of_groups())[0];
  comm::run_members(3, [&](comm::Communicator& c) {
    ThreadPool pool(1);
    model::Decoder decoder(tiny_config(), pool);
    SftTask task(random_rows(24));
    PlannedBatches batches(task, options_of_groups().batch);
    Trainer trainer(tiny_config(), tiny_model().parameters, batches, options_of_groups(), decoder,
                    pool, c);
    EXPECT_TRUE(trainer.step());
    const std::atomic<bool> stop{c.rank() == 2};
    EXPECT_FALSE(trainer.step(&stop));
    EXPECT_EQ(trainer.position().step, 1);
    while (!trainer.done()) EXPECT_TRUE(trainer.step());
    EXPECT_EQ(values_of(trainer.state(), Part::kWeights), whole.weights);
  });
}

// Sets a flag while its first row is evaluated.
class StopsAtOnce : public SftTask {
 public:
  StopsAtOnce(std::vector<data::TokenRow> rows, bool stops)
      : SftTask(std::move(rows)), stops_(stops) {}
  ExampleTerms evaluate(int32_t example, std::span<const float> logprobs, StepWeight weight,
                        std::span<float> dlogprobs) const override {
    if (stops_) stop = true;
    stops_ = false;
    return SftTask::evaluate(example, logprobs, weight, dlogprobs);
  }
  mutable std::atomic<bool> stop = false;

 private:
  mutable bool stops_;
};

TEST(Members, AStopInsideOfAGroupLeavesNobodyWaiting) {
  TrainOptions options = options_of_groups();
  options.group_tokens = 120;
  const Trace whole = train(1, false, options)[0];
  // Seen by member 1 before the next row of its group, or before the next step.
  for (const int64_t micro : {1, 2048}) {
    options.micro_batch_tokens = micro;
    comm::run_members(2, [&](comm::Communicator& c) {
      ThreadPool pool(1);
      model::Decoder decoder(tiny_config(), pool);
      StopsAtOnce task(random_rows(24), c.rank() == 1);
      PlannedBatches batches(task, options.batch);
      Trainer trainer(tiny_config(), tiny_model().parameters, batches, options, decoder, pool, c);
      int stopped = 0;
      while (!trainer.done()) {
        if (trainer.step(&task.stop)) continue;
        EXPECT_EQ(trainer.position().step, micro == 1 ? 0 : 1);
        ++stopped;
        task.stop = false;
      }
      EXPECT_EQ(stopped, 1);
      EXPECT_EQ(values_of(trainer.state(), Part::kWeights), whole.weights);
    });
  }
}

class MembersJob : public ::testing::Test {
 protected:
  // Only member 0 is told where the files are.
  std::vector<JobResult> run(int members, const std::string& out, bool dpo, int64_t steps = 0) {
    std::vector<JobResult> results(static_cast<size_t>(members));
    comm::run_members(members, [&](comm::Communicator& c) {
      ThreadPool pool(1);
      JobOptions job;
      if (c.rank() == 0) job.out = folder_ / out;
      job.stop_after_steps = steps;
      results[static_cast<size_t>(c.rank())] =
          run_training(tiny_model(), *task_of(dpo), options_of_groups(), job, pool, c);
    });
    for (const JobResult& result : results) {
      EXPECT_EQ(result.sha256, results[0].sha256);
      EXPECT_EQ(result.losses, results[0].losses);
      EXPECT_EQ(result.steps_done, results[0].steps_done);
      EXPECT_EQ(result.finished, steps == 0);
    }
    return results;
  }
  std::string arrays(const std::string& out) const {
    return read_file(folder_ / out / "trainer_state" / "optimizer.safetensors");
  }

  testing::TemporaryFolder folder_;
};

TEST_F(MembersJob, GoesOnWithAnotherNumberOfMembers) {
  for (const bool dpo : {false, true}) {
    const std::string kind = dpo ? "dpo" : "sft";
    const JobResult one = run(1, kind + "one", dpo)[0];
    ASSERT_GE(one.steps_done, 4);
    run(1, kind + "one-1", dpo, 1);
    run(3, kind + "many", dpo, 1);
    EXPECT_EQ(arrays(kind + "many"), arrays(kind + "one-1"));
    run(2, kind + "many", dpo, 2);
    run(1, kind + "many", dpo, 3);
    const JobResult last = run(4, kind + "many", dpo)[0];
    EXPECT_EQ(last.sha256, one.sha256);
    EXPECT_EQ(last.losses, one.losses);
    EXPECT_EQ(read_file(folder_ / (kind + "many") / "model.safetensors"),
              read_file(folder_ / (kind + "one") / "model.safetensors"));
    EXPECT_EQ(run(2, kind + "many", dpo)[0].sha256, one.sha256);  // finished: left alone
  }
}

TEST_F(MembersJob, MembersOfDifferentJobsAreRefused) {
  const std::string text = testing::error_text([&] {
    comm::run_members(3, [&](comm::Communicator& c) {
      ThreadPool pool(1);
      SftTask task(random_rows(c.rank() == 1 ? 23 : 24));
      run_training(tiny_model(), task, options_of_groups(), {}, pool, c);
    });
  });
  EXPECT_NE(text.find("different models, rows or settings"), std::string::npos) << text;
}

// Only member 0 sees the folder; what is wrong there ends the job of the others too.
TEST_F(MembersJob, AnOutThatCannotBeUsedEndsTheJobOfAll) {
  std::filesystem::create_directory(folder_ / "thesis");
  write_file_atomic(folder_ / "thesis" / "thesis.tex", "important");
  const std::string text = testing::error_text([&] { run(3, "thesis", false); });
  EXPECT_NE(text.find("thesis"), std::string::npos) << text;
}

}  // namespace
}  // namespace ponder::train
