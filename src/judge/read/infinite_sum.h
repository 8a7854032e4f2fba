// Sums to infinity that a closed form gives: a polynomial times powers, \sum_{k=0}^\infty k / 2^k.
#pragma once

#include <optional>

#include "judge/read/evaluate.h"

namespace ponder::judge {

bool is_infinite_sum(View sum);  // of a kSum: its last index is infinity

// With terms p(k) r^k, p of degree at most 4 and |r| < 1, or sums of such terms; approximately c / k^s
// from 1 on with s = 2, 4, ... 10 too. Nothing for other terms and where the sum does not converge.
std::optional<Rational> exact_infinite_sum(View sum, Budget& budget);
std::optional<Complex> approximate_infinite_sum(View sum, int point, Budget& budget);

}  // namespace ponder::judge
