#include "pipeline/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/philox.h"

namespace ponder::pipeline {
namespace {

constexpr std::pair<Strategy, std::string_view> kStrategies[] = {
    {Strategy::kLongest, "longest"},
    {Strategy::kShortest, "shortest"},
    {Strategy::kHighestPerplexity, "highest-perplexity"},
    {Strategy::kLowestPerplexity, "lowest-perplexity"},
    {Strategy::kRandom, "random"},
};

int64_t length_of(const Candidate& c, const SelectionOptions& options) {
  return options.length_in_bytes ? c.num_bytes : c.num_tokens;
}

// Lower comes first.
double strategy_key(const Candidate& c, const SelectionOptions& options) {
  switch (options.strategy) {
    case Strategy::kLongest:
      return -static_cast<double>(length_of(c, options));
    case Strategy::kShortest:
      return static_cast<double>(length_of(c, options));
    case Strategy::kHighestPerplexity:
      return -c.perplexity;
    case Strategy::kLowestPerplexity:
      return c.perplexity;
    case Strategy::kRandom:
      // A stream of its own: the problem's own hash draws the tokens of its rollouts.
      return Random(options.seed, stable_hash64("random selection\n" + c.problem_id))
          .uniform(static_cast<uint64_t>(c.sample));
  }
  return 0;
}

double problem_order(const std::string& problem_id, uint64_t seed) {
  return Random(seed, stable_hash64("problem order")).uniform(stable_hash64(problem_id));
}

}  // namespace

std::optional<Strategy> strategy_from_string(std::string_view text) {
  for (const auto& [strategy, name] : kStrategies) {
    if (name == text) return strategy;
  }
  return std::nullopt;
}

std::string_view to_string(Strategy strategy) {
  for (const auto& [value, name] : kStrategies) {
    if (value == strategy) return name;
  }
  return "";
}

std::string strategy_names() {
  std::string names;
  for (const auto& [strategy, name] : kStrategies)
    names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

bool selected(std::span<const Decision> decisions) {
  return !decisions.empty() && decisions.back().kept;
}

std::vector<std::vector<Decision>> select(std::span<const Candidate> candidates,
                                          const SelectionOptions& options) {
  std::vector<std::vector<Decision>> decisions(candidates.size());
  std::map<std::string, std::vector<size_t>> left;  // by problem
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& c = candidates[i];
    const auto rule = [&](const char* name, bool kept, std::string_view detail) {
      decisions[i].push_back({name, kept, 0, std::string(detail)});
      return kept;
    };
    if (rule("finished", c.finish_reason == data::FinishReason::kStop,
             data::to_string(c.finish_reason)) &&
        rule("correct", c.verdict == judge::Verdict::kCorrect, judge::to_string(c.verdict)) &&
        rule("well_formed", c.well_formed,
             c.well_formed ? "thought and solution" : "tags missing or out of order")) {
      left[c.problem_id].push_back(i);
    }
  }
  const std::string name(to_string(options.strategy));
  std::vector<size_t> kept;
  for (auto& [problem, indices] : left) {
    std::sort(indices.begin(), indices.end(), [&](size_t a, size_t b) {
      return std::tuple(strategy_key(candidates[a], options), candidates[a].sample,
                        candidates[a].id) < std::tuple(strategy_key(candidates[b], options),
                                                       candidates[b].sample, candidates[b].id);
    });
    for (size_t r = 0; r < indices.size(); ++r) {
      const Candidate& c = candidates[indices[r]];
      const bool take = static_cast<int64_t>(r) < options.per_problem;
      decisions[indices[r]].push_back(
          {name, take, static_cast<int>(r) + 1,
           fmt::format("{} {}, perplexity {}", length_of(c, options),
                       options.length_in_bytes ? "bytes" : "tokens",
                       c.perplexity > 0 ? fmt::format("{:.4f}", c.perplexity) : "unknown")});
      if (take) kept.push_back(indices[r]);
    }
  }
  if (options.max_rows > 0) {
    std::sort(kept.begin(), kept.end(), [&](size_t a, size_t b) {
      const auto key = [&](size_t i) {
        return std::tuple(decisions[i].back().rank,
                          problem_order(candidates[i].problem_id, options.seed),
                          candidates[i].problem_id);
      };
      return key(a) < key(b);
    });
    for (size_t i = 0; i < kept.size(); ++i) {
      decisions[kept[i]].push_back(
          {"max_rows", static_cast<int64_t>(i) < options.max_rows, 0,
           fmt::format("place {} of at most {}", i + 1, options.max_rows)});
    }
  }
  return decisions;
}

std::vector<PairChoice> choose_pairs(std::span<const Candidate> candidates, int64_t max_pairs,
                                     uint64_t seed) {
  struct Best {
    std::optional<size_t> chosen, rejected;
  };
  std::map<std::string, Best> best;
  const auto better = [&](size_t a, size_t b, double sign) {
    return std::tuple(sign * candidates[a].perplexity, candidates[a].sample) <
           std::tuple(sign * candidates[b].perplexity, candidates[b].sample);
  };
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& c = candidates[i];
    Best& b = best[c.problem_id];
    if (!c.well_formed || c.finish_reason != data::FinishReason::kStop) continue;
    if (c.verdict == judge::Verdict::kCorrect && (!b.chosen || better(i, *b.chosen, -1)))
      b.chosen = i;
    if (c.verdict == judge::Verdict::kIncorrect && (!b.rejected || better(i, *b.rejected, 1)))
      b.rejected = i;
  }
  std::vector<std::pair<double, PairChoice>> pairs;
  for (const auto& [problem, b] : best) {
    if (b.chosen && b.rejected)
      pairs.push_back({problem_order(problem, seed), {*b.chosen, *b.rejected}});
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (max_pairs > 0 && static_cast<int64_t>(pairs.size()) > max_pairs)
    pairs.resize(static_cast<size_t>(max_pairs));
  std::vector<PairChoice> choices;
  for (const auto& [order, choice] : pairs) choices.push_back(choice);
  return choices;
}

}  // namespace ponder::pipeline
