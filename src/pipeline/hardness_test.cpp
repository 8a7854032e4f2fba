// Which problems of a round are explored, and which come back.
#include "pipeline/hardness.h"

#include <map>
#include <set>

#include "pipeline/run_fixture.h"
#include "pipeline/stage_inputs.h"
#include "pipeline/stage_list.h"
#include "pool/stage_result.h"
#include "testing/error_text.h"

namespace ponder::pipeline {
namespace {

std::vector<data::Problem> problems_named(const std::vector<std::string>& ids) {
  std::vector<data::Problem> problems(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) problems[i].id = ids[i];
  return problems;
}

std::string ids_of(const std::vector<data::Problem>& problems) {
  std::string ids;
  for (const data::Problem& problem : problems) ids += problem.id + " ";
  return ids;
}

TEST(Hardness, IsThePosteriorMeanOfThePassRate) {
  EXPECT_DOUBLE_EQ(pass_rate({1, 0, 0}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(pass_rate({1, 1, 0}), 2.0 / 3);
  EXPECT_DOUBLE_EQ(pass_rate({8, 0, 0}), 0.1);
  EXPECT_DOUBLE_EQ(pass_rate({8, 8, 0}), 0.9);
}

TEST(Hardness, FourSettings) {
  const std::map<std::string, PassCount> counts = {
      {"never", {8, 0, 80}}, {"twice", {8, 2, 80}}, {"often", {8, 6, 80}}, {"always", {8, 8, 80}}};
  ExploreOptions options;
  options.screen_samples = 8;
  options.screen_temperature = 1;
  const auto picked = [&](Pick pick) {
    options.pick = pick;
    return ids_of(pick_problems(problems_named({"always", "twice", "never", "often", "unasked"}),
                                counts, options, "M1")
                      .problems);
  };
  EXPECT_EQ(picked(Pick::kAll), "always twice never often unasked ");
  EXPECT_EQ(picked(Pick::kHard), "twice never unasked ");
  EXPECT_EQ(picked(Pick::kNotHard), "always often unasked ");
  options.lowest_pass_rate = 0.2;
  options.highest_pass_rate = 0.7;
  EXPECT_EQ(picked(Pick::kBand), "twice often unasked ");
  // One that leaves nothing says what was left out by what.
  options.lowest_pass_rate = 0.4;
  options.highest_pass_rate = 0.5;
  const Picked none =
      pick_problems(problems_named({"always", "never", "often"}), counts, options, "M1");
  EXPECT_EQ(
      none.nothing,
      "pick = \"band\" leaves none of the 3 problems: of M1 1 is too hard for it, 2 too easy");
}

class HardnessRuns : public RunTest {
 protected:
  // A run whose explore-1 has solved p0 and nothing else.
  void solve_p0(const Recipe& r) {
    run(r, "explore-1");
    pool::Pool writer = pool::Pool::open(folder_ / "out/run.db");
    std::optional<pool::StoredRollout> stored;
    writer.for_each_rollout({.stage = "explore-1"}, [&](const pool::StoredRollout& s) {
      if (s.rollout.problem_id == "p0") stored = s;
    });
    ASSERT_TRUE(stored);
    writer.remove_rollout("explore-1", stored->rollout, "");
    stored->rollout.verdict = judge::Verdict::kCorrect;
    writer.add_rollout("explore-1", 1, stored->rollout);
  }
  std::string explored(const std::string& stage) const {
    std::set<std::string> ids;
    pool().for_each_rollout(
        {.stage = stage, .with_tokens = false},
        [&](const pool::StoredRollout& s) { ids.insert(s.rollout.problem_id); });
    std::string text;
    for (const std::string& id : ids) text += id + " ";
    return text;
  }
};

TEST_F(HardnessRuns, UnsolvedProblemsComeBack) {
  const std::vector<std::string> set = {"explore.rounds=2", "explore.problems_per_round=3",
                                        "explore.hard_only=false"};
  std::vector<std::string> again = set;
  again.push_back("explore.retry_unsolved=true");
  const Recipe r = recipe(again);
  solve_p0(r);
  run(r, "explore-2");
  EXPECT_EQ(explored("explore-1"), "p0 p1 p2 ");
  EXPECT_EQ(explored("explore-2"), "p1 p2 p3 p4 p5 ");
  // Without it a problem is seen in one round.
  std::filesystem::remove_all(folder_ / "out");
  run(recipe(set), "explore-2");
  EXPECT_EQ(explored("explore-2"), "p3 p4 p5 ");
}

TEST_F(HardnessRuns, RoundsWithoutProblemsOfTheirOwnGoOnWithTheUnsolved) {
  const Recipe r = recipe({"explore.rounds=2", "explore.problems_per_round=6",
                           "explore.retry_unsolved=true", "explore.hard_only=false"});
  solve_p0(r);
  run(r, "explore-2");
  EXPECT_EQ(explored("explore-2"), "p1 p2 p3 p4 p5 ");
}

TEST_F(HardnessRuns, ScreensWithSeveralSamples) {
  const Recipe r = recipe({"explore.pick=band", "explore.pass_rate={ min = 0.0, max = 0.4 }",
                           "explore.screen={ samples = 3, temperature = 0.8 }"});
  run(r, "explore-1");
  const auto screened = pool::result_of<pool::RolloutResult>(*pool().stage("screen-1"));
  ASSERT_TRUE(screened);
  EXPECT_EQ(screened->samples, 18);
  EXPECT_EQ(screened->hard, 6) << "nothing is solved by random weights: a fifth each";
  EXPECT_EQ(explored("explore-1"), "p0 p1 p2 p3 p4 p5 ");
  // A band without a problem is an end, not an error.
  const Recipe none = recipe({"explore.pick=band", "explore.pass_rate={ min = 0.9, max = 1.0 }",
                              "explore.screen={ samples = 3, temperature = 0.8 }"});
  bool finished = false;
  run(none, "", &finished, "none");
  EXPECT_TRUE(finished);
  EXPECT_EQ(
      pool::nothing_of(*pool("none").stage("explore-1")),
      "pick = \"band\" leaves none of the 6 problems: of M1 6 is too hard for it, 0 too easy");
}

TEST_F(HardnessRuns, BadInputIsNamedByKey) {
  const auto error = [&](const std::vector<std::string>& set) {
    return testing::error_text([&] { recipe(set); });
  };
  EXPECT_NE(error({"explore.pick=band"}).find("a band needs its limits"), std::string::npos);
  EXPECT_NE(error({"explore.pick=band", "explore.pass_rate={ min = 0.8, max = 0.2 }"})
                .find("the band is upside down: min 0.8 is above max 0.2"),
            std::string::npos);
  EXPECT_NE(error({"explore.pick=all", "explore.hard_only=true"}).find("in the place of hard_only"),
            std::string::npos);
  EXPECT_NE(error({"explore.pick=easy"}).find("all, hard, not-hard, band"), std::string::npos);
  EXPECT_NE(error({"explore.screen={ samples = 4, temperature = 0.0 }"}).find("the same"),
            std::string::npos);
  EXPECT_NE(error({"explore.hard_only=false", "explore.screen={ samples = 4 }"})
                .find("nothing is screened"),
            std::string::npos);
}

TEST_F(HardnessRuns, TheResolvedRecipeIsARecipe) {
  const Recipe r = recipe({"explore.pick=band", "explore.pass_rate={ min = 0.0, max = 0.4 }",
                           "explore.screen={ samples = 3 }", "explore.retry_unsolved=true"});
  write_file_atomic(folder_ / "again.toml", r.resolved);
  EXPECT_EQ(load_recipe(folder_ / "again.toml", {}).resolved, r.resolved);
}

TEST_F(HardnessRuns, AChangedBandKeepsTheScreening) {
  const auto hash = [&](const Recipe& r, const std::string& name) {
    std::string keys;
    for (const Stage& stage : stages_of(r)) {
      if (stage.name != name) continue;
      for (const auto& [key, value] : keys_of(stage, r)) keys += key + "=" + value + "\n";
    }
    return keys;
  };
  const Recipe wide = recipe({"explore.pick=band", "explore.pass_rate={ min = 0.1, max = 0.9 }"}),
               narrow = recipe({"explore.pick=band", "explore.pass_rate={ min = 0.4, max = 0.6 }"});
  EXPECT_EQ(hash(wide, "screen-1"), hash(narrow, "screen-1"));
  EXPECT_EQ(hash(wide, "screen-1"), hash(recipe(), "screen-1"));
  EXPECT_NE(hash(wide, "explore-1"), hash(narrow, "explore-1"));
}

}  // namespace
}  // namespace ponder::pipeline
