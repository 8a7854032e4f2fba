#include "eval/metrics.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ponder::eval {
namespace {

TEST(Wilson, KnownValues) {
  // Newcombe (1998), Statistics in Medicine 17, table I: 81/263, 15/148, 0/20, 1/29.
  const auto near = [](double p, double n, double low, double high) {
    const Interval interval = wilson_interval(p, n);
    EXPECT_NEAR(interval.low, low, 5e-5);
    EXPECT_NEAR(interval.high, high, 5e-5);
  };
  near(81.0 / 263, 263, 0.2553, 0.3662);
  near(15.0 / 148, 148, 0.0624, 0.1605);
  near(0, 20, 0, 0.1611);
  near(1.0 / 29, 29, 0.0061, 0.1718);
  near(1, 20, 1 - 0.1611, 1);
  EXPECT_EQ(wilson_interval(0, 20).low, 0);
  EXPECT_EQ(wilson_interval(1, 20).high, 1);
  EXPECT_EQ(wilson_interval(0.5, 0).high, 1);
}

TEST(Accuracy, OneSampleEachIsWilsonsOwn) {
  const std::vector<double> shares{1, 0, 0, 1, 1, 1, 0, 1, 1, 1};
  const Accuracy accuracy = accuracy_of(shares, 1);
  EXPECT_DOUBLE_EQ(accuracy.mean, 0.7);
  EXPECT_DOUBLE_EQ(accuracy.effective_n, 10);
  EXPECT_DOUBLE_EQ(accuracy.interval_95.low, wilson_interval(0.7, 10).low);
}

TEST(Accuracy, SamplesOfOneProblemAreNotIndependent) {
  // All or nothing: eight samples tell no more than one.
  EXPECT_DOUBLE_EQ(accuracy_of(std::vector<double>{1, 0, 1, 0}, 8).effective_n, 4);
  // Every problem alike: they are as good as independent.
  EXPECT_DOUBLE_EQ(accuracy_of(std::vector<double>{0.5, 0.5, 0.5, 0.5}, 8).effective_n, 32);
  const double between =
      accuracy_of(std::vector<double>{0.25, 0.5, 0.75, 0.5, 0.9, 0.1}, 8).effective_n;
  EXPECT_GT(between, 6);
  EXPECT_LT(between, 48);
  // Nothing seen of the spread: the problems are all there is to go by.
  EXPECT_DOUBLE_EQ(accuracy_of(std::vector<double>{0, 0, 0}, 8).effective_n, 3);
  EXPECT_GT(accuracy_of(std::vector<double>{0, 0, 0}, 8).interval_95.high, 0.5);
  EXPECT_EQ(accuracy_of({}, 1).interval_95.high, 1);
}

TEST(PassAtK, EqualsCountingSubsets) {
  for (int n = 1; n <= 8; ++n) {
    for (int c = 0; c <= n; ++c) {
      for (int k = 1; k <= n; ++k) {
        int subsets = 0, with_correct = 0;
        for (int set = 0; set < 1 << n; ++set) {
          if (__builtin_popcount(static_cast<unsigned>(set)) != k) continue;
          ++subsets;
          with_correct += (set & ((1 << c) - 1)) != 0;
        }
        EXPECT_NEAR(pass_at_k(n, c, k), static_cast<double>(with_correct) / subsets, 1e-12);
      }
    }
  }
  EXPECT_THROW(pass_at_k(4, 1, 5), Error);
  EXPECT_THROW(pass_at_k(4, 5, 1), Error);
}

TEST(MajorityVote, GroupsEqualAnswers) {
  const judge::JudgeOptions math{judge::AnswerType::kMath};
  using Answers = std::vector<std::string>;
  EXPECT_EQ(majority_vote(Answers{"1/2", "3", "0.5", "\\frac{1}{2}", "3"}, math), 0);
  EXPECT_EQ(majority_vote(Answers{"7", "3", "3"}, math), 1);
  EXPECT_EQ(majority_vote(Answers{"7", "3"}, math), 0) << "the earlier one of equals";
  EXPECT_EQ(majority_vote(Answers{"", "", "4"}, math), 2) << "no answer, no vote";
  EXPECT_EQ(majority_vote(Answers{"", ""}, math), -1);
}

TEST(Comparison, McNemarKnownValues) {
  // 10 against 2 discordant pairs: 2 (1 + 12 + 66) / 4096.
  std::vector<double> a(100, 1), b(100, 1);
  for (size_t i = 0; i < 10; ++i) a[i] = 0;
  for (size_t i = 10; i < 12; ++i) b[i] = 0;
  const Comparison comparison = compare_paired(a, b);
  EXPECT_EQ(comparison.method, "McNemar exact");
  EXPECT_NEAR(comparison.p_value, 158.0 / 4096, 1e-12);
  EXPECT_TRUE(comparison.distinguishable);
  EXPECT_NEAR(comparison.difference, 0.08, 1e-12);
  EXPECT_EQ(comparison.b_only, 10);
  EXPECT_EQ(comparison.a_only, 2);
  // Bonett and Price by hand: p12 = 11/102, p21 = 3/102.
  EXPECT_NEAR(comparison.interval_95.low, 0.0784314 - 1.959964 * 0.0358575, 1e-4);
  EXPECT_NE(describe(comparison, "A", "B").find("B is 8.0 points better than A"),
            std::string::npos);
  EXPECT_NE(describe(comparison, "A", "B").find("can be told apart"), std::string::npos);
}

TEST(Comparison, EqualModelsCannotBeToldApart) {
  const std::vector<double> same{1, 0, 1, 1, 0};
  const Comparison comparison = compare_paired(same, same);
  EXPECT_EQ(comparison.p_value, 1);
  EXPECT_FALSE(comparison.distinguishable);
  EXPECT_LT(comparison.interval_95.low, 0);
  EXPECT_GT(comparison.interval_95.high, 0);
  EXPECT_NE(describe(comparison, "A", "B").find("cannot"), std::string::npos);
  EXPECT_THROW(compare_paired(same, std::vector<double>{1}), Error);
}

TEST(Comparison, SharesUseSignFlips) {
  std::vector<double> a(40, 0.25), b(40, 0.5), noise(40);
  const Comparison clear = compare_paired(a, b);
  EXPECT_EQ(clear.method, "sign-flip permutation");
  EXPECT_NEAR(clear.p_value, 1.0 / 20001, 1e-9);
  for (size_t i = 0; i < noise.size(); ++i) noise[i] = i % 2 ? 0.5 : 0.0;
  EXPECT_GT(compare_paired(a, noise).p_value, 0.9);
  // Few problems: 2^-3 of the patterns are as extreme, twice for two sides.
  EXPECT_NEAR(compare_paired(std::vector<double>{0.5, 0.5, 0.5}, std::vector<double>{0.9, 0.8, 0.7})
                  .p_value,
              0.25, 0.02);
}

}  // namespace
}  // namespace ponder::eval
