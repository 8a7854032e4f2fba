// Two numbers or formulas: equal, different or not to be decided.
#pragma once

#include <optional>

#include "judge/equal/comparison.h"
#include "judge/read/evaluate.h"

namespace ponder::judge {

struct ScalarRules {
  std::optional<double> tolerance;  // relative, where asked for
  bool outermost = true;            // percent signs and decimals are only lenient in a whole answer
};

// The largest number that the expression holds, at least 1 and below a million: wide test points lie
// as far out.
double reach_of(const Expression& expression);

Comparison compare_scalars(View gold, View prediction, const ScalarRules& rules, Budget& budget);

// Is a - b a fixed multiple of c - d at all test points, and of which sign? For equations and
// inequalities.
struct Proportion {
  Match match = Match::kUnknown;
  int sign = 0;
};
Proportion proportional(View a, View b, View c, View d, Budget& budget);

}  // namespace ponder::judge
