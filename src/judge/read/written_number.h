// A number as it is written: digits, thousands separators, a decimal comma or point, repeating
// digits, a power of ten.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "judge/read/lexer.h"

namespace ponder::judge {

struct WrittenNumber {
  size_t end = 0;        // where it ends in the text
  std::string digits;    // with at most one point; "0.1r6" for 0.1666...
  std::string power;     // of ten, with its minus: 1.2e-3
  bool unclear = false;  // dots after digits that do not repeat
  bool is_plain = true;  // nothing but digits, separators and a point
};

// The number at `begin`, a digit or a point before one. In brackets commas separate.
WrittenNumber read_number(std::string_view text, size_t begin, CommaRule rule, bool in_brackets);

}  // namespace ponder::judge
