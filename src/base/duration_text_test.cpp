#include "base/duration_text.h"

#include <gtest/gtest.h>

namespace ponder {
namespace {

TEST(DurationText, HasTheUnitThatAPersonWouldTake) {
  constexpr double kHour = 3600, kDay = 24 * kHour;
  EXPECT_EQ(duration_text(0.4), "0 s");
  EXPECT_EQ(duration_text(40), "40 s");
  EXPECT_EQ(duration_text(12 * 60), "12 min");
  EXPECT_EQ(duration_text(3.5 * kHour), "3.5 h");
  EXPECT_EQ(duration_text(3 * kHour), "3 h");
  EXPECT_EQ(duration_text(20.4 * kHour), "20 h");
  EXPECT_EQ(duration_text(5 * kDay), "5 days");
  EXPECT_EQ(duration_text(200 * kDay), "6.6 months");
  EXPECT_EQ(duration_text(926849 * 60.0), "1.8 years");
}

TEST(DurationText, OfARangeNamesBothEndsOnlyWhereTheyDiffer) {
  EXPECT_EQ(duration_text(3 * 3600, 4 * 3600), "3 h to 4 h");
  EXPECT_EQ(duration_text(50, 300), "50 s to 5 min");
  EXPECT_EQ(duration_text(100, 110), "about 2 min");
  EXPECT_EQ(duration_text(0.1, 0.3), "about 0 s");
}

}  // namespace
}  // namespace ponder
