// Two bare answers as they are written: read in every way that their commas allow, and compared.
#pragma once

#include <string_view>

#include "judge/equal/comparison.h"

namespace ponder::judge {

// Equal where one pair of readings is; else what the most natural readings say. The rule tells how
// both sides were read.
Comparison compare_written(std::string_view gold, std::string_view prediction,
                           const CompareRules& rules);

}  // namespace ponder::judge
