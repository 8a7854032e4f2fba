#include "eval/contest.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "eval/judging.h"
#include "testing/error_text.h"

namespace ponder::eval {
namespace {

// Right on the problems whose number is below `right`.
Contestant contestant(const std::string& name, int problems, int right) {
  Contestant it{name, {}};
  for (int i = 0; i < problems; ++i) {
    const bool correct = i < right;
    it.verdicts.problems[{"p" + std::to_string(i), "sha"}] = {correct ? 1 : 0, 1};
  }
  return it;
}

TEST(Contest, EachAgainstTheFirstOverCommonProblems) {
  const auto rows = hold_contest(
      {contestant("a", 100, 40), contestant("b", 80, 70), contestant("c", 100, 41)}, 1);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_FALSE(rows[0].comparison);
  EXPECT_NEAR(rows[0].accuracy.mean, 0.4, 1e-12);
  EXPECT_EQ(rows[1].problems, 80);
  EXPECT_EQ(rows[1].comparison->n, 80);
  EXPECT_NEAR(rows[1].comparison->difference, 30.0 / 80, 1e-12);
  EXPECT_LT(rows[1].corrected_p, 0.05);
  EXPECT_NEAR(rows[1].corrected_p, 2 * rows[1].comparison->p_value, 1e-12);  // Holm: of two
  EXPECT_EQ(rows[2].corrected_p, 1);
  // One problem in a hundred: a difference of 2.8 standard errors of 0.01.
  EXPECT_NEAR(rows[2].detectable, 0.02802, 1e-4);
  const std::string text = to_text(rows);
  EXPECT_NE(text.find("b − a: +37.5 ["), std::string::npos) << text;
  EXPECT_NE(text.find("on 100 problems; so many show about 2.8 points"), std::string::npos) << text;
  EXPECT_EQ(to_json(rows)[1]["against_first"]["told_apart"], true);
}

TEST(Contest, VerdictsOfTwoJudgesAreNotCompared) {
  Contestant a = contestant("a", 10, 4), b = contestant("b", 10, 5);
  a.verdicts.judges = {dump_json(how_judged({}))};
  EXPECT_EQ(hold_contest({a, b}, 1).size(), 2u);  // one that does not say is taken at its word
  b.verdicts.judges = {dump_json(how_judged({.units = judge::Strictness::kStrict}))};
  const std::string text = testing::error_text([&] { hold_contest({a, b}, 1); });
  EXPECT_NE(text.find("b: was judged by {"), std::string::npos) << text;
  EXPECT_NE(text.find("\"units\":\"strict\""), std::string::npos) << text;
  b.verdicts.judges = a.verdicts.judges;
  EXPECT_EQ(hold_contest({a, b}, 1).size(), 2u);
}

TEST(Contest, ResponsesOfTwoArithmeticsSaySo) {
  Contestant a = contestant("a", 10, 4), b = contestant("b", 10, 5);
  EXPECT_EQ(to_text(hold_contest({a, b}, 1)).find("arithmetic"), std::string::npos);
  b.verdicts.arithmetics = {"bf16-3"};
  const auto rows = hold_contest({a, b}, 1);
  const std::string text = to_text(rows);
  EXPECT_NE(text.find("of 10, computed in bf16-3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("points; of two arithmetics\n"), std::string::npos) << text;
  EXPECT_EQ(to_json(rows)[1]["arithmetic"], "bf16-3");
}

// Two benchmarks number their problems alike: one is right on the first of them alone, the other on the second.
TEST(Contest, ProblemsOfOneIdAreNotOne) {
  Contestant a{"a", {}}, b{"b", {}};
  for (int i = 0; i < 20; ++i) {
    for (const bool first : {true, false}) {
      const std::pair key(std::to_string(i), first ? "one" : "two");
      a.verdicts.problems[key] = {first ? 1 : 0, 1};
      b.verdicts.problems[key] = {first ? 0 : 1, 1};
    }
  }
  const auto rows = hold_contest({a, b}, 1);
  EXPECT_EQ(rows[1].comparison->n, 40);
  EXPECT_EQ(rows[1].comparison->a_only, 20);
  EXPECT_EQ(rows[1].comparison->b_only, 20);
}

TEST(Contest, WhereNothingDiffersNotEveryDifferenceWouldShow) {
  const auto rows = hold_contest({contestant("a", 100, 40), contestant("b", 100, 40)}, 1);
  EXPECT_NEAR(rows[1].detectable, 0.0785, 1e-4);
  const auto few = hold_contest({contestant("a", 1, 0), contestant("b", 1, 0)}, 1);
  EXPECT_EQ(few[1].detectable, 1);
}

TEST(Contest, RefusesOtherProblems) {
  Contestant other = contestant("b", 100, 40);
  other.verdicts.problems.erase({"p3", "sha"});
  other.verdicts.problems[{"p3", "other"}] = {1, 1};
  EXPECT_THROW(hold_contest({contestant("a", 100, 40), other}, 1), Error);
  Contestant strange{"c", {}};
  strange.verdicts.problems[{"q", "sha"}] = {1, 1};
  EXPECT_THROW(hold_contest({contestant("a", 100, 40), strange}, 1), Error);
}

}  // namespace
}  // namespace ponder::eval
