// The unit of a whole answer, and the answer in another unit.
#pragma once

#include <optional>

#include "judge/read/expression.h"
#include "judge/read/units.h"

namespace ponder::judge {

// The answer's own unit, or the one that letters after its number are: 10 m, 3 m/s.
struct Measured {
  std::optional<Unit> unit;
  int value = -1;  // the node without its unit letters
};

Measured measured(const Expression& expression);

// `measured` as an amount of `unit`: a copy whose root is the value times the factor between both.
// Nothing where the copy would be too large.
std::optional<Expression> converted(const Expression& expression, const Measured& measured,
                                    const Unit& unit);

}  // namespace ponder::judge
