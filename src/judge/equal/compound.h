// Amounts in several units of one kind: 3 hours 30 minutes, 5 ft 10 in, 5'10'', 2 pounds and
// 3 ounces.
#pragma once

#include <string_view>
#include <vector>

#include "judge/read/expression.h"

namespace ponder::judge {

// The one amount that `text` names, once in each of its units (3.5 with hours, 210 with minutes),
// so that a number without a unit may be in any of them. Nothing where `text` is something else,
// the units do not become smaller by a whole factor (a month is no number of days), or an amount is
// not less than one of the unit before it.
std::vector<Expression> compound_measures(std::string_view text);

}  // namespace ponder::judge
