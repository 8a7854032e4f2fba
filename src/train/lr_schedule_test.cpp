#include "train/lr_schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace ponder::train {
namespace {

TEST(LrSchedule, WarmsUpThenFollowsItsShape) {
  LrSchedule schedule{ScheduleKind::kCosine, 2e-5, 0.1, 30};
  EXPECT_EQ(schedule.warmup_steps(), 3);
  EXPECT_DOUBLE_EQ(schedule.lr(0), 2e-5 / 3);
  EXPECT_DOUBLE_EQ(schedule.lr(2), 2e-5);
  EXPECT_DOUBLE_EQ(schedule.lr(3), 2e-5);
  for (int step = 3; step < 30; ++step) {
    const double p = (step - 3) / 27.0;
    EXPECT_NEAR(schedule.lr(step), 2e-5 * (1 + std::cos(std::numbers::pi * p)) / 2, 1e-18);
  }
  schedule.kind = ScheduleKind::kLinear;
  EXPECT_NEAR(schedule.lr(29), 2e-5 / 27, 1e-19);
  schedule.kind = ScheduleKind::kConstant;
  EXPECT_EQ(schedule.lr(29), 2e-5);
}

TEST(LrSchedule, EveryStepOfEveryLengthHasAPositiveRate) {
  for (const auto kind : {ScheduleKind::kCosine, ScheduleKind::kLinear, ScheduleKind::kConstant}) {
    for (const double warmup : {0.0, 0.1, 0.5, 1.0}) {
      for (int64_t steps = 1; steps < 25; ++steps) {
        const LrSchedule schedule{kind, 1.0, warmup, steps};
        for (int64_t step = 0; step < steps; ++step) {
          EXPECT_GT(schedule.lr(step), 0.0);
          EXPECT_LE(schedule.lr(step), 1.0);
        }
      }
    }
  }
}

TEST(LrSchedule, NamesComeBack) {
  for (const auto kind : {ScheduleKind::kCosine, ScheduleKind::kLinear, ScheduleKind::kConstant}) {
    EXPECT_EQ(schedule_from_string(to_string(kind)), kind);
  }
  EXPECT_FALSE(schedule_from_string("cos").has_value());
}

}  // namespace
}  // namespace ponder::train
