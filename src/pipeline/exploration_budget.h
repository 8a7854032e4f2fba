// Where a budget of rollouts is spent: on the problems of which a sample that is still missing, a right
// or a wrong one, is likeliest next, for the tokens it takes. Pure functions.
//
// Exploration goes in waves: each gives one more sample to some problems, chosen by what all samples
// before it were. So which samples are made is a function of the samples alone; batch size, threads
// and restarts change nothing, and a larger budget begins as the smaller one did.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ponder::pipeline {

// Of a problem's samples so far. Those that are neither right nor wrong do not count for "enough".
struct ProblemTally {
  int64_t samples = 0, right = 0, wrong = 0;
  int64_t tokens = 0;           // of all of them
  int64_t expected_tokens = 0;  // of one, from an attempt before; 0: not known
};

struct BudgetRule {
  int64_t max_samples = 1;  // of a problem
  int64_t enough_right = 2, enough_wrong = 2;
  int64_t budget_samples = 0, budget_tokens = 0;  // in all; 0: no limit
  int64_t wave = 64;                              // problems of a wave, at most
};

// The chance that a problem's next sample is right, and that it is wrong: posterior means, with a prior
// of two samples' weight at the shares of all problems' samples.
struct Chances {
  double right = 0, wrong = 0;
};
std::vector<Chances> chances_of(std::span<const ProblemTally> problems);

// Indices of the problems of the next wave, best first (equal ones in their order); none when every
// problem has enough or all its samples, or the budget is spent. Of tokens as many as the wave is
// expected to take are left, by the mean length of the problem's samples (of all, where it has none).
// The value of a sample: the chance that it is of a kind the problem has none of yet, and half the
// chance that it is of one it has too few of, for each token it is expected to take.
std::vector<size_t> next_wave(std::span<const ProblemTally> problems, const BudgetRule& rule);

}  // namespace ponder::pipeline
