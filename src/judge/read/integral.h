// Definite integrals that a closed form gives: polynomials, and powers, roots, exponentials, sines
// and cosines of what is linear in the variable, their sums and multiples.
#pragma once

#include <optional>

#include "judge/read/evaluate.h"

namespace ponder::judge {

// The value of a kIntegral where other names take seeded values of test point `point`. Nothing for
// other integrands and bounds, and where the integrand may be infinite between them.
std::optional<Complex> approximate_integral(View integral, int point, Budget& budget);

}  // namespace ponder::judge
