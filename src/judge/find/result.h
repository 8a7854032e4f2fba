// Where a text or a formula ends: the result of a computation, a text that breaks off.
#pragma once

#include <string>
#include <string_view>

namespace ponder::judge {

// The text ends in the middle of a formula, a heading or a clause.
bool breaks_off(std::string_view text);

// The last member of "a = b = c", the result of "3 + 4 = 7", the last line of aligned equations.
std::string result_of(std::string_view value);

}  // namespace ponder::judge
