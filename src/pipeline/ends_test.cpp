// Stages for which there is nothing to do: the run ends well, and says so everywhere.
#include "pipeline/plan.h"
#include "pipeline/run_fixture.h"
#include "pool/stage_result.h"

namespace ponder::pipeline {
namespace {

class EndsTest : public RunTest {
 protected:
  std::string nothing(const std::string& stage) const {
    const std::optional<pool::StageRecord> record = pool().stage(stage);
    return record ? pool::nothing_of(*record) : "(not begun)";
  }
  bool exists(const std::string& model) const {
    return std::filesystem::exists(folder_ / "out/checkpoints" / model);
  }
  std::string report() const { return read_file(folder_ / "out/report.html"); }
};

TEST_F(EndsTest, NothingSelectedTrainsNothingTwice) {
  const Recipe r = recipe({"explore.rounds=2", "explore.hard_only=false"});
  bool finished = false;
  const std::vector<std::string> names = run(r, "", &finished);
  EXPECT_TRUE(finished);
  EXPECT_EQ(names.back(), "evaluate-M3");
  // A model of random weights solves nothing in six tokens.
  EXPECT_EQ(nothing("improve-1"),
            "round 1 selected no row to train on of 6 rollouts (left out by finished 6): M2 would "
            "be M1 again");
  EXPECT_EQ(nothing("evaluate-M2"), "there is no M2");
  EXPECT_NE(nothing("improve-2").find("M3 would be M2 again"), std::string::npos);
  EXPECT_EQ(nothing("refine-1"), "") << "a selection of no row is a result";
  EXPECT_FALSE(exists("M2") || exists("M3"));
  EXPECT_EQ(pool().models().size(), 2u);
  // The next round goes on with the model that there is.
  EXPECT_EQ(pool().stage("explore-2")->inputs.at(0), "M1");
  pool().for_each_rollout({.stage = "explore-2"}, [&](const pool::StoredRollout& stored) {
    EXPECT_EQ(stored.rollout.completion.model_sha256, pool().model_named("M1")->sha256);
  });
  EXPECT_NE(report().find("nothing to do: round 1 selected no row"), std::string::npos);
  EXPECT_NE(read_file(folder_ / "out/log.jsonl").find("nothing to do: there is no M2"),
            std::string::npos);
  // Given again, the run is done, and the last model that there is comes back.
  std::filesystem::remove_all(folder_ / "out/checkpoints/M1");
  run(r, "", &finished);
  EXPECT_TRUE(finished);
  EXPECT_TRUE(exists("M1"));
}

TEST_F(EndsTest, ProblemsThatAreUsedUpEndTheRounds) {
  const Recipe r = recipe({"explore.rounds=2", "explore.problems_per_round=6"});
  const RecipePlan plan = plan_recipe(r, read_sources(r), threads_);
  for (const StagePlan& stage : plan.stages) {
    const bool of_round_2 =
        stage.name == "screen-2" || stage.name == "explore-2" || stage.name == "improve-2";
    EXPECT_EQ(stage.note, of_round_2 ? "no problem is left for round 2" : "") << stage.name;
  }
  EXPECT_EQ(run(r).back(), "evaluate-M3");
  for (const char* stage : {"screen-2", "explore-2"})
    EXPECT_EQ(nothing(stage), "no problem is left for round 2");
  EXPECT_NE(nothing("improve-2").find("selected no row to train on of 0 rollouts"),
            std::string::npos);
  EXPECT_NE(report().find("Round 2: no problem is left for round 2."), std::string::npos);
}

TEST_F(EndsTest, WithoutAPairThereIsNoDpo) {
  const Recipe r = recipe({"dpo.max_pairs=5"});
  EXPECT_EQ(run(r).back(), "evaluate-M1-dpo");
  EXPECT_TRUE(nothing("dpo").starts_with("exploration left no problem with both"))
      << nothing("dpo");
  EXPECT_EQ(nothing("evaluate-M1-dpo"), "there is no M1-dpo");
  EXPECT_FALSE(exists("M1-dpo"));
}

TEST_F(EndsTest, ARoundThatIsSolvedGreedilyIsNotExplored) {
  const Recipe r = recipe();
  run(r, "evaluate-M1");
  {
    pool::Pool writer = pool::Pool::open(folder_ / "out/run.db");
    std::optional<pool::StoredRollout> stored;
    writer.for_each_rollout({.stage = "evaluate-M1"},
                            [&](const pool::StoredRollout& s) { stored = s; });
    ASSERT_TRUE(stored);
    pool::StageSpec spec;
    spec.name = "screen-1";
    spec.kind = pool::stage_kind::kScreen;
    spec.round = 1;
    spec.inputs = {"M1", "ingest"};
    writer.begin_stage(spec);
    data::Rollout greedy = stored->rollout;
    for (const data::Problem& problem : problems_of_round(writer, r, 1)) {
      writer.add_problem(problem, "");
      greedy.problem_id = problem.id;
      greedy.sample = 0;
      greedy.verdict = judge::Verdict::kCorrect;
      writer.add_rollout("screen-1", 1, greedy);
    }
    writer.finish_stage("screen-1", pool::StageState::kDone, 1, 6,
                        pool::to_json(pool::RolloutResult{.problems = 6, .solved = 6, .hard = 0}));
  }
  EXPECT_EQ(run(r).back(), "evaluate-M2");
  EXPECT_TRUE(nothing("explore-1").starts_with("M1 solves every problem of this round greedily"))
      << nothing("explore-1");
  EXPECT_EQ(nothing("evaluate-M2"), "there is no M2");
}

}  // namespace
}  // namespace ponder::pipeline
