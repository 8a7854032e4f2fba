// Limits that are certain: by continuity, or by the power series of both sides of a fraction, with
// exact rational coefficients.
#pragma once

#include <optional>

#include "judge/read/evaluate.h"

namespace ponder::judge {

// The value of a kLimit where other names take seeded values of test point `point`. Nothing where it
// is infinite, does not exist, or follows from neither.
std::optional<Complex> approximate_limit(View limit, int point, Budget& budget);

}  // namespace ponder::judge
