#include "pipeline/exploration_budget.h"

#include <algorithm>

namespace ponder::pipeline {
namespace {

constexpr double kPriorSamples = 2;

double number(int64_t n) { return static_cast<double>(n); }

ProblemTally sum_of(std::span<const ProblemTally> problems) {
  ProblemTally sum;
  for (const ProblemTally& p : problems) {
    sum.samples += p.samples;
    sum.right += p.right;
    sum.wrong += p.wrong;
    sum.tokens += p.tokens;
  }
  return sum;
}

// What its next sample takes: samples so far, with the attempt before them as another.
double expected_tokens(const ProblemTally& p, double mean) {
  const double before = p.expected_tokens > 0 ? number(p.expected_tokens) : mean;
  return (before + number(p.tokens)) / (1 + number(p.samples));
}

double worth(int64_t have, int64_t enough) { return have >= enough ? 0 : have == 0 ? 1 : 0.5; }

}  // namespace

std::vector<Chances> chances_of(std::span<const ProblemTally> problems) {
  const ProblemTally all = sum_of(problems);
  // One right and one wrong sample more than there are: neither share is ever 0.
  const double right = (number(all.right) + 1) / (number(all.samples) + 2);
  const double wrong = (number(all.wrong) + 1) / (number(all.samples) + 2);
  std::vector<Chances> chances;
  chances.reserve(problems.size());
  for (const ProblemTally& p : problems) {
    const double n = number(p.samples) + kPriorSamples;
    chances.push_back({(number(p.right) + kPriorSamples * right) / n,
                       (number(p.wrong) + kPriorSamples * wrong) / n});
  }
  return chances;
}

std::vector<size_t> next_wave(std::span<const ProblemTally> problems, const BudgetRule& rule) {
  const ProblemTally all = sum_of(problems);
  double attempts = 0, attempted = 0;
  for (const ProblemTally& p : problems) {
    attempts += p.expected_tokens > 0;
    attempted += number(p.expected_tokens);
  }
  const double mean = all.samples > 0 ? number(all.tokens) / number(all.samples)
                      : attempts > 0  ? attempted / attempts
                                      : 1;
  const std::vector<Chances> chances = chances_of(problems);
  struct Ranked {
    double value, tokens;
    size_t problem;
  };
  std::vector<Ranked> ranked;
  for (size_t i = 0; i < problems.size(); ++i) {
    const ProblemTally& p = problems[i];
    if (p.samples >= rule.max_samples) continue;
    const double gain = worth(p.right, rule.enough_right) * chances[i].right +
                        worth(p.wrong, rule.enough_wrong) * chances[i].wrong;
    if (gain <= 0) continue;
    const double tokens = std::max(1.0, expected_tokens(p, mean));
    ranked.push_back({gain / tokens, tokens, i});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.value > b.value; });
  std::vector<size_t> wave;
  double tokens = number(all.tokens);
  if (rule.budget_tokens > 0 && all.tokens >= rule.budget_tokens) return wave;
  for (const Ranked& next : ranked) {
    const auto size = static_cast<int64_t>(wave.size());
    if (size == rule.wave) break;
    if (rule.budget_samples > 0 && all.samples + size >= rule.budget_samples) break;
    tokens += next.tokens;
    const bool is_first = all.samples == 0 && wave.empty();
    if (rule.budget_tokens > 0 && tokens > number(rule.budget_tokens) && !is_first) break;
    wave.push_back(next.problem);
  }
  return wave;
}

}  // namespace ponder::pipeline
