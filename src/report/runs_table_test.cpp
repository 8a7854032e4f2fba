#include "report/runs_table.h"

#include <list>

#include "base/error.h"
#include "report/run_fixture.h"

namespace ponder::report {
namespace {

class RunsTableTest : public ReportTest {
 protected:
  // A run whose M1 and M2 have so many right of 500, by luck of their own.
  pool::Pool& run(const std::string& name, int m1, int m2, const std::string& explored) {
    pool::Pool& pool = pools_.emplace_back(open(name + ".db"));
    pool.add_model({"sha-M0", "M0", "", "", "base"});
    train(pool, pool::stage_kind::kImitate, "imitate", "M1", "imitation");
    train(pool, pool::stage_kind::kImprove, "improve-1", "M2",
          "imitation + " + explored + " explored");
    begin(pool, pool::stage_kind::kEvaluate, "evaluate-M0");
    add_test_score(pool, "M0", "hard", 500, 10);
    add_test_score(pool, "M1", "hard", 500, m1);
    if (m2 >= 0) add_test_score(pool, "M2", "hard", 500, m2);
    return pool;
  }

 private:
  std::list<pool::Pool> pools_;
};

TEST_F(RunsTableTest, MeansOverSeedsAndDifferencesWithinThem) {
  const std::vector<const pool::Pool*> runs = {
      &run("a", 200, 300, "250"), &run("b", 180, 290, "241"), &run("c", 220, 310, "260")};
  const RunsTable table = runs_table({{"quick", runs}});
  ASSERT_EQ(table.rows.size(), 3u);
  EXPECT_EQ(table.rows[0].label, "base");
  EXPECT_EQ(table.rows[2].label, "imitation + 241 to 260 explored");
  const eval::SeedsMean m1 = table.rows[1].cells[0].mean.value();
  EXPECT_DOUBLE_EQ(m1.mean, 0.4);
  EXPECT_EQ(m1.by_seed, (std::vector<double>{0.4, 0.36, 0.44}));
  EXPECT_NEAR(m1.seed_deviation, 0.04, 1e-12);
  // M1 − M0 and M2 − M1, which it is meant to improve on.
  ASSERT_EQ(table.differences.size(), 2u);
  EXPECT_EQ(table.tests, 2u);
  const auto& last = table.differences[1];
  EXPECT_EQ(table.rows[last.a].model + table.rows[last.b].model, "M1M2");
  EXPECT_NEAR(last.cells[0].difference->mean, 0.2, 1e-12);
  EXPECT_LT(last.cells[0].corrected_p, 0.05);
  EXPECT_GE(last.cells[0].corrected_p, last.cells[0].difference->p_value);
  const std::string text = to_text(table);
  EXPECT_TRUE(has(text, "quick: 3 training seeds")) << text;
  EXPECT_TRUE(has(text, "(40.0, 36.0, 44.0)")) << text;
  EXPECT_FALSE(has(text, "one training seed")) << text;
  const std::string markdown = to_markdown(table);
  EXPECT_TRUE(has(markdown, "| model | trained on | hard |\n|---|---|---|\n| M0 | base | 2.0 ["))
      << markdown;
  EXPECT_EQ(to_json(table)["differences"][1]["on"]["hard"]["told_apart"], true);
}

TEST_F(RunsTableTest, OneSeedSaysSo) {
  const RunsTable table = runs_table({{"one", {&run("a", 200, 300, "250")}}});
  EXPECT_TRUE(has(to_text(table), "one: one training seed")) << to_text(table);
  EXPECT_TRUE(has(to_text(table), "another seed would move the scores by more"));
}

TEST_F(RunsTableTest, GroupsAreComparedModelByModel) {
  const RunsTable table = runs_table(
      {{"old", {&run("a", 200, 300, "9"), &run("b", 210, 280, "9"), &run("e", 190, 290, "9")}},
       {"new", {&run("c", 205, 420, "9"), &run("d", 195, 430, "9"), &run("f", 200, 425, "9")}}});
  ASSERT_EQ(table.differences.size(), 3u);  // M0, M1, M2 of new against old
  const auto& m2 = table.differences[2];
  EXPECT_NEAR(m2.cells[0].difference->mean, (425 - 290) / 500.0, 1e-12);
  EXPECT_LT(m2.cells[0].corrected_p, 0.05);
  EXPECT_GT(table.differences[1].cells[0].corrected_p, 0.05);
  EXPECT_EQ(table.differences[0].cells[0].difference->p_value, 1);
  EXPECT_TRUE(has(to_text(table), "new M2 − old M2")) << to_text(table);
}

TEST_F(RunsTableTest, WhatSomeRunsLackIsSaid) {
  const RunsTable table = runs_table({{"q", {&run("a", 200, 300, "9"), &run("b", 210, -1, "9")}}});
  EXPECT_FALSE(table.rows[2].cells[0].mean);
  EXPECT_EQ(table.rows[2].cells[0].reason, "in 1 of 2 runs");
  EXPECT_THROW(runs_table({{"none", {}}}), Error);
}

TEST_F(RunsTableTest, OtherProblemsAreNotCompared) {
  pool::Pool& other = run("b", 210, 280, "9");
  add_test_score(other, "M1", "other", 400, 100);
  pool::Pool& one = run("a", 200, 300, "9");
  add_test_score(one, "M1", "other", 500, 100);
  const RunsTable table = runs_table({{"q", {&one, &other}}});
  const auto at =
      static_cast<size_t>(std::find(table.benchmarks.begin(), table.benchmarks.end(), "other") -
                          table.benchmarks.begin());
  EXPECT_EQ(table.rows[1].cells[at].reason, "not the same problems");
}

TEST_F(RunsTableTest, WhatAnotherJudgeJudgedIsNotCompared) {
  pool::Pool& one = run("a", 200, 300, "250");
  add_test_score(one, "M1", "other", 500, 100);
  add_test_score(one, "M2", "other", 500, 400, judge::kVersion + 1);
  const RunsTable within = runs_table({{"one", {&one}}});
  const auto at =
      static_cast<size_t>(std::find(within.benchmarks.begin(), within.benchmarks.end(), "other") -
                          within.benchmarks.begin());
  EXPECT_EQ(within.differences.back().cells[at].reason, "not judged by one version of the judge");
  EXPECT_TRUE(within.differences.back().cells[0].difference);
  pool::Pool& old = run("b", 210, 290, "250");
  add_test_score(old, "M1", "other", 500, 120, nullptr);  // as an earlier version kept it
  const RunsTable seeds = runs_table({{"both", {&one, &old}}});
  EXPECT_EQ(seeds.rows[1].cells[at].reason, "not judged by one version of the judge");
}

TEST_F(RunsTableTest, WhatIsNotToldComesWithWhatWouldBe) {
  const std::vector<const pool::Pool*> runs = {&run("a", 200, 205, "9"), &run("b", 195, 200, "9"),
                                               &run("c", 205, 207, "9")};
  const RunsTable table = runs_table({{"q", runs}});
  const auto& last = table.differences.back().cells[0];
  ASSERT_GE(last.corrected_p, 0.05);
  const std::string shows = fmt::format("would show {:.1f}", 100 * last.difference->detectable);
  EXPECT_TRUE(has(to_text(table), shows)) << to_text(table);
  EXPECT_EQ(to_json(table)["differences"].back()["on"]["hard"]["detectable"],
            last.difference->detectable);
}

}  // namespace
}  // namespace ponder::report
