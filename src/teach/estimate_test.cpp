#include "teach/estimate.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <vector>

namespace ponder::teach {
namespace {

constexpr Units kCent = 10'000'000'000;

// min(samples until `need` are right, most), expected, by its distribution.
double by_counting(int need, int most, double p) {
  std::vector<double> right(static_cast<size_t>(need) + 1);  // probability of so many right ones
  right[0] = 1;
  double expected = 0;
  for (int asked = 0; asked < most; ++asked) {
    expected += std::accumulate(right.begin(), right.end() - 1, 0.0);
    for (size_t k = right.size() - 1; k-- > 0;) {
      right[k + 1] += right[k] * p;
      right[k] *= 1 - p;
    }
  }
  return expected;
}

TEST(Estimate, SamplesUntilEnoughAreRight) {
  EXPECT_DOUBLE_EQ(expected_samples(1, 4, 0.5), 1.875);
  EXPECT_DOUBLE_EQ(expected_samples(2, 3, 0.5), 2.75);
  EXPECT_EQ(expected_samples(1, 4, 0), 4);
  EXPECT_EQ(expected_samples(2, 4, 1), 2);
  EXPECT_EQ(expected_samples(5, 4, 0.5), 4);
  EXPECT_EQ(expected_samples(0, 4, 0.5), 0);
  EXPECT_EQ(expected_samples(1, 0, 0.5), 0);
  for (const double p : {0.001, 0.1, 0.5, 2.0 / 3, 0.99}) {
    for (int most = 1; most <= 40; ++most)
      for (int need = 1; need <= most; ++need)
        EXPECT_NEAR(expected_samples(need, most, p), by_counting(need, most, p), 1e-9)
            << need << " of " << most << " at " << p;
  }
  EXPECT_NEAR(expected_samples(10, 100'000, 0.5), 20, 1e-9);  // 0.5^100,000 is no double
}

TEST(Estimate, IntervalsAreStudents) {
  EXPECT_NEAR(t_quantile_95(9), 2.262157, 0.001);
  EXPECT_NEAR(t_quantile_95(29), 2.045230, 1e-4);
  EXPECT_NEAR(t_quantile_95(1'000'000), 1.959966, 1e-5);
}

TEST(Estimate, PlacesAreSpread) {
  using Places = std::vector<size_t>;
  EXPECT_EQ(evenly_spread(10, 3), (Places{1, 5, 8}));
  EXPECT_EQ(evenly_spread(7, 1), (Places{3}));
  EXPECT_EQ(evenly_spread(4, 4), (Places{0, 1, 2, 3}));
  EXPECT_EQ(evenly_spread(3, 20), (Places{0, 1, 2}));
  EXPECT_EQ(evenly_spread(0, 3), Places{});
}

// Ten answers of 10, 20, … 100 tokens, a cent each ten; a half right; two problems left with four samples each.
EstimateInput ten_answers() {
  EstimateInput input;
  input.problems = {{.right = 1},
                    {.open = 4, .worst = 80 * kCent, .worst_tokens = 800},
                    {.open = 4, .worst = 80 * kCent, .worst_tokens = 800}};
  input.right = 5;
  input.answers = 10;
  input.currency = "USD";
  for (int i = 10; i > 0; --i) {
    input.completion_tokens.push_back(10 * i);
    input.prices.push_back(i * kCent);
  }
  input.tokens_so_far = 550;
  input.spent_so_far = 55 * kCent;
  return input;
}

TEST(Estimate, IsWhatThereIsAndWhatIsExpected) {
  const Estimate likely = estimate(ten_answers());
  EXPECT_EQ(likely.least_requests, 2);
  EXPECT_EQ(likely.most_requests, 8);
  EXPECT_DOUBLE_EQ(likely.expected_requests.value(), 3.75);
  EXPECT_EQ(likely.tokens.mean, 55);
  EXPECT_EQ(likely.tokens.ninetieth, 90);
  EXPECT_EQ(likely.price.mean, kCent * 11 / 2);
  EXPECT_EQ(likely.price.ninetieth, 9 * kCent);
  // The deviation of 10, 20, … 100 is the root of 8250 / 9; its mean's standard error a root of ten less.
  EXPECT_NEAR(likely.tokens.half_interval.value(), 2.262157 * 9.574271, 0.01);
  EXPECT_EQ(likely.all_tokens.likely, 756);  // 550 + 3.75 x 55
  EXPECT_EQ(likely.all_tokens.low, 675);
  EXPECT_EQ(likely.all_tokens.high, 837);
  EXPECT_EQ(likely.all_tokens.most, 2150);
  EXPECT_EQ(likely.all_price.likely, 55 * kCent + kCent * 165 / 8);
  EXPECT_EQ(likely.all_price.most, 215 * kCent);
  EXPECT_EQ(likely.requests_text(),
            "2 to 8 requests are left, likely 3.8 (5 of 10 answers are right)");
  EXPECT_EQ(
      likely.answer_text(),
      "an answer has 55 completion tokens in the mean, nine of ten no more than 90, and costs "
      "USD 0.055 in the mean, nine of ten no more than 0.09");
  EXPECT_EQ(likely.total_text(),
            "in all likely USD 0.7563 (0.675 to 0.8375 within the 95% interval of the mean), at "
            "most 2.15");
  const Json json = likely.json();
  EXPECT_EQ(json["expected_requests"], 3.75);
  EXPECT_EQ(json["answer_price"]["p90"], "0.09");
  EXPECT_EQ(json["total_price"]["likely"], "0.75625");
  EXPECT_EQ(json["total_tokens"]["high_95"], 837);
}

TEST(Estimate, NineAnswersHaveNoInterval) {
  EstimateInput input = ten_answers();
  input.prices.pop_back();
  input.completion_tokens.pop_back();
  const Estimate likely = estimate(input);
  EXPECT_FALSE(likely.price.half_interval);
  EXPECT_FALSE(likely.all_price.low);
  EXPECT_EQ(likely.total_text(), "in all likely USD 0.775, at most 2.15");
  EXPECT_TRUE(likely.json()["total_price"]["low_95"].is_null());
}

TEST(Estimate, WithoutPricesItIsOfTokens) {
  EstimateInput input = ten_answers();
  input.currency = "";
  const Estimate likely = estimate(input);
  EXPECT_EQ(likely.answer_text(),
            "an answer has 55 completion tokens in the mean, nine of ten no more than 90");
  EXPECT_EQ(likely.total_text(),
            "in all likely 756 completion tokens (675 to 837 within the 95% interval of the mean), "
            "at most 2150");
  EXPECT_FALSE(likely.json().contains("total_price"));
}

TEST(Estimate, WithoutAnAnswerOnlyTheMostIsKnown) {
  EstimateInput input;
  input.problems = {{.open = 4, .worst = 4 * kCent, .worst_tokens = 400}};
  input.currency = "USD";
  const Estimate none = estimate(input);
  EXPECT_FALSE(none.expected_requests);
  EXPECT_EQ(none.requests_text(), "1 to 4 requests are left");
  EXPECT_EQ(none.answer_text(), "");
  EXPECT_EQ(none.total_text(), "in all at most USD 0.04");
  EXPECT_TRUE(none.json()["total_price"]["likely"].is_null());
}

TEST(Estimate, AllSamplesAreAsManyAsThereAre) {
  EstimateInput input = ten_answers();
  input.enough_correct = 0;
  const Estimate likely = estimate(input);
  EXPECT_EQ(likely.least_requests, 8);
  EXPECT_EQ(likely.expected_requests, 8);
  EXPECT_EQ(likely.requests_text(), "8 requests are left");
  input.problems.clear();
  EXPECT_EQ(estimate(input).requests_text(), "no request is left");
  EXPECT_EQ(estimate(input).total_text(), "in all USD 0.55");
}

TEST(Estimate, RightOnesThatAreThereCount) {
  EstimateInput input;
  input.enough_correct = 2;
  input.right = 1;
  input.answers = 2;
  input.problems = {{.right = 1, .open = 2}};  // one more of two: 1 + 1/2
  const Estimate likely = estimate(input);
  EXPECT_EQ(likely.least_requests, 1);
  EXPECT_EQ(likely.most_requests, 2);
  EXPECT_DOUBLE_EQ(likely.expected_requests.value(), 1.5);
}

TEST(Estimate, WhatIsOnItsWayComesInAnyCase) {
  EstimateInput input;
  input.right = 1;
  input.answers = 2;
  // Two, three and four samples with probabilities of 3/4, 1/8 and 1/8; and a solved problem's.
  input.problems = {{.open = 4, .on_its_way = 2}, {.right = 1, .open = 1, .on_its_way = 1}};
  const Estimate likely = estimate(input);
  EXPECT_EQ(likely.least_requests, 3);
  EXPECT_EQ(likely.most_requests, 5);
  EXPECT_DOUBLE_EQ(likely.expected_requests.value(), 3.375);
}

TEST(Estimate, NoSumRunsOver) {
  EstimateInput input = ten_answers();
  input.problems.assign(3, {.open = 4, .worst = std::numeric_limits<Units>::max() / 2});
  const Estimate likely = estimate(input);
  EXPECT_EQ(likely.all_price.most, std::numeric_limits<Units>::max());
  EXPECT_LE(likely.all_price.high, likely.all_price.most);
}

}  // namespace
}  // namespace ponder::teach
