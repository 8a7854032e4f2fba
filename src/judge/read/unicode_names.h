// Characters beyond ASCII that answers are written with, as a token's symbol or as LaTeX.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ponder::judge {

struct UnicodeReading {
  size_t end = 0;     // where the character, or the row of superscripts, ends
  char symbol = 0;    // see lexer.h; 0 where there is none
  std::string latex;  // what to read in its place; empty where a symbol stands or it is a space
};

// What stands at `i`; end 0 where it is not known.
UnicodeReading read_unicode(std::string_view text, size_t i);

}  // namespace ponder::judge
