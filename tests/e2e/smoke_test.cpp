// ponder run --smoke: the quickstart's every stage in seconds.
#include <gtest/gtest.h>

#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

TEST(Smoke, TheQuickstartsEveryStageRuns) {
  const testing::TemporaryFolder folder;
  const testing::Outcome run = ponder({"run", testing::source_dir() / "recipes/quickstart.toml",
                                       "--smoke", "--quiet", "--json", "--out", folder / "run"});
  ASSERT_EQ(run.status, 0) << run.err;
  std::vector<std::string> stages;
  for (const Json& line : json_lines(run.out)) stages.push_back(line["stage"].get<std::string>());
  const std::vector<std::string> expected = {
      "ingest",    "evaluate-M0", "imitate",   "evaluate-M1", "imitate-large", "evaluate-M1-large",
      "screen-1",  "explore-1",   "refine-1",  "improve-1",   "evaluate-M2",   "screen-2",
      "explore-2", "refine-2",    "improve-2", "evaluate-M3", "dpo",           "evaluate-M1-dpo"};
  EXPECT_EQ(stages, expected);
  const std::vector<Json> lines = json_lines(ponder({"compare", folder / "run", "--json"}).out);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["models"][0]["scores"]["easy"]["problems"], 5);
}

}  // namespace
}  // namespace ponder::e2e
