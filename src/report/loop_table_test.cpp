// The loop's table as text, who can be told apart, and the numbers of the charts' axes.
#include "report/loop_table.h"

#include "report/charts.h"
#include "report/report.h"
#include "report/run_fixture.h"

namespace ponder::report {
namespace {

pool::ScoreRecord score_of(int64_t samples, const std::string& correct) {
  pool::ScoreRecord score;
  score.n = static_cast<int64_t>(correct.size());
  score.samples = samples;
  score.extra["correct"] = correct;
  return score;
}

std::vector<std::string> lines_of(const std::string& all) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < all.size();) {
    const size_t end = all.find('\n', at);
    lines.push_back(all.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// For text in which every character is one column wide.
size_t characters(const std::string& line) {
  return static_cast<size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

TEST(SharesCorrect, AreExactForUpToTenSamples) {
  EXPECT_EQ(shares_correct(score_of(1, "0x0")), (std::vector<double>{0, 1, 0}));
  for (int64_t k = 1; k <= 10; ++k) {
    for (int64_t c = 0; c <= k; ++c) {
      const double share = static_cast<double>(c) / static_cast<double>(k);
      const std::string letter(
          1, c == k ? 'x' : static_cast<char>('0' + static_cast<int>(share * 10)));
      EXPECT_EQ(shares_correct(score_of(k, letter)), std::vector<double>{share})
          << c << " of " << k;
    }
  }
  // 2 and 3 of 20 are both tenth 1.
  EXPECT_NEAR(shares_correct(score_of(20, "1"))->at(0), 0.125, 1e-12);
}

TEST(SharesCorrect, AreExactForAnyNumberWhereCountsAreStored) {
  pool::ScoreRecord score = score_of(20, "11x");
  score.extra["num_correct"] = {2, 3, 20};
  EXPECT_EQ(shares_correct(score), (std::vector<double>{2.0 / 20, 3.0 / 20, 1}));
  score.extra["num_correct"] = {2, 3};
  EXPECT_FALSE(shares_correct(score));
  score.extra["num_correct"] = {2, 3, 21};
  EXPECT_FALSE(shares_correct(score));
}

TEST(SharesCorrect, AreAbsentForWhatCannotBe) {
  EXPECT_FALSE(shares_correct(pool::ScoreRecord{}));
  EXPECT_FALSE(shares_correct(score_of(1, "0x7")));  // one sample is right or wrong
  EXPECT_FALSE(shares_correct(score_of(1, "0y")));
  EXPECT_FALSE(shares_correct(score_of(0, "0x")));
  pool::ScoreRecord score = score_of(1, "0x");
  score.n = 3;
  EXPECT_FALSE(shares_correct(score));
  score.extra["correct"] = 5;
  EXPECT_FALSE(shares_correct(score));
}

TEST_F(ReportTest, ModelsAreHeldAgainstTheFirstTheirOwnPredecessorAndTheOneAbove) {
  pool::Pool pool = open();
  fill_run(pool);
  const LoopTable table = loop_table(pool);
  EXPECT_EQ(table.benchmarks, (std::vector<std::string>{"easy", "hard", "choice"}));
  ASSERT_EQ(table.rows.size(), 6u);
  EXPECT_EQ(table.rows[2].model, "M1-large");
  EXPECT_EQ(table.rows[0].label, "base");
  EXPECT_EQ(table.rows[5].label, "SFT & DPO, 300 pairs");
  std::string linked;
  for (const auto& row : table.rows) linked += row.main_line ? 'x' : '.';
  EXPECT_EQ(linked, "xx.xx.");

  std::vector<std::pair<size_t, size_t>> pairs;
  for (const PairwiseComparison& entry : pairwise_comparisons(table))
    pairs.emplace_back(entry.model, entry.other);
  EXPECT_EQ(pairs,
            (std::vector<std::pair<size_t, size_t>>{
                {1, 0}, {2, 0}, {2, 1}, {3, 0}, {3, 1}, {4, 0}, {4, 1}, {4, 3}, {5, 0}, {5, 1}}));
  EXPECT_EQ(table.imitation, 1u);
  const PairwiseComparison::Cell cell =
      pairwise_comparisons(table)[0].cells[1];  // M1 against M0 on hard
  ASSERT_TRUE(cell.comparison);
  EXPECT_NEAR(cell.comparison->difference, (205 - 61) / 500.0, 1e-12);
  EXPECT_TRUE(cell.comparison->distinguishable);
}

TEST_F(ReportTest, WhatCannotBeComparedSaysWhy) {
  pool::Pool pool = open();
  begin(pool, pool::stage_kind::kEvaluate, "s");
  add_test_score(pool, "A", "one", 100, 50);
  add_test_score(pool, "A", "two", 100, 50);
  add_test_score(pool, "B", "one", 80, 50);
  pool.add_score(
      {"s", "B", "two", 100, 1, 0.5, 0.4, 0.6, 1, 0, 5, Json{{"judge_version", judge::kVersion}}});
  add_test_score(pool, "C", "two", 100, 50);
  const std::vector<PairwiseComparison> all = pairwise_comparisons(loop_table(pool));
  ASSERT_EQ(all.size(), 2u);  // B-A, C-A
  EXPECT_EQ(all[0].cells[0].reason, "not the same problems");
  EXPECT_EQ(all[0].cells[1].reason, "no verdicts per problem");
  EXPECT_EQ(all[1].cells[0].reason, "not evaluated");
  EXPECT_FALSE(all[1].cells[1].comparison->distinguishable);
  EXPECT_TRUE(has(scores_table(pool), "not the same problems"));
  EXPECT_TRUE(has(scores_table(pool), "one (n differs)"));
}

TEST_F(ReportTest, OnlyScoresOfEqualBenchmarksAreCompared) {
  pool::Pool pool = open();
  begin(pool, pool::stage_kind::kEvaluate, "s");
  const auto add = [&](const std::string& model, const std::string& sha256) {
    Json extra = {{"correct", "0x"}};
    if (!sha256.empty()) extra["benchmark_sha256"] = sha256;
    pool.add_score({"s", model, "one", 2, 1, 0.5, 0.1, 0.9, 1, 0, 5, extra});
  };
  add("A", "1");
  add("B", "1");
  add("C", "2");
  add("D", "");
  const std::vector<PairwiseComparison> all = pairwise_comparisons(loop_table(pool));
  ASSERT_EQ(all.size(), 3u);  // B-A, C-A, D-A
  EXPECT_TRUE(all[0].cells[0].comparison);
  for (size_t i = 1; i < all.size(); ++i)
    EXPECT_EQ(all[i].cells[0].reason, "not the same problems") << i;
}

TEST_F(ReportTest, ScoresTableIsAlignedWithinAHundredColumns) {
  pool::Pool pool = open();
  fill_run(pool);
  const std::vector<std::string> lines = lines_of(scores_table(pool));
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), 100u) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
  EXPECT_EQ(lines[0],
            "model     trained on                              "
            "easy (n 500)       hard (n 500)     choice (n 500)");
  EXPECT_EQ(lines[1],
            "M0        base                               "
            "44.0 [39.7, 48.4]   12.2 [9.6, 15.4]  35.6 [31.5, 39.9]");
  EXPECT_EQ(lines[5].substr(0, 36), "M3        imitation + 1600 explored,");
  EXPECT_EQ(lines[6], "          round 2");
  EXPECT_EQ(lines[10].substr(0, 19), "told apart?        ");
  EXPECT_TRUE(has(lines[11], "M1 against M0 ")) << lines[11];
  EXPECT_TRUE(lines[11].ends_with("] yes")) << lines[11];
  EXPECT_EQ(lines.size(), 22u);
}

TEST_F(ReportTest, ScoresTableCountsColumnsNotBytes) {
  pool::Pool pool = open();
  begin(pool, pool::stage_kind::kImitate, "imitate");
  pool.finish_stage("imitate", pool::StageState::kDone, 1, 1, {{"label", "démonstrations – été"}});
  begin(pool, pool::stage_kind::kDpo, "dpo");
  pool.finish_stage("dpo", pool::StageState::kDone, 1, 1, {{"label", "慢思考"}});
  pool.add_model({"a", "M0", "", "", ""});
  pool.add_model({"b", "M1-é", "", "imitate", ""});
  pool.add_model({"c", "M2", "", "dpo", ""});
  begin(pool, pool::stage_kind::kEvaluate, "s");
  for (const char* model : {"M0", "M1-é", "M2"}) add_test_score(pool, model, "b", 100, 50);
  const std::vector<std::string> lines = lines_of(scores_table(pool));
  EXPECT_EQ(characters(lines[1]), characters(lines[0]));
  EXPECT_EQ(characters(lines[2]), characters(lines[0]));
  EXPECT_EQ(characters(lines[3]) + 3, characters(lines[0]));  // three characters of two columns
}

TEST_F(ReportTest, ScoresTableOfManyBenchmarksComesInBlocks) {
  pool::Pool pool = open();
  EXPECT_EQ(scores_table(pool), "no model yet\n");
  pool.add_model({"a", "M0", "", "", ""});
  EXPECT_TRUE(has(scores_table(pool), "no model was evaluated yet"));
  begin(pool, pool::stage_kind::kEvaluate, "s");
  for (const char* name : {"math_oai", "aime24", "gpqa_diamond", "gsm8k"}) {
    add_test_score(pool, "M0", name, 198, 198);
  }
  EXPECT_TRUE(has(scores_table(pool), "nothing to tell it apart from"));
  add_test_score(pool, "M1", "gsm8k", 198, 0);
  const std::string table = scores_table(pool);
  EXPECT_EQ(times(table, "trained on"), 2u);
  EXPECT_EQ(times(table, "told apart?"), 2u);
  EXPECT_EQ(times(table, "M1 against M0"), 2u);
  for (const std::string& line : lines_of(table)) EXPECT_LE(line.size(), 100u) << line;
}

TEST(NiceTicks, AreRoundAndEncloseTheRange) {
  EXPECT_EQ(nice_ticks(0, 400, 5), (std::vector<double>{0, 100, 200, 300, 400}));
  EXPECT_EQ(nice_ticks(0, 7, 5), (std::vector<double>{0, 2, 4, 6, 8}));
  EXPECT_EQ(nice_ticks(0, 0, 2), (std::vector<double>{0, 0.5, 1}));  // no share below nothing
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {0.31, 2.02}, {-1e-7, 3e-7}, {5, 5}, {0, 0}, {1e12, 1e12 + 1e-3}, {-2.5, -2.4}}) {
    const std::vector<double> ticks = nice_ticks(low, high, 4);
    EXPECT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 9u) << low << " " << high;
    EXPECT_LE(ticks.front(), low + 1e-12);
    EXPECT_GE(ticks.back(), high - 1e-12);
  }
}

}  // namespace
}  // namespace ponder::report
