// Sets of real numbers as disjoint intervals in order: unions that overlap, intersections,
// differences, inequalities and |x - a| < b come to one form.
#pragma once

#include <optional>
#include <vector>

#include "judge/read/shape.h"

namespace ponder::judge {

struct SetEnd {
  Complex value;     // real
  int infinite = 0;  // -1, 0, +1
  bool closed = false;
};

struct RealInterval {
  SetEnd low, high;
};

// Disjoint, in order, none empty; two that touch in a point which one of them holds are one.
// Nothing where `view` is no set of numbers, or its ends cannot be told apart.
std::optional<std::vector<RealInterval>> intervals_of(View view, Budget& budget);

// The same intervals; nothing where an end cannot be told from another.
std::optional<bool> same_intervals(const std::vector<RealInterval>& a,
                                   const std::vector<RealInterval>& b);

}  // namespace ponder::judge
