// Are two read answers the same? Rules, not heuristics on text: numbers exactly or in 60 digits,
// formulas at seeded points, lists in any order, tuples in order, intervals by their ends and
// brackets, relations up to a factor.
#pragma once

#include <optional>
#include <string>

#include "judge/evaluate.h"
#include "judge/expression.h"

namespace ponder::judge {

enum class Match { kEqual, kDifferent, kUnknown };

struct Comparison {
  Match match = Match::kUnknown;
  std::string rule;  // which rule decided, for the proof
};

struct CompareRules {
  std::optional<double> tolerance;  // relative, where asked for
  bool strict_units = false;        // both sides must name units of one dimension
  bool strict_order = false;        // lists are compared in order
};

Comparison compare_answers(const Expression& gold, const Expression& prediction,
                           const CompareRules& rules, Budget& budget);

}  // namespace ponder::judge
