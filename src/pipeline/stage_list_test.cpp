#include "pipeline/stage_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "pipeline/stage_inputs.h"
#include "pipeline/stages/kinds.h"
#include "testing/temporary_folder.h"

namespace ponder::pipeline {
namespace {

Recipe whole_recipe() {
  Recipe recipe;
  recipe.imitation = {{"", {}}, {"large", {}}};
  recipe.explore.rounds = 2;
  recipe.dpo.resize(1);
  recipe.evaluate.benchmarks.resize(1);
  return recipe;
}

std::vector<std::string> names_of(const Recipe& recipe) {
  std::vector<std::string> names;
  for (const Stage& stage : stages_of(recipe)) names.push_back(stage.name);
  return names;
}

TEST(StageList, HoldsTheWholeLoopInItsOrder) {
  EXPECT_EQ(
      names_of(whole_recipe()),
      (std::vector<std::string>{"ingest", "evaluate-M0", "imitate", "evaluate-M1", "imitate-large",
                                "evaluate-M1-large", "screen-1", "explore-1", "refine-1",
                                "improve-1", "evaluate-M2", "screen-2", "explore-2", "refine-2",
                                "improve-2", "evaluate-M3", "dpo", "evaluate-M1-dpo"}));
}

// A key that no stage reads would be changed without anything being done again.
TEST(StageList, EveryKeyOfARecipeIsReadByAStage) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "r.toml") << R"(
base = "base"
chat_template = "chatml"
allow_template_change = true
thought_form = "think"
[imitate]
demonstrations = [{ synth = "arithmetic", count = 2 }]
compare = [{ name = "other", demonstrations = [{ synth = "choice", count = 2 }] }]
[explore]
problems = [{ synth = "arithmetic", count = 2 }]
[dpo]
[evaluate]
benchmarks = [{ name = "b", synth = "arithmetic", count = 2, split = "test" }]
)";
  const Recipe recipe = load_recipe(folder / "r.toml", {}, RecipeFiles::kMayBeAbsent);
  std::set<std::string> read = {"name", "base", "explore.rounds", "explore.problems_per_round"};
  for (const Stage& stage : stages_of(recipe))
    for (const auto& [key, value] : keys_of(stage, recipe)) read.insert(key);
  for (const auto& [key, value] : recipe_keys(recipe.resolved)) {
    // A default that older runs lack is what they had, and a file is its bytes.
    if (key.ends_with(".forms") || key.ends_with(".file")) continue;
    EXPECT_TRUE(read.contains(key)) << key;
  }
}

// Servers of our own kind make the same rows; of another kind others, where they sample.
TEST(StageList, WhoSamplesCountsWhereTheRowsAreOthers) {
  const testing::TemporaryFolder folder;
  const auto recipe = [&](const std::string& fleet) {
    std::ofstream(folder / "r.toml") << "base = \"base\"\n[imitate]\n"
                                        "demonstrations = [{ synth = \"choice\", count = 2 }]\n"
                                        "[explore]\n"
                                        "problems = [{ synth = \"arithmetic\", count = 2 }]\n"
                                     << fleet;
    return load_recipe(folder / "r.toml", {}, RecipeFiles::kMayBeAbsent);
  };
  const auto keys = [](const Recipe& r, const StageKind& kind) {
    return keys_of({.name = "s", .kind = &kind}, r);
  };
  const std::string at = "servers = [\"http://a:1\"]\n";
  const Recipe none = recipe(""), ours = recipe("[fleet]\n" + at + "stages = [\"explore\"]\n"),
               other = recipe("[fleet]\nkind = \"vllm\"\n" + at + "stages = [\"explore\"]\n");
  EXPECT_EQ(recipe_keys(ours.resolved), recipe_keys(none.resolved));
  EXPECT_EQ(without_speed_settings(ours.resolved), without_speed_settings(none.resolved));
  EXPECT_EQ(recipe_differences(none.resolved, other.resolved),
            (std::vector<std::string>{"fleet.kind: absent then, 'vllm' now",
                                      "fleet.stages[0]: absent then, 'explore' now"}));
  EXPECT_EQ(keys(ours, kExplore), keys(none, kExplore));
  EXPECT_EQ(keys(other, kExplore).at("fleet.kind"), "'vllm'");
  EXPECT_EQ(keys(other, kEvaluate), keys(none, kEvaluate));
  EXPECT_EQ(keys(other, kRefine), keys(none, kRefine));
}

TEST(StageList, LeavesOutWhatTheRecipeDoesNotAskFor) {
  Recipe recipe = whole_recipe();
  recipe.evaluate.benchmarks.clear();
  recipe.explore.hard_only = false;
  recipe.explore.rounds = 1;
  recipe.imitation.resize(1);
  recipe.dpo.clear();
  EXPECT_EQ(names_of(recipe),
            (std::vector<std::string>{"ingest", "imitate", "explore-1", "refine-1", "improve-1"}));
  recipe.explore.rounds = 0;
  EXPECT_EQ(names_of(recipe), (std::vector<std::string>{"ingest", "imitate"}));
}

TEST(StageList, ReadsOnlyWhatIsMadeBefore) {
  std::set<std::string> models = {"M0"}, stages;
  for (const Stage& stage : stages_of(whole_recipe())) {
    EXPECT_TRUE(stage.kind == &kIngest || models.contains(stage.input))
        << stage.name << " starts from " << stage.input;
    EXPECT_EQ(stage.kind->sources.has_value(),
              std::find(stage.reads.begin(), stage.reads.end(), "ingest") != stage.reads.end())
        << stage.name << " and the sources it reads";
    for (const std::string& read : stage.reads)
      EXPECT_TRUE(stages.contains(read)) << stage.name << " reads " << read;
    EXPECT_TRUE(stages.insert(stage.name).second) << stage.name << " twice";
    if (!stage.output.empty()) {
      EXPECT_TRUE(models.insert(stage.output).second) << stage.output << " is made twice";
    }
  }
}

TEST(StageList, EveryRoundImprovesFromTheBaseOnAllSelectionsSoFar) {
  for (const Stage& stage : stages_of(whole_recipe())) {
    if (stage.kind != &kImprove) continue;
    EXPECT_EQ(stage.input, "M0");
    EXPECT_EQ(stage.output, "M" + std::to_string(stage.round + 1));
    EXPECT_EQ(stage.reads.size(), 1 + static_cast<size_t>(stage.round));  // and the sources
    EXPECT_EQ(stage.reads.back(), "refine-" + std::to_string(stage.round));
  }
}

TEST(StageList, ImprovementMayStartFromTheCurrentModel) {
  Recipe recipe = whole_recipe();
  recipe.improve_from_current = true;
  for (const Stage& stage : stages_of(recipe)) {
    if (stage.kind != &kImprove) continue;
    EXPECT_EQ(stage.input, "M" + std::to_string(stage.round));
  }
}

TEST(StageList, KindsHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (const StageKind* kind :
       {&kIngest, &kImitate, &kImprove, &kScreen, &kExplore, &kRefine, &kDpo, &kEvaluate}) {
    EXPECT_TRUE(names.insert(kind->name).second) << kind->name;
    EXPECT_TRUE(kind->plan && kind->run) << kind->name;
  }
}

}  // namespace
}  // namespace ponder::pipeline
