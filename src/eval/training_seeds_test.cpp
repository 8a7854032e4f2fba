#include "eval/training_seeds.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/philox.h"

namespace ponder::eval {
namespace {

using Table = std::vector<std::vector<double>>;

// Two seeds, three problems, by hand: row means 2/3 and 1/3, column means 1, 1/2, 0.
TEST(TrainingSeeds, ByHand) {
  const SeedsMean it = mean_over_seeds({{1, 1, 0}, {1, 0, 0}});
  EXPECT_EQ(it.seeds, 2);
  EXPECT_EQ(it.problems, 3);
  EXPECT_DOUBLE_EQ(it.mean, 0.5);
  EXPECT_NEAR(it.seed_deviation, std::sqrt(1.0 / 18), 1e-12);
  // MS_seeds 3 / 18 = 1/6, MS_problems 2 * 1/4 = 1/2: (1/6 + 1/2) / 6 = 1/9.
  EXPECT_NEAR(it.standard_error, 1.0 / 3, 1e-12);
  // Parts 1/36 with one degree of freedom and 1/12 with two: t is 12.7062 and 4.30265.
  const SeedsDifference of_nothing =
      difference_over_seeds({{0, 0, 0}, {0, 0, 0}}, {{1, 1, 0}, {1, 0, 0}}, true);
  EXPECT_DOUBLE_EQ(of_nothing.interval_95.high, 1);
  EXPECT_GT(of_nothing.p_value, 0.05);
  EXPECT_GE(it.interval_95.low, 0);
  EXPECT_LE(it.interval_95.high, 1);
}

TEST(TrainingSeeds, OneSeedIsOfTheProblemsAlone) {
  std::vector<double> row(100);
  for (size_t i = 0; i < 40; ++i) row[i] = 1;
  const SeedsMean it = mean_over_seeds({row});
  EXPECT_DOUBLE_EQ(it.mean, 0.4);
  EXPECT_NEAR(it.standard_error, std::sqrt(0.4 * 0.6 / 99), 1e-12);
  EXPECT_EQ(it.interval_95.low, accuracy_of(row, 1).interval_95.low);
  EXPECT_EQ(it.interval_95.high, accuracy_of(row, 1).interval_95.high);
  std::vector<double> one_of_200(200);
  one_of_200[0] = 1;
  EXPECT_GT(mean_over_seeds({one_of_200}).interval_95.low, 0);
  EXPECT_EQ(it.seed_deviation, 0);
  const SeedsMean none = mean_over_seeds({{0, 0, 0, 0}, {0, 0, 0, 0}});
  EXPECT_DOUBLE_EQ(none.interval_95.high, wilson_interval(0, 4).high);
}

TEST(TrainingSeeds, WhatDoesNotFitTogetherIsAnError) {
  EXPECT_THROW(mean_over_seeds({}), Error);
  EXPECT_THROW(mean_over_seeds({{1, 0}, {1}}), Error);
  EXPECT_THROW(mean_over_seeds({{}}), Error);
  EXPECT_THROW(difference_over_seeds({{1, 0}}, {{1}}, false), Error);
  EXPECT_THROW(difference_over_seeds({{1, 0}}, {{1, 0}, {1, 1}}, true), Error);
}

// How often the interval holds the truth, and how often a difference is seen where there is none: S
// seeds and P problems with effects of their own on the chance of a right answer.
struct World {
  size_t seeds, problems;
  double of_seed, of_problem;
};

double chance(const Random& random, const World& world, uint64_t s, uint64_t p, double base) {
  const auto centred = [&](uint64_t index) { return random.uniform(index) - 0.5; };
  return base + world.of_seed * centred(s) + world.of_problem * centred(1000 + p);
}

double held(const World& world, bool difference, bool paired) {
  constexpr int kTrials = 1500;
  int inside = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Random effects(7, static_cast<uint64_t>(trial)), luck(8, static_cast<uint64_t>(trial));
    uint64_t drawn = 0;
    const auto table = [&](uint64_t first_seed, double base) {
      Table values(world.seeds, std::vector<double>(world.problems));
      for (size_t s = 0; s < world.seeds; ++s) {
        for (size_t p = 0; p < world.problems; ++p)
          values[s][p] = luck.uniform(drawn++) < chance(effects, world, first_seed + s, p, base);
      }
      return values;
    };
    const Table a = table(0, 0.5), b = table(paired ? 0 : 500, 0.5);
    const Interval interval = difference ? difference_over_seeds(a, b, paired).interval_95
                                         : mean_over_seeds(a).interval_95;
    const double truth = difference ? 0 : 0.5;
    inside += interval.low <= truth && truth <= interval.high;
  }
  return inside / static_cast<double>(kTrials);
}

TEST(TrainingSeeds, IntervalsHoldTheTruthAsOftenAsTheySay) {
  for (const World& world :
       {World{3, 200, 0.2, 0.6}, World{3, 200, 0, 0.6}, World{5, 60, 0.3, 0.2}}) {
    for (const bool difference : {false, true}) {
      for (const bool paired : {true, false}) {
        const double share = held(world, difference, paired);
        EXPECT_GT(share, 0.94) << world.of_seed << difference << paired;
      }
    }
  }
  // An interval over problems alone, as of one seed, does not.
  constexpr int kTrials = 500;
  int inside = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Random effects(9, static_cast<uint64_t>(trial)), luck(10, static_cast<uint64_t>(trial));
    std::vector<double> row(500);
    for (size_t p = 0; p < row.size(); ++p)
      row[p] = luck.uniform(p) < chance(effects, {1, 500, 0.3, 0.4}, 0, p, 0.5);
    const Interval interval = mean_over_seeds({row}).interval_95;
    inside += interval.low <= 0.5 && 0.5 <= interval.high;
  }
  EXPECT_LT(inside, 0.8 * kTrials);
}

TEST(TrainingSeeds, ADifferenceThatIsThereIsSeen) {
  Table a(3, std::vector<double>(300)), b = a;
  const Random luck(11, 0);
  uint64_t drawn = 0;
  for (size_t s = 0; s < 3; ++s) {
    for (size_t p = 0; p < 300; ++p) {
      a[s][p] = luck.uniform(drawn++) < 0.4;
      b[s][p] = luck.uniform(drawn++) < 0.6;
    }
  }
  for (const bool paired : {true, false}) {
    const SeedsDifference it = difference_over_seeds(a, b, paired);
    EXPECT_NEAR(it.mean, 0.2, 0.07);
    EXPECT_LT(it.p_value, 0.05);
    EXPECT_GT(it.interval_95.low, 0);
  }
  EXPECT_EQ(difference_over_seeds(a, a, true).p_value, 1);
}

// The same answers to few problems are no proof that two models are the same.
TEST(TrainingSeeds, WhereNothingDiffersTheProblemsThatWereNotAskedAreLeftOpen) {
  for (const size_t problems : {size_t{10}, size_t{1000}}) {
    const Table same(3, std::vector<double>(problems, 1.0));
    const SeedsDifference it = difference_over_seeds(same, same, true);
    EXPECT_EQ(it.mean, 0);
    EXPECT_EQ(it.p_value, 1);
    const double open = wilson_interval(0, static_cast<double>(problems)).high;
    EXPECT_DOUBLE_EQ(it.interval_95.high, open);
    EXPECT_DOUBLE_EQ(it.interval_95.low, -open);
    EXPECT_GT(it.detectable, 0.007);
  }
  // Nor are equal differences whose sum rounds.
  const Table a(3, std::vector<double>(3, 0.2)), b(3, std::vector<double>(3, 0.3));
  EXPECT_EQ(difference_over_seeds(a, b, true).p_value, 0.25);
}

TEST(TrainingSeeds, Holm) {
  // Holm's own procedure on four p-values: 4 p1, 3 p2, 2 p3, p4, each at least the one before.
  const std::vector<double> found = holm({0.01, 0.04, 0.03, 0.005});
  EXPECT_DOUBLE_EQ(found[3], 0.02);
  EXPECT_DOUBLE_EQ(found[0], 0.03);
  EXPECT_DOUBLE_EQ(found[2], 0.06);
  EXPECT_DOUBLE_EQ(found[1], 0.06);
  EXPECT_EQ(holm({}), std::vector<double>{});
  EXPECT_DOUBLE_EQ(holm({0.9, 0.8})[0], 1);
}

// The p-value and the interval say the same.
TEST(TrainingSeeds, PIsBelowFivePercentWhereTheIntervalLeavesOutZero) {
  const Random luck(12, 0);
  uint64_t drawn = 0;
  int apart = 0;
  for (int trial = 0; trial < 200; ++trial) {
    Table a(3, std::vector<double>(50)), b = a;
    for (size_t s = 0; s < 3; ++s) {
      for (size_t p = 0; p < 50; ++p) {
        a[s][p] = luck.uniform(drawn++) < 0.4;
        b[s][p] = luck.uniform(drawn++) < 0.55;
      }
    }
    const SeedsDifference it = difference_over_seeds(a, b, true);
    EXPECT_EQ(it.p_value<0.05, it.interval_95.low> 0 || it.interval_95.high < 0);
    apart += it.p_value < 0.05;
  }
  EXPECT_GT(apart, 10);
  EXPECT_LT(apart, 190);
}

}  // namespace
}  // namespace ponder::eval
