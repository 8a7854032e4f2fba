// Whole runs on a tiny model of random weights: what is planned is what runs, and a run goes on.
#include "pipeline/run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "model/checkpoint.h"
#include "pipeline/plan.h"
#include "pipeline/stage_inputs.h"
#include "pool/stage_result.h"
#include "testing/error_text.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"

namespace ponder {
namespace {

constexpr const char* kRecipe = R"(
name = "small"
base = "base"
max_length = 256
[sft]
epochs = 1
batch_rows = 4
[imitate]
demonstrations = [{ file = "demonstrations.jsonl" }]
[explore]
problems = [{ file = "problems.jsonl" }]
rounds = 1
samples = 2
max_tokens = 6
[evaluate]
benchmarks = [{ name = "test", synth = "choice", levels = 1, count = 3, split = "test" }]
max_tokens = 6
)";

class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path nano = source_dir() / "models/nano-base";
    Json config = read_json_file(nano / "config.json");
    for (const auto& [key, value] :
         {std::pair("hidden_size", 32), std::pair("intermediate_size", 32),
          std::pair("num_hidden_layers", 1), std::pair("num_attention_heads", 2),
          std::pair("num_key_value_heads", 1), std::pair("max_window_layers", 1)}) {
      config[key] = value;
    }
    write_file_atomic(folder_ / "config.json", dump_json(config));
    init_checkpoint(folder_ / "config.json", nano, folder_ / "base", DType::kF32, 1, &threads_);
    std::string demonstrations, problems;
    for (int i = 0; i < 6; ++i) {
      demonstrations += dump_json({{"question", "What is 1 + " + std::to_string(i) + "?"},
                                   {"thought", "I count on."},
                                   {"solution", "It is " + std::to_string(i + 1) + "."}}) +
                        "\n";
      problems += dump_json({{"id", "p" + std::to_string(i)},
                             {"question", "What is 2 + " + std::to_string(i) + "?"},
                             {"answer", std::to_string(i + 2)}}) +
                  "\n";
    }
    write_file_atomic(folder_ / "demonstrations.jsonl",
                      demonstrations + "{\"question\":\"no response\"}\n");
    write_file_atomic(folder_ / "problems.jsonl", problems);
    write_file_atomic(folder_ / "r.toml", kRecipe);
  }

  Recipe recipe(const std::vector<std::string>& set = {}) const {
    return load_recipe(folder_ / "r.toml", set);
  }
  // The stages that ran or were done, in order; false in `finished` when stopped.
  std::vector<std::string> run(const Recipe& recipe, const std::string& until = "",
                               bool* finished = nullptr, const std::string& out = "out") {
    ponder::Run run(recipe, read_sources(recipe), folder_ / out, threads_, monitor_, &stop_);
    std::vector<std::string> names;
    const bool all =
        run.execute(until, [&](const StageRecord& stage) { names.push_back(stage.name); });
    if (finished) *finished = all;
    return names;
  }
  Pool pool(const std::string& out = "out") const {
    return Pool::open_read_only(folder_ / out / "run.db");
  }

  TemporaryFolder folder_;
  ThreadPool threads_{1};
  NullMonitor monitor_;
  std::atomic<bool> stop_ = false;
};

TEST_F(RunTest, DoesWhatThePlanSaysAndKeepsEverythingInThePool) {
  const Recipe r = recipe();
  const RecipePlan plan = plan_recipe(r, read_sources(r), threads_);
  const std::vector<std::string> names = run(r);
  ASSERT_EQ(names.size(), plan.stages.size());
  const Pool pool = this->pool();
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(names[i], plan.stages[i].name);
    const StageRecord stage = *pool.stage(names[i]);
    EXPECT_EQ(stage.state, StageState::kDone);
    EXPECT_EQ(stage.inputs_sha256.size(), 64u) << stage.name;
    if (stage.kind == stage_kind::kImitate) {
      const TrainResult result = *result_of<TrainResult>(stage);
      EXPECT_EQ(result.tokens, plan.stages[i].tokens);  // counted, not estimated
      ASSERT_FALSE(result.loss_curve.empty());
      ASSERT_TRUE(result.last_loss);
      EXPECT_EQ(result.last_loss, result.loss_curve.back().loss);
      EXPECT_EQ(result.demonstrations, 6);
      EXPECT_EQ(result.rejected.size(), 1u);
    }
  }
  const std::string report = read_file(folder_ / "out/report.html");
  const TrainResult improved = *result_of<TrainResult>(*pool.stage("improve-1"));
  EXPECT_NE(report.find(fmt::format("{:.4f}</td>", *improved.last_loss)), std::string::npos);

  // Every source with its account, every row and every rejection.
  const std::vector<SourceRecord> sources = pool.sources();
  ASSERT_EQ(sources.size(), 3u);
  EXPECT_EQ(sources[1].account.rows, 7u);
  EXPECT_EQ(pool.demonstrations_of(sources[1].id).size(), 6u);
  EXPECT_EQ(pool.rejections_of(sources[1].id).size(), 1u);
  EXPECT_EQ(pool.problems_of(sources[2].id).size(), 6u);
  // The rows that were trained on can be made from the pool alone.
  const RowOrigin origin = pool.training_rows("imitate").at(3).origin;
  EXPECT_EQ(pool.demonstration(origin.id).question, "What is 1 + 3?");
  // Evaluations are kept, and apart from what is trained on.
  EXPECT_EQ(pool.counts_of("evaluate-M1").trajectories, 3);
  EXPECT_EQ(pool.counts().evaluation_trajectories, 9);
  EXPECT_EQ(pool.counts().problems, 6);
}

TEST_F(RunTest, DoneStagesStayAndEvaluationsAreNotSampledAgain) {
  const Recipe r = recipe();
  run(r, "evaluate-M1");
  std::vector<int64_t> ids;
  pool().for_each_trajectory({.stage = "evaluate-M1"},
                             [&](const StoredTrajectory& s) { ids.push_back(s.id); });
  ASSERT_EQ(ids.size(), 3u);
  {
    // As if killed between the last rollout and the end of the stage.
    Pool writer = Pool::open(folder_ / "out/run.db");
    writer.finish_stage("evaluate-M1", StageState::kFailed, 0, 0, Json::object());
    writer.set_verdict(ids[0], Verdict::kCorrect, "by hand");
  }
  run(r, "evaluate-M1");
  EXPECT_EQ(pool().counts_of("evaluate-M1").trajectories, 3);
  // A rollout sampled again would have been judged again.
  EXPECT_EQ(pool().counts_of("evaluate-M1").correct, 1);
  ASSERT_EQ(pool().scores().size(), 2u);
  EXPECT_EQ(pool().scores()[1].accuracy, 1.0 / 3);  // the stored verdict counts
}

TEST_F(RunTest, AStopIsAResultAndTheRunGoesOn) {
  const Recipe r = recipe();
  stop_ = true;
  bool finished = true;
  EXPECT_TRUE(run(r, "", &finished).empty());
  EXPECT_FALSE(finished);
  EXPECT_EQ(pool().stage("ingest")->state, StageState::kRunning);
  EXPECT_TRUE(pool().sources().empty());
  stop_ = false;
  run(r, "imitate", &finished);
  EXPECT_TRUE(finished);
  run(r, "imitate", nullptr, "peace");
  EXPECT_EQ(pool().model_named("M1")->sha256, pool("peace").model_named("M1")->sha256);
}

TEST_F(RunTest, AFailedStageIsMarkedReportedAndBegunAgain) {
  const Recipe r = recipe({"max_length=3"});
  EXPECT_NE(error_text([&] { plan_recipe(r, read_sources(r), threads_); }).find("no demonstration"),
            std::string::npos);
  EXPECT_NE(error_text([&] { run(r); }).find("no row is left"), std::string::npos);
  EXPECT_EQ(pool().stage("imitate")->state, StageState::kFailed);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out/report.html"));
  EXPECT_NE(error_text([&] { run(r); }).find("no row is left"), std::string::npos);
}

TEST_F(RunTest, WhatAStageReadsDecidesItsHash) {
  const Recipe r = recipe();
  run(r, "explore-1");
  const Pool pool = this->pool();
  const std::vector<Stage> stages = stages_of(r);
  const auto hashes = [&](const Recipe& recipe) {
    std::map<std::string, std::string> by_stage;
    for (const Stage& stage : stages) {
      if (pool.stage(stage.name)) by_stage[stage.name] = inputs_sha256(stage, recipe, pool);
    }
    return by_stage;
  };
  const auto changed = [&](const std::string& set) {
    const auto before = hashes(r), after = hashes(recipe({set}));
    std::vector<std::string> names;
    for (const Stage& stage : stages) {
      if (before.contains(stage.name) && before.at(stage.name) != after.at(stage.name))
        names.push_back(stage.name);
    }
    return names;
  };
  for (const auto& [name, hash] : hashes(r)) {
    EXPECT_EQ(hash, pool.stage(name)->inputs_sha256) << name;
    EXPECT_EQ(hash.size(), 64u);
  }
  using Names = std::vector<std::string>;
  EXPECT_EQ(changed("sft.lr=1e-3"), (Names{"imitate"}));
  EXPECT_EQ(changed("explore.samples=3"), (Names{"explore-1"}));
  EXPECT_EQ(changed("evaluate.max_tokens=7"), (Names{"evaluate-M0", "evaluate-M1"}));
  EXPECT_EQ(changed("engine.max_batch=3"), (Names{}));
  EXPECT_EQ(changed("sft.micro_batch_tokens=7"), (Names{}));
  EXPECT_EQ(changed("refine.per_problem=2"), (Names{}));
  EXPECT_EQ(changed("decontaminate=false"), (Names{"ingest"}));
  EXPECT_EQ(changed("system=x"),
            (Names{"evaluate-M0", "imitate", "evaluate-M1", "screen-1", "explore-1"}));
  // A file's bytes count.
  const std::string before = inputs_sha256(stages[0], r, pool);
  std::ofstream(folder_ / "problems.jsonl", std::ios::app) << "\n";
  EXPECT_NE(inputs_sha256(stages[0], r, pool), before);
}

// A rollout sampled after another template than the model's does not enter its training rows.
TEST_F(RunTest, SelectedRowsOfAnotherTemplateAreLeftOut) {
  const Recipe r = recipe();
  run(r, "refine-1");
  {
    Pool writer = Pool::open(folder_ / "out/run.db");
    std::optional<StoredTrajectory> stored;
    writer.for_each_trajectory({.stage = "explore-1"},
                               [&](const StoredTrajectory& s) { stored = s; });
    ASSERT_TRUE(stored);
    // Two more samples that a refinement selected, alike but for the template.
    const Tokenizer tokenizer = Tokenizer::load(folder_ / "base");
    Trajectory t = stored->trajectory;
    t.token_ids = tokenizer.encode("x");
    t.token_ids.push_back(*tokenizer.token_id("<|im_end|>"));
    t.logprobs.assign(t.token_ids.size(), -1.0f);
    for (const char* tmpl : {stored->trajectory.template_sha256.c_str(), "other"}) {
      ++t.sample;
      t.template_sha256 = tmpl;
      const int64_t id = writer.add_trajectory("explore-1", 1, t);
      writer.add_selection({"refine-1",
                            1,
                            "longest",
                            {RowOrigin::Kind::kTrajectory, id},
                            9,
                            "selected",
                            true,
                            0,
                            ""});
    }
  }
  const TrainResult before = *result_of<TrainResult>(*pool().stage("imitate"));
  run(r, "improve-1");
  const TrainResult result = *result_of<TrainResult>(*pool().stage("improve-1"));
  EXPECT_EQ(result.rejected.at("other_template"), 1);
  EXPECT_EQ(result.explored, 1 + result_of<RefineResult>(*pool().stage("refine-1"))->rows);
  EXPECT_EQ(result.demonstrations, before.demonstrations);
}

}  // namespace
}  // namespace ponder
