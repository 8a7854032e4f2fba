// Preference pairs of rollouts: which right response stands against which wrong one of its problem.
// Pure functions.
#pragma once

#include <span>
#include <vector>

#include "pipeline/selection.h"

namespace ponder::pipeline {

struct PairOptions {
  Strategy chosen = Strategy::kHighestPerplexity;   // how the right responses of a problem rank
  Strategy rejected = Strategy::kLowestPerplexity;  // and the wrong ones
  int64_t per_problem = 1;
  int64_t max_pairs = 0;  // 0: no limit
  bool unfinished_rejected =
      false;  // a wrong response may be cut off, by the token limit or a loop
  uint64_t seed = 1;
  bool length_in_bytes = false;  // else in tokens
};

struct PairChoice {
  size_t chosen, rejected;  // indices into the candidates
};

struct PairChoices {
  // The first pair of every problem before any second, problems in a seeded order.
  std::vector<PairChoice> pairs;
  // Of each candidate, in the order in which they were made; the last of one in a pair is kept.
  std::vector<std::vector<Decision>> decisions;
};

// Both sides finished and well-formed, but for unfinished_rejected. A problem's right and wrong
// responses are ranked; its pairs are best against best, second against second and so on, around
// where one side has fewer: every response is in a pair before one is in a second, and no pair
// comes twice.
PairChoices choose_pairs(std::span<const Candidate> candidates, const PairOptions& options);

// Whether it can be on a side at all.
bool may_be_paired(const Candidate& candidate, const PairOptions& options);

// Of those problems, the ones that are held out: a share of them in a seeded order, at least one of
// each part where there are two. In order of their ids.
std::vector<std::string> held_out_problems(std::vector<std::string> problem_ids, double share,
                                           uint64_t seed);

}  // namespace ponder::pipeline
