// Which rows make up each optimiser step, and how a step is split into batches that fit into
// memory. An example is what an objective is about: a row (SFT) or a pair of rows (DPO).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ponder::train {

struct BatchOptions {
  int epochs = 3;
  int64_t batch_rows = 96;  // examples per optimiser step, at most
  // If above 0, instead of batch_rows: tokens per step, at most (a longer example goes alone).
  int64_t batch_tokens = 0;
  uint64_t seed = 1;
};

struct StepExamples {
  int epoch = 0;
  std::vector<int32_t> examples;  // in the order in which they are summed
};

// Every example once per epoch, in an order drawn for that epoch from (seed, epoch). By rows, an
// epoch of n examples takes ceil(n / batch_rows) steps that differ by at most one example in size,
// so no small rest weighs more than the others. By tokens, steps are filled in order. Throws Error
// if there are no examples or an option makes no sense.
std::vector<StepExamples> plan_steps(std::span<const int64_t> example_tokens,
                                     const BatchOptions& options);

// Neighbouring examples joined while their tokens fit into max_tokens: ranges [begin, end) of the
// examples whose tokens are given. A longer example is a batch of its own. The order stays, so how
// a step is split changes nothing in its gradient.
struct ExampleRange {
  size_t begin, end;
};
std::vector<ExampleRange> split_step(std::span<const int64_t> tokens, int64_t max_tokens);

}  // namespace ponder::train
