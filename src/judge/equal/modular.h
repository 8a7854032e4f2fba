// Equality of rational functions (numbers, names, + - * / and whole powers) by their values modulo
// primes: exact where it says unequal, and wrong with probability below 1e-12 where it says equal.
#pragma once

#include <optional>

#include "judge/read/evaluate.h"

namespace ponder::judge {

// Both sides are evaluated at two seeded points, each modulo its own 61-bit prime that a hash of
// both answers chooses. Cleared of denominators the difference is a polynomial of degree d with
// whole coefficients of at most h bits in sum; both bounds are computed and must stay below 1e9. A
// residue other than 0 proves it is not zero. A non-zero one vanishes at a point with probability
// at most d / 2^60 (Schwartz, Zippel), or where the prime divides all its coefficients, at most h /
// 60 of the 2.7e16 primes: below 2e-9 for one point, 1e-17 for both. Nothing where a side is no
// such function, is too large, or has a zero denominator at every point.
std::optional<bool> equal_modulo_primes(View gold, View prediction, Budget& budget);

}  // namespace ponder::judge
