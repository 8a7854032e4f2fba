#include "teach/money.h"

#include <gtest/gtest.h>

#include <limits>

namespace ponder::teach {
namespace {

TEST(Money, PricesAreExact) {
  EXPECT_EQ(price_from_text("0.55"), 550'000);
  EXPECT_EQ(price_from_text("2.19"), 2'190'000);
  EXPECT_EQ(price_from_text("0.000001"), 1);
  EXPECT_EQ(price_from_text("60"), 60'000'000);
  EXPECT_EQ(price_from_text("0"), 0);
  EXPECT_EQ(price_from_text("10000"), 10'000'000'000);
  for (const char* bad : {"", ".5", "5.", "-1", "+1", "1e3", "0.0000001", "10000.000001", "1,5",
                          " 1", "0x1", "99999999999999999999", "1.2.3", "NaN"})
    EXPECT_FALSE(price_from_text(bad)) << bad;
}

TEST(Money, AmountsAreWrittenAsTheyAreRead) {
  EXPECT_EQ(amount_from_text("25.00"), 25'000'000'000'000);
  EXPECT_EQ(amount_from_text("0.000000000001"), 1);
  EXPECT_FALSE(amount_from_text("0.0000000000001"));
  EXPECT_FALSE(amount_from_text("1000000.01"));
  for (const char* text : {"25.00", "0.0123", "0.000000000001", "1000000.00", "0.00", "3.50"})
    EXPECT_EQ(amount_text(*amount_from_text(text)), text);
}

TEST(Money, AnAnswerCostsItsTokens) {
  const Prices prices{"USD", 550'000, 140'000, 2'190'000, true};
  EXPECT_EQ(cost_of(prices, {1000, 2000, 0, 0}), 1000 * 550'000 + int64_t{2000} * 2'190'000);
  EXPECT_EQ(cost_of(prices, {1000, 2000, 400, 0}),
            600 * 550'000 + 400 * 140'000 + int64_t{2000} * 2'190'000);
  // Thousands of tokens that floating point would have to round.
  EXPECT_EQ(amount_text(cost_of({"USD", 1, 1, 1, true}, {123'456'789, 1, 0, 0})), "0.00012345679");
  // More cached than there were, and numbers that no model makes: no overflow.
  EXPECT_EQ(cost_of(prices, {10, 0, 50, 0}), 10 * 140'000);
  constexpr int64_t kMany = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(amount_text(cost_of(prices, {kMany, kMany, kMany, kMany})), "10000.00");
}

TEST(Money, TheWorstIsNeverLessThanTheCost) {
  for (const Units cached : {Units{0}, Units{140'000}, Units{900'000}}) {
    const Prices prices{"USD", 550'000, cached, 2'190'000, true};
    for (const int64_t from_cache : {0, 7, 100})
      EXPECT_LE(cost_of(prices, {100, 50, from_cache, 0}), worst_cost(prices, 100, 50));
  }
}

}  // namespace
}  // namespace ponder::teach
