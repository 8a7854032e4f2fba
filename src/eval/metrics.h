// Statistics of verdicts: accuracy with its interval, pass@k, maj@k, and whether two models can be
// told apart. Pure functions. An undecided verdict counts as not correct everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/rows.h"

namespace ponder::eval {

struct Interval {
  double low = 0, high = 1;
};

// Wilson's 95 % score interval (E. B. Wilson, JASA 1927) of a share `p` seen in `n` trials; n may
// be fractional (an effective number). [0, 1] for n = 0.
Interval wilson_interval(double p, double n);

// Mean over problems of the share of correct samples, with Wilson's interval. Samples of one
// problem are not independent, so with several of them the interval is Wilson's at the effective
// number of trials: p (1 - p) over the squared standard error of the problems' means, kept within
// [problems, samples]. With one sample each it is Wilson's own.
struct Accuracy {
  double mean = 0;
  Interval interval_95;
  double effective_n = 0;
};
Accuracy accuracy_of(std::span<const double> share_correct_per_problem, double samples_per_problem);

// The unbiased estimate of the chance that at least one of k samples is correct, given c correct of
// n (Chen et al., arXiv 2107.03374): 1 - C(n - c, k) / C(n, k). Requires 1 <= k <= n.
double pass_at_k(int n, int c, int k);

// Majority vote. Answers are equal when the judge says so (either way round); an empty answer has
// no vote; the largest group wins, the earlier one of equals. Returns the index of the winning
// group's first answer, or -1 without any answer.
int majority_vote(std::span<const std::string> answers, const judge::JudgeOptions& options);

// Two models on the same problems; per problem the share of correct samples of each.
struct Comparison {
  int64_t n = 0;
  double difference = 0;  // b - a
  Interval interval_95;   // of the difference: Bonett and Price's adjusted Wald interval for paired
                          // proportions (two pseudo-observations, +1 and -1), kept within [-1, 1]
  int64_t a_only = 0, b_only = 0;  // problems one does better than the other
  double p_value = 1;              // two-sided
  std::string method;  // "McNemar exact" where all shares are 0 or 1; else "sign-flip permutation",
                       // 20,000 draws
  bool distinguishable = false;  // p < 0.05
};
Comparison compare_paired(std::span<const double> a, std::span<const double> b, uint64_t seed = 1);
// The difference of so many problems that would be seen four times in five, where none of them differs: a
// share d of them that differ has a standard error of √(d / n) or more.
double detectable_where_nothing_varies(double n);
// "B is 3.2 points better than A (95 % interval 0.4 to 6.0, n 500, McNemar exact p 0.02): they can
// be told apart."
std::string describe(const Comparison& comparison, std::string_view a, std::string_view b);

}  // namespace ponder::eval
