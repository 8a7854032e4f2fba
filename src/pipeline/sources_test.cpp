#include "pipeline/sources.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "testing/folders.h"
#include "testing/temporary_folder.h"

namespace ponder {
namespace {

TEST(Sources, RowsBeyondTheCountAreAccountedFor) {
  const TemporaryFolder folder;
  const auto file = folder / "problems.jsonl";
  std::ofstream(file) << "{\"id\":\"a\",\"question\":\"1+1\",\"answer\":\"2\"}\n"
                         "{\"id\":\"b\",\"question\":\"1+2\",\"answer\":\"3\"}\n"
                         "{\"id\":\"c\",\"question\":\"1+3\",\"answer\":\"4\"}\n";
  Source source;
  source.file = file;
  source.count = 2;
  ReadReport report;
  EXPECT_EQ(problems_of(source, report).size(), 2u);
  EXPECT_EQ(report.rows, 3u);
  EXPECT_EQ(report.kept, 2u);
  EXPECT_EQ(report.rejected["beyond_count"], 1u);
}

TEST(Sources, RowsOfABenchmarkAreTakenOut) {
  const TemporaryFolder folder;
  std::ofstream(folder / "bench.jsonl")
      << "{\"id\":\"b7\",\"question\":\"What is $1 + 2$?\",\"answer\":\"3\"}\n";
  std::ofstream(folder / "train.jsonl")
      << "{\"question\":\"what is 1+2\",\"thought\":\"t\",\"solution\":\"3\"}\n"
         "{\"question\":\"what is 1+3\",\"thought\":\"t\",\"solution\":\"4\"}\n"
         "{\"question\":\"what is 1+4\",\"thought\":\"t\",\"solution\":\"5\"}\n";
  Recipe recipe;
  Source& benchmark = recipe.evaluate.benchmarks.emplace_back();
  benchmark.name = "bench";
  benchmark.file = folder / "bench.jsonl";
  Source source;
  source.file = folder / "train.jsonl";
  source.count = 1;  // of what is left
  const ContaminationFilter filter = contamination_filter_of(recipe);
  ReadReport report;
  const auto rows = demonstrations_of(source, report, &filter);
  recipe.decontaminate = false;
  EXPECT_TRUE(contamination_filter_of(recipe).empty());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].line, 2u);
  EXPECT_EQ(report.rejected["contaminated"], 1u);
  EXPECT_EQ(report.rejected["beyond_count"], 1u);
  EXPECT_EQ(report.rows, report.kept + 2);
  EXPECT_NE(report.examples.at(0).detail.find("b7 of bench"), std::string::npos);
}

// Synthetic training rows and benchmarks are apart by construction: the filter must not see
// contamination where only the template is the same.
void expect_nothing_taken_out(const std::string& name) {
  const std::filesystem::path root = source_dir();
  const Recipe recipe =
      load_recipe(root / "recipes" / name, {"base=" + (root / "models/nano-base").string()});
  const ContaminationFilter filter = contamination_filter_of(recipe);
  EXPECT_FALSE(filter.empty());
  for (const ImitationSet& set : recipe.imitation) {
    for (const Source& source : set.demonstrations) {
      ReadReport report;
      demonstrations_of(source, report, &filter);
      EXPECT_EQ(report.rejected["contaminated"], 0u)
          << name << " " << source_name(source) << " " << report.examples.at(0).detail;
    }
  }
  for (const Source& source : recipe.explore.problems) {
    ReadReport report;
    problems_of(source, report, &filter);
    EXPECT_EQ(report.rejected["contaminated"], 0u) << name << " " << source_name(source);
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
}  // namespace ponder
