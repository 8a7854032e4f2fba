// Families of answers with a whole parameter: n\pi with n in Z, 3k + 1 with k in N, \pi/6 + 2n\pi
// or 5\pi/6 + 2n\pi.
#pragma once

#include <optional>

#include "judge/equal/comparison.h"
#include "judge/read/evaluate.h"
#include "judge/read/expression.h"

namespace ponder::judge {

// Does a list or set hold such a condition?
bool has_parameter(const Expression& expression);

// Do both say the same of their parameters: as many in the same sets (Z, N, Q)?
bool same_domains(const Expression& gold, const Expression& prediction);

// May both be families though neither names a set: a congruence on one side, or formulas with
// parameters k and n, k and m (4k + 1, 4n - 3)?
bool may_be_families(const Expression& gold, const Expression& prediction);

// A copy without the conditions, nothing where there is none. With `renamed` the parameters have
// fixed names, for comparison with another family.
std::optional<Expression> without_parameter(const Expression& expression, bool renamed);

// Both as unions of arithmetic progressions over all whole numbers and of single values, compared
// as sets: a + bn is the same for -b, for a more by b, and as a + 2bn together with a + b + 2bn. A
// family in (-1)^n is the two of even and odd n. Where one side names no parameter, its one letter
// of k, l, m, n, ... is taken for one; `x \equiv 1 \pmod 4` is 1 + 4n. Nothing where a side is no
// such union, or its steps have no common multiple that is found.
std::optional<Comparison> compare_families(const Expression& gold, const Expression& prediction,
                                           Budget& budget);

}  // namespace ponder::judge
