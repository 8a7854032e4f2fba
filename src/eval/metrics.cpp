#include "eval/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/philox.h"

namespace ponder::eval {
namespace {

constexpr double kZ95 = 1.959963984540054;  // the 97.5 % point of the standard normal
constexpr int kPermutations = 20000;

// Two-sided exact test of b successes against c with even odds, log-binomials for large counts.
double mcnemar_exact(int64_t b, int64_t c) {
  const double n = static_cast<double>(b + c);
  double tail = 0;
  for (int64_t i = 0; i <= std::min(b, c); ++i) {
    const double k = static_cast<double>(i);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) -
                     n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

// Share of random sign patterns whose sum is as far from zero as the one seen, the seen one
// included.
double sign_flip(std::span<const double> differences, uint64_t seed) {
  const Random random(seed, stable_hash64("sign-flip permutation"));
  double seen = 0;
  for (const double d : differences) seen += d;
  const double threshold = std::abs(seen) - 1e-9;  // sums in another order differ by rounding
  int64_t extreme = 1;
  uint64_t index = 0;
  for (int permutation = 0; permutation < kPermutations; ++permutation) {
    double sum = 0;
    uint64_t bits = 0;
    for (size_t i = 0; i < differences.size(); ++i, bits >>= 1) {
      if (i % 64 == 0) bits = random.bits(index++);
      sum += bits & 1 ? differences[i] : -differences[i];
    }
    extreme += std::abs(sum) >= threshold;
  }
  return static_cast<double>(extreme) / (kPermutations + 1);
}

// Bonett and Price (2012), Adjusted Wald confidence interval for a difference of binomial
// proportions based on paired data.
Interval paired_interval(std::span<const double> differences) {
  const double n = static_cast<double>(differences.size()) + 2;
  double sum = 0, squares = 2;  // of the pseudo-observations +1 and -1
  for (const double d : differences) {
    sum += d;
    squares += d * d;
  }
  const double mean = sum / n;
  const double half = kZ95 * std::sqrt(std::max(0.0, squares / n - mean * mean) / n);
  return {std::max(-1.0, mean - half), std::min(1.0, mean + half)};
}

}  // namespace

Interval wilson_interval(double p, double n) {
  if (n <= 0) return {0, 1};
  const double z2 = kZ95 * kZ95;
  const double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kZ95 / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  // At the ends the formula's exact value is the end itself, which rounding would miss.
  return {p <= 0 ? 0 : std::max(0.0, centre - half), p >= 1 ? 1 : std::min(1.0, centre + half)};
}

Accuracy accuracy_of(std::span<const double> shares, double samples_per_problem) {
  Accuracy accuracy;
  const double n = static_cast<double>(shares.size());
  if (shares.empty()) return accuracy;
  for (const double share : shares) accuracy.mean += share;
  accuracy.mean /= n;
  double squares = 0;
  for (const double share : shares) squares += (share - accuracy.mean) * (share - accuracy.mean);
  const double spread = accuracy.mean * (1 - accuracy.mean);
  double effective = n;
  if (spread > 0) {
    const double all = n * std::max(1.0, samples_per_problem);
    effective = n > 1 && squares > 0 ? spread / (squares / (n - 1) / n) : all;
    effective = std::clamp(effective, n, all);
  }
  accuracy.effective_n = effective;
  accuracy.interval_95 = wilson_interval(accuracy.mean, effective);
  return accuracy;
}

double pass_at_k(int n, int c, int k) {
  if (k < 1 || k > n || c < 0 || c > n) {
    throw Error("pass@k",
                fmt::format("needs 1 <= k <= n and 0 <= c <= n, found n {}, c {}, k {}", n, c, k));
  }
  if (n - c < k) return 1;
  double none = 1;  // C(n - c, k) / C(n, k) = product of (n - c - i) / (n - i)
  for (int i = 0; i < k; ++i) none *= static_cast<double>(n - c - i) / (n - i);
  return 1 - none;
}

int majority_vote(std::span<const std::string> answers, const judge::JudgeOptions& options) {
  struct Group {
    int first;
    int votes;
  };
  std::vector<Group> groups;
  const auto equal = [&](const std::string& a, const std::string& b) {
    return a == b || judge::judge_answer(a, b, options).verdict == judge::Verdict::kCorrect ||
           judge::judge_answer(b, a, options).verdict == judge::Verdict::kCorrect;
  };
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].empty()) continue;
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return equal(answers[static_cast<size_t>(g.first)], answers[i]);
    });
    if (group == groups.end()) {
      groups.push_back({static_cast<int>(i), 1});
    } else {
      ++group->votes;
    }
  }
  const auto best =
      std::max_element(groups.begin(), groups.end(),
                       [](const Group& a, const Group& b) { return a.votes < b.votes; });
  return best == groups.end() ? -1 : best->first;
}

Comparison compare_paired(std::span<const double> a, std::span<const double> b, uint64_t seed) {
  if (a.size() != b.size() || a.empty()) {
    throw Error("comparison", fmt::format("needs the same problems of both models, found {} and {}",
                                          a.size(), b.size()));
  }
  Comparison comparison;
  comparison.n = static_cast<int64_t>(a.size());
  std::vector<double> differences(a.size());
  bool binary = true;
  for (size_t i = 0; i < a.size(); ++i) {
    differences[i] = b[i] - a[i];
    comparison.difference += differences[i];
    comparison.a_only += differences[i] < 0;
    comparison.b_only += differences[i] > 0;
    for (const double share : {a[i], b[i]}) binary = binary && (share == 0 || share == 1);
  }
  comparison.difference /= static_cast<double>(a.size());
  comparison.interval_95 = paired_interval(differences);
  comparison.method = binary ? "McNemar exact" : "sign-flip permutation";
  comparison.p_value =
      binary ? mcnemar_exact(comparison.a_only, comparison.b_only) : sign_flip(differences, seed);
  comparison.distinguishable = comparison.p_value < 0.05;
  return comparison;
}

double detectable_where_nothing_varies(double n) {
  constexpr double kZ80 = 0.8416212335729143;  // the 80 % point of the standard normal
  return n > 0 ? std::min(1.0, (kZ95 + kZ80) * (kZ95 + kZ80) / n) : 1;
}

std::string describe(const Comparison& c, std::string_view a, std::string_view b) {
  return fmt::format(
      "{} is {:.1f} points {} than {} (95 % interval {:+.1f} to {:+.1f}, n {}, {} p {:.2g}): they "
      "{} "
      "be told apart",
      b, std::abs(100 * c.difference), c.difference < 0 ? "worse" : "better", a,
      100 * c.interval_95.low, 100 * c.interval_95.high, c.n, c.method, c.p_value,
      c.distinguishable ? "can" : "cannot");
}

}  // namespace ponder::eval
