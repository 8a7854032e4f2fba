#include "eval/contest.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ponder::eval {
namespace {

// Right on the problems whose number is below `right`.
Contestant contestant(const std::string& name, int problems, int right) {
  Contestant it{name, {}};
  for (int i = 0; i < problems; ++i) {
    const bool correct = i < right;
    it.verdicts.problems["p" + std::to_string(i)] = {correct ? 1 : 0, 1, "sha"};
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

TEST(Contest, RefusesOtherProblems) {
  Contestant other = contestant("b", 100, 40);
  other.verdicts.problems["p3"].problem_sha256 = "other";
  EXPECT_THROW(hold_contest({contestant("a", 100, 40), other}, 1), Error);
  Contestant strange{"c", {}};
  strange.verdicts.problems["q"] = {1, 1, "sha"};
  EXPECT_THROW(hold_contest({contestant("a", 100, 40), strange}, 1), Error);
}

}  // namespace
}  // namespace ponder::eval
