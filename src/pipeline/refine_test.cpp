// Refinement in a run: bands, a stated model's perplexities, the tournament of strategies.
#include <cmath>

#include "pipeline/run_fixture.h"
#include "pipeline/tournament.h"
#include "pool/stage_result.h"
#include "testing/error_text.h"

namespace ponder::pipeline {
namespace {

class RefineTest : public RunTest {
 protected:
  pool::RefineResult refined(const std::string& out = "out") const {
    return *pool::result_of<pool::RefineResult>(*pool(out).stage("refine-1"));
  }
};

TEST_F(RefineTest, PerplexitiesAreThoseOfTheStatedModel) {
  const Recipe own = recipe(), stated = recipe({"refine.perplexity_model=M0"});
  explore_with_answers(own);
  run(own, "refine-1");
  EXPECT_EQ(refined().rows, 1);
  EXPECT_EQ(refined().mean_perplexity, 2.5) << "as recorded";
  EXPECT_FALSE(refined().perplexity_model);
  explore_with_answers(stated, "stated");
  run(stated, "refine-1", nullptr, "stated");
  EXPECT_EQ(refined("stated").rows, 1);
  EXPECT_GT(refined("stated").mean_perplexity, 100) << "of random weights, 512 tokens";
  EXPECT_EQ(refined("stated").perplexity_model, "M0");
  EXPECT_EQ(pool("stated").stage("refine-1")->inputs.at(0), "M0");
}

TEST_F(RefineTest, AFilterThatLeavesNothingIsNamedBeforeAnythingIsTrained) {
  const Recipe r = recipe({"refine.agreement=2"});
  explore_with_answers(r);
  run(r);
  EXPECT_EQ(refined().rows, 0);
  EXPECT_EQ(refined().dropped.at("agreement"), 1);
  const std::string nothing = pool::nothing_of(*pool().stage("improve-1"));
  EXPECT_NE(nothing.find("left out by agreement 1"), std::string::npos) << nothing;
}

TEST_F(RefineTest, MistakesAreNamed) {
  const auto error = [&](const std::string& set) {
    return testing::error_text([&] { recipe({set}); });
  };
  EXPECT_NE(error("refine.length_band=[0.9, 0.1]").find("the lower bound comes first"),
            std::string::npos)
      << error("refine.length_band=[0.9, 0.1]");
  EXPECT_NE(error("refine.length_band=[0.5, 0.5]").find("of no width"), std::string::npos);
  EXPECT_NE(error("refine.perplexity_band=[0, 7]").find("numbers from 0 to 1"), std::string::npos);
  EXPECT_NE(error("refine.perplexity_band=0.5").find("two numbers"), std::string::npos);
  EXPECT_NE(error("refine.agreement=3").find("has 2 at most (explore.samples)"), std::string::npos);
  EXPECT_NE(error("refine.perplexity_model=M2").find("before the rounds"), std::string::npos);
}

TEST_F(RefineTest, ATournamentTrainsAndScoresEveryStrategyOnOnePool) {
  const Recipe r = recipe();
  EXPECT_NE(testing::error_text([&] {
              hold_tournament(folder_ / "out", folder_ / "r.toml", threads_, monitor_, &stop_);
            }).find("out"),
            std::string::npos);
  explore_with_answers(r);
  run(r);
  const auto entries =
      hold_tournament(folder_ / "out", folder_ / "r.toml", threads_, monitor_, &stop_);
  ASSERT_EQ(entries.size(), 5u);
  for (const TournamentEntry& entry : entries) {
    EXPECT_EQ(entry.refine.strategy, entry.strategy);
    EXPECT_EQ(entry.refine.rows, 1);
    EXPECT_EQ(entry.refine.candidates, refined().candidates);
    ASSERT_EQ(entry.scores.size(), 1u);
    EXPECT_EQ(entry.scores[0].model, "M2");
    EXPECT_EQ(entry.nothing, "");
    const pool::Pool own = pool("out/tournament/" + entry.strategy);
    EXPECT_EQ(own.model_named("M2")->sha256, pool().model_named("M2")->sha256)
        << "one right rollout: all choose it";
  }
  EXPECT_EQ(pool().models().size(), 3u) << "the run is what it was";
  EXPECT_EQ(pool().stage("refine-1")->state, pool::StageState::kDone);
  // Again: all is done.
  EXPECT_EQ(hold_tournament(folder_ / "out", folder_ / "r.toml", threads_, monitor_, &stop_).size(),
            5u);
  write_file_atomic(folder_ / "other.toml",
                    std::string(kRunRecipe) + "[refine]\nper_problem = 2\n");
  EXPECT_NE(testing::error_text([&] {
              hold_tournament(folder_ / "out", folder_ / "other.toml", threads_, monitor_, &stop_);
            }).find("refine.per_problem"),
            std::string::npos);
}

}  // namespace
}  // namespace ponder::pipeline
