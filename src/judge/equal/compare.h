// Are two read answers the same? Rules, not heuristics on text: numbers exactly or in 60 digits,
// formulas at seeded points, lists in any order, tuples in order, intervals by their ends and
// brackets, relations up to a factor.
#pragma once

#include "judge/equal/comparison.h"
#include "judge/read/evaluate.h"
#include "judge/read/expression.h"

namespace ponder::judge {

Comparison compare_answers(const Expression& gold, const Expression& prediction,
                           const CompareRules& rules, Budget& budget);

}  // namespace ponder::judge
