#include "pipeline/smoke.h"

#include <gtest/gtest.h>

#include "pipeline/recipe.h"
#include "testing/folders.h"

namespace ponder::pipeline {
namespace {

Recipe shortened(const std::vector<std::string>& overrides = {}) {
  const std::filesystem::path file = testing::source_dir() / "recipes/quickstart.toml";
  std::vector<std::string> all = overrides;
  const std::vector<std::string> smoke = smoke_overrides(file, overrides);
  all.insert(all.end(), smoke.begin(), smoke.end());
  return load_recipe(file, all);
}

TEST(Smoke, IsFiveRowsOfEverything) {
  const Recipe recipe = shortened();
  EXPECT_EQ(recipe.name, "quickstart-smoke");
  for (const ImitationSet& set : recipe.imitation) {
    ASSERT_EQ(set.demonstrations.size(), 2u);
    for (const DataSource& source : set.demonstrations) EXPECT_EQ(source.count, 5);
  }
  EXPECT_EQ(recipe.explore.rounds, 2);
  EXPECT_EQ(recipe.explore.problems[0].count, 10);  // of two rounds
  EXPECT_EQ(recipe.explore.problems_per_round, 5);
  EXPECT_EQ(recipe.explore.problems[0].seed, 7u);  // what is not shortened stays
  EXPECT_EQ(recipe.explore.samples, 4);
  EXPECT_EQ(recipe.explore.max_tokens, 256);
  EXPECT_EQ(recipe.sft.batch.epochs, 1);
  EXPECT_EQ(recipe.sft.batch.batch_rows, 5);
  EXPECT_EQ(recipe.sft.lr, 1e-3);
  ASSERT_EQ(recipe.evaluate.benchmarks.size(), 3u);
  for (const DataSource& source : recipe.evaluate.benchmarks) EXPECT_EQ(source.count, 5);
  ASSERT_EQ(recipe.dpo.size(), 1u);
  EXPECT_EQ(recipe.dpo[0].train.batch.epochs, 1);
}

TEST(Smoke, LeavesWhatIsShorterAndKeepsOverrides) {
  const Recipe recipe = shortened(
      {"explore.samples=2", "evaluate.max_tokens=64", "sft.lr=2e-3",
       "dpo=[{ name = \"a\", epochs = 3 }, { name = \"b\", epochs = 1, align = \"solution\" }]"});
  EXPECT_EQ(recipe.explore.samples, 2);
  EXPECT_EQ(recipe.evaluate.max_tokens, 64);
  EXPECT_EQ(recipe.sft.lr, 2e-3);
  ASSERT_EQ(recipe.dpo.size(), 2u);
  EXPECT_EQ(recipe.dpo[0].train.batch.epochs, 1);
  EXPECT_EQ(recipe.dpo[0].probe_problems, 0);
  EXPECT_EQ(recipe.dpo[1].align, data::Align::kSolution);
}

// A key whose value is a table is one like any other.
TEST(Smoke, CanBeReadOfEveryRecipe) {
  const std::vector<std::string> base = {"base=" +
                                         (testing::source_dir() / "models/nano-base").string()};
  int recipes = 0, bands = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::source_dir() / "recipes")) {
    if (entry.path().extension() != ".toml") continue;
    SCOPED_TRACE(entry.path());
    std::vector<std::string> overrides = smoke_overrides(entry.path(), base);
    overrides.insert(overrides.begin(), base.begin(), base.end());
    const Recipe whole = load_recipe(entry.path(), base);
    const Recipe small = load_recipe(entry.path(), overrides);
    EXPECT_EQ(small.explore.pick, whole.explore.pick);
    EXPECT_EQ(small.explore.lowest_pass_rate, whole.explore.lowest_pass_rate);
    EXPECT_EQ(small.explore.screen_samples, whole.explore.screen_samples);
    EXPECT_EQ(small.explore.rounds, whole.explore.rounds);
    EXPECT_LE(small.sft.batch.batch_rows, 5);
    ++recipes;
    bands += whole.explore.pick == Pick::kBand;
  }
  EXPECT_GT(recipes, 4);
  EXPECT_GT(bands, 0);  // pass_rate and screen are tables
}

}  // namespace
}  // namespace ponder::pipeline
