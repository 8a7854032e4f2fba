// An evaluation against the file of an earlier one.
#include "eval/comparison.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "eval/judging.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::eval {
namespace {

class ComparisonTest : public ::testing::Test {
 protected:
  ComparisonTest() {
    for (const char* id : {"a", "b", "c"}) {
      data::Problem problem;
      problem.id = id;
      problem.question = std::string("What is ") + id + "?";
      problem.answer = id;
      problems_.push_back(problem);
      SampleResult right;
      right.verdict = judge::Verdict::kCorrect;
      result_.problems.push_back({id, {right}});
    }
    result_.score.benchmark = "letters";
  }
  VerdictTable read(const std::string& rows) {
    write_file_atomic(folder_ / "rows.jsonl", rows);
    return read_verdicts(folder_ / "rows.jsonl");
  }
  // A row as --details writes it.
  static std::string row(const data::Problem& problem, const std::string& verdict) {
    return dump_json({{"problem_id", problem.id},
                      {"problem_sha256", problem_sha256(problem)},
                      {"verdict", verdict}}) +
           "\n";
  }

  testing::TemporaryFolder folder_;
  std::vector<data::Problem> problems_;
  BenchmarkResult result_;
};

TEST_F(ComparisonTest, IsOverTheProblemsThatBothHave) {
  const VerdictTable other = read(row(problems_[0], "correct") + row(problems_[1], "incorrect") +
                                  R"({"problem_id":"x","verdict":"undecided"})" + "\n");
  const Comparison comparison = compare_with(result_, problems_, other, 1);
  EXPECT_EQ(comparison.n, 2);
  EXPECT_EQ(comparison.difference, 0.5);
}

TEST_F(ComparisonTest, RowsOfAnotherJudgeAreRefused) {
  const auto against = [&](Json judge) {
    Json json = {{"problem_id", "a"}, {"verdict", "correct"}};
    if (!judge.is_null()) json["judge"] = std::move(judge);
    return testing::error_text(
        [&] { compare_with(result_, problems_, read(dump_json(json) + "\n"), 1); });
  };
  EXPECT_EQ(against(nullptr), "(no error)");
  EXPECT_EQ(against(how_judged({})), "(no error)");
  Json later = how_judged({});
  later["version"] = judge::kVersion + 1;
  EXPECT_NE(against(later).find("was judged by"), std::string::npos) << against(later);
}

TEST_F(ComparisonTest, AnotherProblemOfTheSameIdIsRefused) {
  const auto against = [&](auto edit) {
    data::Problem changed = problems_[1];
    edit(changed);
    return testing::error_text(
        [&] { compare_with(result_, problems_, read(row(changed, "correct")), 1); });
  };
  const std::string refused = "has another question or gold under the id \"b\"";
  for (const std::string& text : {against([](data::Problem& p) { p.answer = "0"; }),
                                  against([](data::Problem& p) { p.question += " "; }),
                                  against([](data::Problem& p) { p.tolerance = 0.1; })})
    EXPECT_NE(text.find(refused), std::string::npos) << text;
  EXPECT_EQ(against([](data::Problem& p) { p.level = "3"; }), "(no error)");
  // A file that says nothing of its problems is taken at its word.
  const VerdictTable unknown = read(R"({"problem_id":"b","verdict":"correct"})"
                                    "\n");
  EXPECT_EQ(compare_with(result_, problems_, unknown, 1).n, 1);
}

TEST_F(ComparisonTest, AnotherBenchmarksProblemOfTheSameIdIsLeftOut) {
  data::Problem elsewhere = problems_[1];
  elsewhere.question = "Of another benchmark?";
  const VerdictTable both = read(row(elsewhere, "correct") + row(problems_[1], "incorrect"));
  const Comparison comparison = compare_with(result_, problems_, both, 1);
  EXPECT_EQ(comparison.n, 1);
  EXPECT_EQ(comparison.difference, 1);
  EXPECT_EQ(verdicts_on(both, {&elsewhere, 1}, "other", "file").problems.begin()->second.correct,
            1);
}

TEST_F(ComparisonTest, RowsThatAreNoVerdictsAreNamed) {
  for (const auto& [row, problem] :
       {std::pair("{\"verdict\":\"correct\"}",
                  "rows.jsonl:1: expected a row with a text \"problem_id\""),
        std::pair("[1]", "expected a row with a text"),
        std::pair("{\"problem_id\":\"a\",\"verdict\":\"maybe\"}", "expected verdict correct"),
        std::pair("{\"problem_id\":\"a\",\"verdict\":\"correct\",\"problem_sha256\":1}",
                  "expected a row with a text \"problem_sha256\"")}) {
    const std::string error = testing::error_text([&, text = row] { read(text); });
    EXPECT_NE(error.find(problem), std::string::npos) << error;
  }
  EXPECT_NE(testing::error_text([&] {
              compare_with(result_, problems_, {}, 1);
            }).find("has no problem of letters"),
            std::string::npos);
}

}  // namespace
}  // namespace ponder::eval
