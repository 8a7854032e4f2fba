// Equations and inequalities in names: the same solutions, or a solution of one that is none of the
// other.
#pragma once

#include <optional>

#include "judge/equal/comparison.h"
#include "judge/read/evaluate.h"

namespace ponder::judge {

// Two relations of two scalar sides each. Equal: the difference of the sides is a fixed multiple of
// the other's, or both have the same real roots in one of their names, wherever the other names were
// tried. Different: certainly, by a point that satisfies one of them alone. Else unknown.
Comparison compare_two_sided(View gold, View prediction, Budget& budget);

// x = 3 and x = 10 modulo 7; nothing where a side is no congruence of a name and numbers.
// An equation in one name and values: different where one of them is certainly no solution, else not
// to be decided (others may be missing, and an equation is hardly an answer where values are).
Comparison compare_with_solutions(View equation, const std::vector<View>& values, Budget& budget);

std::optional<Comparison> compare_congruences(View gold, View prediction, Budget& budget);

}  // namespace ponder::judge
