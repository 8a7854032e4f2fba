// Two functions that are given piece by piece.
#pragma once

#include <functional>

#include "judge/equal/comparison.h"
#include "judge/read/evaluate.h"

namespace ponder::judge {

// Of two kCases: equal where their pieces are, in any order, values and conditions alike (by `match`);
// different at a point where both certainly have a value and not the same one; else unknown, as
// where one says "otherwise" and the other says when.
Comparison compare_cases(View gold, View prediction, const std::function<Match(View, View)>& match,
                         Budget& budget);

}  // namespace ponder::judge
