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

}  // namespace
}  // namespace ponder::pipeline
