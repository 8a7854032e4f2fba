// Which rollouts enter the training set: rule filters first, then a named strategy that ranks what
// is left within each problem. Pure functions, so strategies can be compared without a model.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/rows.h"

namespace ponder::pipeline {

enum class Strategy { kLongest, kShortest, kHighestPerplexity, kLowestPerplexity, kRandom };
inline constexpr Strategy kAllStrategies[] = {Strategy::kLongest, Strategy::kShortest,
                                              Strategy::kHighestPerplexity,
                                              Strategy::kLowestPerplexity, Strategy::kRandom};
std::optional<Strategy> strategy_from_string(
    std::string_view text);  // "longest", "shortest", "highest-perplexity", …
std::string_view to_string(Strategy strategy);
std::string strategy_names();  // joined by ", "
// The one that `name` was likely meant to be, or all of them: for messages.
std::string strategy_advice(std::string_view name);

// What selection looks at.
struct Candidate {
  int64_t id = 0;  // of the rollout in the pool
  std::string problem_id;
  int sample = 0;
  judge::Verdict verdict = judge::Verdict::kUndecided;
  data::FinishReason finish_reason = data::FinishReason::kStop;
  bool well_formed = false;  // thought and solution tags without fault
  int64_t num_tokens = 0;    // 0: not known, of one made elsewhere
  int64_t num_bytes = 0;     // of its text
  double perplexity = 0;     // at least 1; 0: not known
  std::string domain = {};   // of its problem
  // Whether an independent check found its thought true, where one can: it has no say in what is
  // selected.
  std::optional<bool> true_thought = {};
  tensor::Precision perplexity_precision = tensor::Precision::kF32;  // in which it was computed
};

struct Decision {
  // "finished", "correct", "well_formed", "agreement", "length_band", "perplexity_band", the
  // strategy's name, "per_domain", "max_rows"
  std::string filter;
  bool kept = false;
  int rank = 0;  // by the strategy: 1 = best of its problem; 0 for the rules
  std::string detail;
};

// From one quantile to another.
struct Band {
  double low = 0, high = 1;
  bool is_all() const { return low <= 0 && high >= 1; }
};

// For each candidate, the decisions in the order they were made; a candidate is selected when its
// last is kept. The rules; problems with at least `agreement` right ones; the bands, both of the
// quantiles of all that is left then: what lies in both is kept; the per_problem best of each
// problem; then, where they are above 0, at most per_domain rows of a domain and max_rows in all, best
// ranks first, spread over problems in a seeded order. The result depends on the set of candidates
// only, not on their order in `candidates`.
//
// The quantile p of n values is the one at place round(p (n - 1)), from 0, of the sorted ones.
struct SelectionOptions {
  Strategy strategy = Strategy::kLongest;
  int64_t per_problem = 1;
  int64_t max_rows = 0;
  uint64_t seed = 1;
  bool length_in_bytes = false;  // else in tokens
  int64_t agreement = 0;
  Band length_band = {}, perplexity_band = {};
  int64_t per_domain = 0;
};
std::vector<std::vector<Decision>> select(std::span<const Candidate> candidates,
                                          const SelectionOptions& options);
bool selected(std::span<const Decision> decisions);
// What the first rules ask of each by itself: finished, right and well formed.
bool passes_rules(const Candidate& candidate);
// Whether the strategy or a band reads perplexities.
bool asks_perplexity(const SelectionOptions& options);
inline bool asks_perplexity(Strategy strategy) {
  return strategy == Strategy::kHighestPerplexity || strategy == Strategy::kLowestPerplexity;
}
// How many each filter took, by its name; "correct 12, length_band 40".
std::map<std::string, int64_t> dropped_by(const std::vector<std::vector<Decision>>& decisions);
std::string dropped_text(const std::map<std::string, int64_t>& dropped);

// Of the thoughts that could be checked, how many are true; of right candidates and of the selected.
struct ThoughtShare {
  int64_t checked = 0, is_true = 0;
  void add(const std::optional<bool>& true_thought) {
    checked += true_thought.has_value();
    is_true += true_thought.value_or(false);
  }
};
ThoughtShare true_thoughts_of_right(std::span<const Candidate> candidates);
ThoughtShare true_thoughts_of_selected(std::span<const Candidate> candidates,
                                       const std::vector<std::vector<Decision>>& decisions);

// What a strategy orders by, lower first; equal keys by sample, then id.
double strategy_key(const Candidate& candidate, Strategy strategy, uint64_t seed,
                    bool length_in_bytes);
// The seeded order of problems: lower first.
double problem_order(const std::string& problem_id, uint64_t seed);
// "119 tokens, perplexity 1.2345", of what is known.
std::string measures_of(const Candidate& candidate, bool length_in_bytes);

}  // namespace ponder::pipeline
