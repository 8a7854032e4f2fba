// Families of answers with a whole parameter: n\pi with n in Z, 3k + 1 with k in N.
#pragma once

#include <optional>

#include "judge/expression.h"

namespace ponder::judge {

// Does a list end in such a condition?
bool has_parameter(const Expression& expression);

// A copy without the condition, nothing where there is none. With `renamed` the parameter has one
// fixed name, for comparison with another family.
std::optional<Expression> without_parameter(const Expression& expression, bool renamed);

}  // namespace ponder::judge
