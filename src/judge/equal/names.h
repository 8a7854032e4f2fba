// Names that may be chosen freely.
#pragma once

#include <optional>
#include <vector>

#include "judge/read/expression.h"

namespace ponder::judge {

// The prediction with gold's name for a constant of integration or for the argument of a function,
// where the two differ in that alone; else nothing.
std::optional<Expression> with_names_of(const Expression& gold, const Expression& prediction);

// The prediction with its constants called as gold calls them, in every order: y = A e^x + B e^{-x}
// for y = C_1 e^x + C_2 e^{-x}. Empty where the names that only one side has are no constants, more
// than three, or not as many.
std::vector<Expression> with_other_constants(const Expression& gold, const Expression& prediction);

}  // namespace ponder::judge
