#include "train/batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/error.h"

namespace ponder::train {
namespace {

std::vector<int64_t> lengths(int count) {
  std::vector<int64_t> result;
  for (int i = 0; i < count; ++i) result.push_back(10 + i * 37 % 90);
  return result;
}

void expect_every_example_once_per_epoch(const std::vector<StepExamples>& steps, int examples,
                                         int epochs) {
  std::map<std::pair<int, int32_t>, int> seen;
  for (const auto& step : steps) {
    EXPECT_FALSE(step.examples.empty());
    for (const int32_t example : step.examples) ++seen[{step.epoch, example}];
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(examples * epochs));
  for (const auto& [key, count] : seen) EXPECT_EQ(count, 1);
}

TEST(PlanSteps, ByRowsStepsAreEvenAndComplete) {
  for (const int examples : {1, 5, 96, 97, 200}) {
    BatchOptions options;
    const auto steps = plan_steps(lengths(examples), options);
    expect_every_example_once_per_epoch(steps, examples, 3);
    EXPECT_EQ(steps.size(), static_cast<size_t>(3 * ((examples + 95) / 96)));
    size_t least = 1000, most = 0;
    for (const auto& step : steps) {
      least = std::min(least, step.examples.size());
      most = std::max(most, step.examples.size());
    }
    EXPECT_LE(most, 96u);
    EXPECT_LE(most - least, 1u);
  }
}

TEST(PlanSteps, ByTokensStepsStayBelowTheLimit) {
  auto sizes = lengths(50);
  sizes[7] = 5000;  // longer than a step: alone
  BatchOptions options;
  options.batch_tokens = 300;
  const auto steps = plan_steps(sizes, options);
  expect_every_example_once_per_epoch(steps, 50, 3);
  for (const auto& step : steps) {
    int64_t tokens = 0;
    for (const int32_t example : step.examples) tokens += sizes[static_cast<size_t>(example)];
    EXPECT_TRUE(tokens <= 300 || step.examples.size() == 1);
  }
}

TEST(PlanSteps, OrderDependsOnSeedAndEpochOnly) {
  BatchOptions options;
  options.batch_rows = 1000;
  const auto once = plan_steps(lengths(40), options), again = plan_steps(lengths(40), options);
  EXPECT_EQ(once[0].examples, again[0].examples);
  EXPECT_NE(once[0].examples, once[1].examples);
  EXPECT_FALSE(std::is_sorted(once[0].examples.begin(), once[0].examples.end()));
  options.seed = 2;
  EXPECT_NE(plan_steps(lengths(40), options)[0].examples, once[0].examples);
}

TEST(PlanSteps, MoreRowsThanThereAreIsOneStep) {
  BatchOptions options;
  options.epochs = 1;
  for (const int64_t rows : {int64_t{3}, int64_t{4}, INT64_MAX}) {
    options.batch_rows = rows;
    ASSERT_EQ(plan_steps(lengths(3), options).size(), 1u) << rows;
  }
}

TEST(PlanSteps, NonsenseIsAnError) {
  BatchOptions options;
  EXPECT_THROW(plan_steps({}, options), Error);
  options.batch_rows = 0;
  EXPECT_THROW(plan_steps(lengths(3), options), Error);
  options = {};
  options.epochs = 0;
  EXPECT_THROW(plan_steps(lengths(3), options), Error);
}

TEST(SplitStep, KeepsOrderAndLimit) {
  const auto ranges = split_step(std::vector<int64_t>{1, 5, 5, 100, 5, 1}, 11);
  std::vector<std::pair<size_t, size_t>> found;
  for (const auto range : ranges) found.push_back({range.begin, range.end});
  const std::vector<std::pair<size_t, size_t>> expected{{0, 3}, {3, 4}, {4, 6}};
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace ponder::train
