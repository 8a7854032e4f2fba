#include "pipeline/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/error.h"
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

int64_t length_of(const Candidate& c, bool in_bytes) {
  return in_bytes ? c.num_bytes : c.num_tokens;
}

}  // namespace

double strategy_key(const Candidate& c, Strategy strategy, uint64_t seed, bool length_in_bytes) {
  switch (strategy) {
    case Strategy::kLongest:
      return -static_cast<double>(length_of(c, length_in_bytes));
    case Strategy::kShortest:
      return static_cast<double>(length_of(c, length_in_bytes));
    case Strategy::kHighestPerplexity:
      return -c.perplexity;
    case Strategy::kLowestPerplexity:
      return c.perplexity;
    case Strategy::kRandom:
      // A stream of its own: the problem's own hash draws the tokens of its rollouts.
      return Random(seed, stable_hash64("random selection\n" + c.problem_id))
          .uniform(static_cast<uint64_t>(c.sample));
  }
  return 0;
}

double problem_order(const std::string& problem_id, uint64_t seed) {
  return Random(seed, stable_hash64("problem order")).uniform(stable_hash64(problem_id));
}

std::string measures_of(const Candidate& c, bool length_in_bytes) {
  return fmt::format("{} {}, perplexity {}", length_of(c, length_in_bytes),
                     length_in_bytes ? "bytes" : "tokens",
                     c.perplexity > 0 ? fmt::format("{:.4f}", c.perplexity) : "unknown");
}

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

std::string strategy_advice(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& [strategy, known] : kStrategies) names.push_back(known);
  const std::string near = nearest(name, names.data(), names.size());
  return near.empty() ? "the strategies are " + strategy_names() : "did you mean " + near + "?";
}

bool passes_rules(const Candidate& c) {
  return c.finish_reason == data::FinishReason::kStop && c.verdict == judge::Verdict::kCorrect &&
         c.well_formed;
}

bool asks_perplexity(const SelectionOptions& options) {
  return asks_perplexity(options.strategy) || !options.perplexity_band.is_all();
}

bool selected(std::span<const Decision> decisions) {
  return !decisions.empty() && decisions.back().kept;
}

namespace {

using Decisions = std::vector<std::vector<Decision>>;

// Rules that look at one rollout alone: passes_rules, rule by rule.
bool decide_rules(const Candidate& c, std::vector<Decision>& decisions) {
  const auto rule = [&](const char* name, bool kept, std::string_view detail) {
    decisions.push_back({name, kept, 0, std::string(detail)});
    return kept;
  };
  return rule("finished", c.finish_reason == data::FinishReason::kStop,
              data::to_string(c.finish_reason)) &&
         rule("correct", c.verdict == judge::Verdict::kCorrect, judge::to_string(c.verdict)) &&
         rule("well_formed", c.well_formed,
              c.well_formed ? "thought and solution" : "tags missing or out of order");
}

// Leaves those of problems with at least so many.
void require_agreement(std::span<const Candidate> candidates, int64_t least,
                       std::vector<size_t>& left, Decisions& decisions) {
  if (least == 0) return;
  std::map<std::string_view, int64_t> right;
  for (const size_t i : left) ++right[candidates[i].problem_id];
  std::erase_if(left, [&](size_t i) {
    const int64_t count = right.at(candidates[i].problem_id);
    decisions[i].push_back(
        {"agreement", count >= least, 0,
         fmt::format("{} right ones of its problem, at least {}", count, least)});
    return count < least;
  });
}

// A band and the values at its ends.
struct Bounds {
  const char* name;
  Band band;
  double low = 0, high = 0;

  Bounds(const char* name_, Band band_, std::vector<double> values) : name(name_), band(band_) {
    if (values.empty()) return;
    std::sort(values.begin(), values.end());
    const auto at = [&](double p) {
      return values[static_cast<size_t>(std::lround(p * static_cast<double>(values.size() - 1)))];
    };
    low = at(band.low);
    high = at(band.high);
  }
  bool decide(double value, std::vector<Decision>& decisions) const {
    if (band.is_all()) return true;
    const bool kept = value >= low && value <= high;
    decisions.push_back({name, kept, 0,
                         fmt::format("{:.6g}, the quantiles {:g} to {:g} are {:.6g} to {:.6g}",
                                     value, band.low, band.high, low, high)});
    return kept;
  }
};

void keep_bands(std::span<const Candidate> candidates, const SelectionOptions& options,
                std::vector<size_t>& left, Decisions& decisions) {
  std::vector<double> lengths, perplexities;
  for (const size_t i : left) {
    lengths.push_back(static_cast<double>(length_of(candidates[i], options.length_in_bytes)));
    perplexities.push_back(candidates[i].perplexity);
  }
  const Bounds length("length_band", options.length_band, std::move(lengths)),
      perplexity("perplexity_band", options.perplexity_band, std::move(perplexities));
  std::erase_if(left, [&](size_t i) {
    const Candidate& c = candidates[i];
    return !length.decide(static_cast<double>(length_of(c, options.length_in_bytes)),
                          decisions[i]) ||
           !perplexity.decide(c.perplexity, decisions[i]);
  });
}

// The best of every problem, by the strategy.
void keep_best(std::span<const Candidate> candidates, const SelectionOptions& options,
               std::vector<size_t>& left, Decisions& decisions) {
  std::map<std::string, std::vector<size_t>> by_problem;
  for (const size_t i : left) by_problem[candidates[i].problem_id].push_back(i);
  left.clear();
  for (auto& [problem, indices] : by_problem) {
    std::sort(indices.begin(), indices.end(), [&](size_t a, size_t b) {
      const auto key = [&](size_t i) {
        const Candidate& c = candidates[i];
        return std::tuple(strategy_key(c, options.strategy, options.seed, options.length_in_bytes),
                          c.sample, c.id);
      };
      return key(a) < key(b);
    });
    for (size_t r = 0; r < indices.size(); ++r) {
      const bool take = static_cast<int64_t>(r) < options.per_problem;
      decisions[indices[r]].push_back(
          {std::string(to_string(options.strategy)), take, static_cast<int>(r) + 1,
           measures_of(candidates[indices[r]], options.length_in_bytes)});
      if (take) left.push_back(indices[r]);
    }
  }
}

// At most so many of each part, best ranks first.
template <class PartOf>
void keep_at_most(int64_t most, const char* name, const PartOf& part_of, std::vector<size_t>& left,
                  Decisions& decisions) {
  if (most == 0) return;
  std::map<std::string, int64_t> taken;
  std::erase_if(left, [&](size_t i) {
    const int64_t place = ++taken[part_of(i)];
    decisions[i].push_back(
        {name, place <= most, 0, fmt::format("place {} of at most {}", place, most)});
    return place > most;
  });
}

}  // namespace

std::vector<std::vector<Decision>> select(std::span<const Candidate> candidates,
                                          const SelectionOptions& options) {
  Decisions decisions(candidates.size());
  std::vector<size_t> left;
  for (size_t i = 0; i < candidates.size(); ++i)
    if (decide_rules(candidates[i], decisions[i])) left.push_back(i);
  require_agreement(candidates, options.agreement, left, decisions);
  keep_bands(candidates, options, left, decisions);
  keep_best(candidates, options, left, decisions);
  const auto order = [&](size_t i) {
    return std::tuple(decisions[i].back().rank,
                      problem_order(candidates[i].problem_id, options.seed),
                      candidates[i].problem_id);
  };
  std::sort(left.begin(), left.end(), [&](size_t a, size_t b) { return order(a) < order(b); });
  keep_at_most(
      options.per_domain, "per_domain", [&](size_t i) { return candidates[i].domain; }, left,
      decisions);
  keep_at_most(
      options.max_rows, "max_rows", [](size_t) { return std::string(); }, left, decisions);
  return decisions;
}

std::map<std::string, int64_t> dropped_by(const Decisions& decisions) {
  std::map<std::string, int64_t> dropped;
  for (const std::vector<Decision>& own : decisions)
    if (!selected(own) && !own.empty()) ++dropped[own.back().filter];
  return dropped;
}

std::string dropped_text(const std::map<std::string, int64_t>& dropped) {
  std::string text;
  for (const auto& [filter, count] : dropped)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", filter, count);
  return text;
}

ThoughtShare true_thoughts_of_right(std::span<const Candidate> candidates) {
  ThoughtShare share;
  for (const Candidate& c : candidates)
    if (c.verdict == judge::Verdict::kCorrect) share.add(c.true_thought);
  return share;
}

ThoughtShare true_thoughts_of_selected(std::span<const Candidate> candidates,
                                       const Decisions& decisions) {
  ThoughtShare share;
  for (size_t i = 0; i < candidates.size(); ++i)
    if (selected(decisions[i])) share.add(candidates[i].true_thought);
  return share;
}

}  // namespace ponder::pipeline
