#include "pipeline/run_clock.h"

#include <gtest/gtest.h>

#include <vector>

namespace ponder::pipeline {
namespace {

TEST(RunClock, IsThePlanUntilAStageIsDone) {
  const std::vector<StageTime> stages = {{"ingest", false, 0},
                                         {"imitate", true, 100},
                                         {"evaluate-M1", false, 30},
                                         {"improve-1", true, 50}};
  const auto expected = expected_seconds(stages, 1);
  ASSERT_TRUE(expected);
  EXPECT_DOUBLE_EQ(expected->stage, 100);
  EXPECT_DOUBLE_EQ(expected->behind, 80);
  EXPECT_FALSE(expected_seconds(std::vector<StageTime>{{"imitate", true, 0}}, 0));
}

// Training took twice what was planned; of sampling nothing is known but that.
TEST(RunClock, LearnsFromStagesThatAreDone) {
  std::vector<StageTime> stages = {
      {"imitate", true, 100, 200}, {"evaluate-M1", false, 30}, {"improve-1", true, 50}};
  EXPECT_DOUBLE_EQ(expected_seconds(stages, 1)->stage, 60);
  EXPECT_DOUBLE_EQ(expected_seconds(stages, 1)->behind, 100);
  stages[1].took = 10;  // a third
  stages.push_back({"evaluate-M2", false, 30});
  EXPECT_DOUBLE_EQ(expected_seconds(stages, 2)->stage, 100);
  EXPECT_DOUBLE_EQ(expected_seconds(stages, 2)->behind, 10);
}

// A stage behind that is done already (the run was stopped in an earlier one) takes nothing.
TEST(RunClock, DoneStagesTakeNothing) {
  const std::vector<StageTime> stages = {
      {"imitate", true, 10}, {"evaluate-M1", false, 30, 30}, {"improve-1", true, 50}};
  EXPECT_DOUBLE_EQ(expected_seconds(stages, 0)->behind, 50);
}

}  // namespace
}  // namespace ponder::pipeline
