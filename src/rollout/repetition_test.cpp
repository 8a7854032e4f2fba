#include "rollout/repetition.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/philox.h"

namespace ponder::rollout {
namespace {

std::vector<int32_t> loop_after(size_t prefix, size_t period, size_t size) {
  RandomSequence random(1, period);
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < prefix; ++i) tokens.push_back(static_cast<int32_t>(1000 + i));
  for (size_t i = 0; i < size; ++i) {
    tokens.push_back(i < period ? static_cast<int32_t>(random.below(500))
                                : tokens[tokens.size() - period]);
  }
  return tokens;
}

// The length at which a growing sequence is first stopped, 0 for never.
size_t stopped_at(const std::vector<int32_t>& tokens, const RepetitionRule& rule) {
  for (size_t size = 1; size <= tokens.size(); ++size) {
    if (is_repetition(std::span(tokens).first(size), rule)) return size;
  }
  return 0;
}

TEST(Repetition, StopsAtTheFirstLookAfterTheLoopIsLongEnough) {
  const RepetitionRule rule;
  EXPECT_EQ(stopped_at(loop_after(0, 1, 400), rule), 128u);
  EXPECT_EQ(stopped_at(loop_after(5, 1, 400), rule), 144u);
  EXPECT_EQ(stopped_at(loop_after(5, 30, 400), rule), 144u);
  EXPECT_EQ(stopped_at(loop_after(0, 50, 400), rule), 208u);
  EXPECT_EQ(stopped_at(loop_after(3, 256, 2000), rule), 1040u);
}

TEST(Repetition, LeavesOtherTextAlone) {
  EXPECT_EQ(stopped_at(loop_after(2000, 1, 0), {}), 0u);
  EXPECT_EQ(stopped_at(loop_after(0, 300, 3000), {}), 0u) << "period above the limit";
  EXPECT_EQ(stopped_at(loop_after(0, 40, 159), {}), 0u) << "less than four times";
  EXPECT_EQ(stopped_at(loop_after(0, 1, 400), {.min_repeats = 0}), 0u) << "turned off";
  EXPECT_FALSE(is_repetition({}, {}));
}

TEST(Repetition, OneChangedTokenBreaksTheLoop) {
  std::vector<int32_t> tokens = loop_after(0, 8, 128);
  EXPECT_TRUE(is_repetition(tokens, {}));
  tokens[60] = -1;
  EXPECT_FALSE(is_repetition(tokens, {}));
}

}  // namespace
}  // namespace ponder::rollout
