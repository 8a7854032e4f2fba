// "1, 2, \ldots, 10" and "1 + 2 + \cdots + 100": progressions with the middle left out.
#pragma once

#include <optional>
#include <vector>

#include "judge/read/expression.h"

namespace ponder::judge {

inline constexpr size_t kMostTerms = 400;

// The terms of one arithmetic or, from three terms on, geometric progression whose first terms are
// `before` and whose last are `after`; nothing where they do not follow one rule.
std::optional<std::vector<Rational>> fill_progression(const std::vector<Rational>& before,
                                                      const std::vector<Rational>& after);

// What the terms add up to when they go on forever: at least three terms of one geometric
// progression that becomes smaller.
std::optional<Rational> sum_to_infinity(const std::vector<Rational>& before);

}  // namespace ponder::judge
