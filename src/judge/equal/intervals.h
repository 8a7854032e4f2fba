// Sets of real numbers as intervals: [1, 2), x > 5, x \ne 1, unions of these, lists of relations.
#pragma once

#include <optional>
#include <vector>

#include "judge/read/shape.h"

namespace ponder::judge {

// The intervals that a set, a relation or a list of relations says; nothing for other answers.
std::optional<std::vector<Interval>> intervals_of(View view);

}  // namespace ponder::judge
