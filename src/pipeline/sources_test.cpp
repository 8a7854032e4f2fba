#include "pipeline/sources.h"

#include <gtest/gtest.h>

#include <fstream>

#include "testing/folders.h"
#include "testing/temporary_folder.h"

namespace ponder::pipeline {
namespace {

TEST(Sources, AreReadOnceInOrderWithAnAccountOfWhatIsLeftOut) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "bench.jsonl")
      << "{\"id\":\"b7\",\"question\":\"What is $1 + 2$?\",\"answer\":\"3\"}\n";
  std::ofstream(folder / "train.jsonl")
      << "{\"question\":\"what is 1+2\",\"thought\":\"t\",\"solution\":\"3\"}\n"
         "{\"question\":\"what is 1+3\",\"thought\":\"t\",\"solution\":\"4\"}\n"
         "{\"question\":\"what is 1+4\",\"thought\":\"t\",\"solution\":\"5\"}\n";
  std::ofstream(folder / "problems.jsonl")
      << "{\"id\":\"a\",\"question\":\"What is 1 + 2?\",\"answer\":\"3\"}\n"
         "{\"id\":\"b\",\"question\":\"What is 1 + 5?\",\"answer\":\"6\"}\n"
         "{\"id\":\"c\",\"question\":\"What is 1 + 6?\",\"answer\":\"7\"}\n";
  const auto source = [&](const char* name, int64_t count) {
    DataSource made;
    made.file = folder / name;
    made.count = count;
    return made;
  };
  Recipe recipe;
  recipe.base = testing::source_dir() / "models/nano-base";
  recipe.evaluate.benchmarks = {source("bench.jsonl", 0)};
  recipe.evaluate.benchmarks[0].name = "bench";
  recipe.imitation = {{"", {source("train.jsonl", 1)}}, {"all", {source("train.jsonl", 0)}}};
  recipe.explore.rounds = 1;
  recipe.explore.problems = {source("problems.jsonl", 2)};

  const std::vector<ReadSource> all = read_sources(recipe);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].role, pool::SourceRecord::Role::kBenchmark);
  EXPECT_EQ(all[0].set, "bench");
  EXPECT_EQ(all[0].problems.size(), 1u);

  const data::RowAccount& main = all[1].report;
  ASSERT_EQ(all[1].demonstrations.size(), 1u);  // the first of what is left
  EXPECT_EQ(all[1].demonstrations[0].line, 2u);
  EXPECT_EQ(main.rejected.at("contaminated"), 1u);
  EXPECT_EQ(main.rejected.at("beyond_count"), 1u);
  EXPECT_EQ(main.rows, main.kept + 2);
  EXPECT_NE(main.examples.at(0).detail.find("b7 of bench"), std::string::npos);
  EXPECT_EQ(all[2].set, "all");
  EXPECT_EQ(all[2].demonstrations.size(), 2u);

  EXPECT_EQ(all[3].role, pool::SourceRecord::Role::kProblems);
  EXPECT_EQ(all[3].report.rejected.at("contaminated"), 1u);
  EXPECT_EQ(all[3].problems.size(), 2u);

  recipe.decontaminate = false;
  recipe.explore.rounds = 0;  // then nobody reads the problems
  const std::vector<ReadSource> plain = read_sources(recipe);
  ASSERT_EQ(plain.size(), 3u);
  EXPECT_EQ(plain[2].demonstrations.size(), 3u);
}

TEST(Sources, ProblemsOfFilesOfOneNameAreApart) {
  const testing::TemporaryFolder folder;
  const auto source = [&](const std::string& name, const std::string& rows) {
    DataSource made;
    made.file = folder / name;
    std::filesystem::create_directories(made.file.parent_path());
    std::ofstream(made.file) << rows;
    return made;
  };
  const auto row = [](int sum) {
    return "{\"question\":\"What is 1 + " + std::to_string(sum) + "?\",\"answer\":\"7\"}\n";
  };
  Recipe recipe;
  recipe.explore.rounds = 1;
  recipe.explore.problems = {source("a/train.jsonl", row(1) + row(2)),
                             source("b/train.jsonl", row(3) + row(2)),
                             source("c/train.jsonl", row(4) + row(5))};
  const auto ids_of = [&] {
    std::vector<std::vector<std::string>> ids;
    for (const ReadSource& read : read_sources(recipe)) {
      ids.emplace_back();
      for (const data::Problem& problem : read.problems) ids.back().push_back(problem.id);
    }
    return ids;
  };
  const auto ids = ids_of();
  EXPECT_EQ(ids[0], (std::vector<std::string>{"train-1", "train-2"}));
  // One is the same problem under the same id, the other has another question.
  ASSERT_EQ(ids[1].size(), 1u);
  EXPECT_TRUE(ids[1][0].starts_with("train-1-")) << ids[1][0];
  EXPECT_EQ(read_sources(recipe)[1].report.duplicates, 1u);
  EXPECT_EQ(read_sources(recipe)[1].report.kept, 1u);
  ASSERT_EQ(ids[2].size(), 2u);
  EXPECT_NE(ids[2][0], ids[1][0]);
  // Wherever they lie.
  std::filesystem::rename(folder / "b", folder / "d");
  recipe.explore.problems[1].file = folder / "d/train.jsonl";
  EXPECT_EQ(ids_of(), ids);
}

TEST(Sources, RoundsShareTheProblemsOut) {
  ExploreOptions explore;
  explore.rounds = 3;
  int64_t next = 0;
  for (int round = 1; round <= 3; ++round) {
    const auto [begin, end] = round_of(explore, round, 10);
    EXPECT_EQ(begin, next);
    EXPECT_GE(end - begin, 3);
    next = end;
  }
  EXPECT_EQ(next, 10);
  explore.problems_per_round = 4;
  EXPECT_EQ(round_of(explore, 3, 10), (std::pair<int64_t, int64_t>(8, 10)));
  EXPECT_EQ(round_of(explore, 3, 8), (std::pair<int64_t, int64_t>(8, 8))) << "used up";
  EXPECT_EQ(round_of(explore, 3, 5), (std::pair<int64_t, int64_t>(5, 5)));
}

// Synthetic training rows and benchmarks are apart by construction: the filter must not see
// contamination where only the template is the same.
void expect_nothing_taken_out(const std::string& name) {
  const std::filesystem::path root = testing::source_dir();
  const Recipe recipe =
      load_recipe(root / "recipes" / name, {"base=" + (root / "models/nano-base").string()});
  ASSERT_TRUE(recipe.decontaminate && !recipe.evaluate.benchmarks.empty());
  for (const ReadSource& read : read_sources(recipe)) {
    EXPECT_FALSE(read.report.rejected.contains("contaminated"))
        << name << " " << source_name(*read.source);
  }
}

TEST(Sources, SyntheticSplitsAreNotMistakenForContamination) {
  for (const char* name : {"quickstart.toml", "miniature.toml", "tiny.toml"}) {
    expect_nothing_taken_out(name);
  }
}

TEST(SlowSources, SyntheticSplitsOfTheBaseModel) {
  for (const char* name : {"nano-base-1.toml", "nano-base-2.toml"}) expect_nothing_taken_out(name);
}

}  // namespace
}  // namespace ponder::pipeline
