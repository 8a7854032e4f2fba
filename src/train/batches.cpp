#include "train/batches.h"

#include <fmt/format.h>

#include <numeric>

#include "base/error.h"
#include "base/philox.h"

namespace ponder::train {
namespace {

std::vector<int32_t> shuffled(size_t count, uint64_t seed, int epoch) {
  std::vector<int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  RandomSequence random(seed,
                        stable_hash64(fmt::format("order of training rows, epoch {}", epoch)));
  random.shuffle(order);
  return order;
}

void add_by_rows(const std::vector<int32_t>& order, int64_t batch_rows, int epoch,
                 std::vector<StepExamples>& steps) {
  const int64_t count = static_cast<int64_t>(order.size());
  const int64_t num_steps = count / batch_rows + (count % batch_rows != 0 ? 1 : 0);
  for (int64_t s = 0; s < num_steps; ++s) {
    steps.push_back(
        {epoch,
         {order.begin() + count * s / num_steps, order.begin() + count * (s + 1) / num_steps}});
  }
}

}  // namespace

std::vector<StepExamples> plan_steps(std::span<const int64_t> example_tokens,
                                     const BatchOptions& options) {
  if (example_tokens.empty()) throw Error("training data", "no rows are left to train on");
  if (options.epochs < 1)
    throw Error("epochs", fmt::format("expected at least 1, found {}", options.epochs));
  if (options.batch_tokens <= 0 && options.batch_rows < 1) {
    throw Error("batch_rows", fmt::format("expected at least 1, found {}", options.batch_rows));
  }
  std::vector<StepExamples> steps;
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    const auto order = shuffled(example_tokens.size(), options.seed, epoch);
    if (options.batch_tokens <= 0) {
      add_by_rows(order, options.batch_rows, epoch, steps);
      continue;
    }
    std::vector<int64_t> tokens;
    for (const int32_t example : order)
      tokens.push_back(example_tokens[static_cast<size_t>(example)]);
    for (const ExampleRange range : split_step(tokens, options.batch_tokens)) {
      steps.push_back({epoch,
                       {order.begin() + static_cast<int64_t>(range.begin),
                        order.begin() + static_cast<int64_t>(range.end)}});
    }
  }
  return steps;
}

std::vector<ExampleRange> split_step(std::span<const int64_t> tokens, int64_t max_tokens) {
  std::vector<ExampleRange> ranges;
  int64_t joined = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (ranges.empty() || joined + tokens[i] > max_tokens) {
      ranges.push_back({i, i});
      joined = 0;
    }
    ranges.back().end = i + 1;
    joined += tokens[i];
  }
  return ranges;
}

}  // namespace ponder::train
