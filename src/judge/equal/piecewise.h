// Two functions that are given piece by piece.
#pragma once

#include <functional>

#include "judge/equal/comparison.h"
#include "judge/read/evaluate.h"

namespace ponder::judge {

// Of two kCases: equal where their pieces are, in any order, values and conditions alike (by `match`);
// else by compare_at_places.
Comparison compare_cases(View gold, View prediction, const std::function<Match(View, View)>& match,
                         Budget& budget);

// Of a kCases and another or a formula, as |x|: different at a point where both certainly have a value
// and not the same one; equal where they hold one name, have a value at every place tried (the
// borders of the pieces, 12 steps to either side of each, some far ones) and the same one, and no
// piece is narrower than 1/2; else unknown.
Comparison compare_at_places(View gold, View prediction, Budget& budget);

}  // namespace ponder::judge
