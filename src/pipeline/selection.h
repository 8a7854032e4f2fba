// Which rollouts enter the training set: rule filters first, then a named strategy that ranks what
// is left within each problem. Pure functions, so strategies can be compared without a model.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/rows.h"

namespace ponder::pipeline {

enum class Strategy { kLongest, kShortest, kHighestPerplexity, kLowestPerplexity, kRandom };
std::optional<Strategy> strategy_from_string(
    std::string_view text);  // "longest", "shortest", "highest-perplexity", …
std::string_view to_string(Strategy strategy);
std::string strategy_names();  // joined by ", "

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
};

struct Decision {
  std::string filter;  // "finished", "correct", "well_formed", the strategy's name, "max_rows"
  bool kept = false;
  int rank = 0;  // by the strategy: 1 = best of its problem; 0 for the rules
  std::string detail;
};

// For each candidate, the decisions in the order they were made; a candidate is selected when its
// last is kept. per_problem best of each problem; then, if max_rows > 0, at most that many in all,
// best ranks first, spread over problems in a seeded order. The result depends on the set of
// candidates only, not on their order in `candidates`.
struct SelectionOptions {
  Strategy strategy = Strategy::kLongest;
  int64_t per_problem = 1;
  int64_t max_rows = 0;
  uint64_t seed = 1;
  bool length_in_bytes = false;  // else in tokens
};
std::vector<std::vector<Decision>> select(std::span<const Candidate> candidates,
                                          const SelectionOptions& options);
bool selected(std::span<const Decision> decisions);

// DPO pairs: per problem, the correct candidate of highest perplexity against the incorrect one of
// lowest perplexity (ties: lower sample), both finished and well-formed. Indices into `candidates`,
// problems in a seeded order; at most max_pairs (0: all).
struct PairChoice {
  size_t chosen, rejected;
};
std::vector<PairChoice> choose_pairs(std::span<const Candidate> candidates, int64_t max_pairs,
                                     uint64_t seed);

}  // namespace ponder::pipeline
