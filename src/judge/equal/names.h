// Names that may be chosen freely.
#pragma once

#include <optional>

#include "judge/read/expression.h"

namespace ponder::judge {

// The prediction with gold's name for a constant of integration or for the argument of a function,
// where the two differ in that alone; else nothing.
std::optional<Expression> with_names_of(const Expression& gold, const Expression& prediction);

}  // namespace ponder::judge
