// What an answer was read as, for the proof.
#pragma once

#include <string>

#include "judge/read/expression.h"

namespace ponder::judge {

// "number 3/7", "list of 3", "formula": one short phrase.
std::string describe(const Expression& expression);

}  // namespace ponder::judge
