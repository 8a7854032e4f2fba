// The LaTeX names an answer may hold, and what they mean.
#pragma once

#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace ponder::judge {

using LatexCommands = std::unordered_map<std::string_view, std::string_view>;
using NameSet = std::unordered_set<std::string_view>;

// A value is one symbol of lexer.h, "k:frac" a command token, "c:pi" a constant, "f:re" a
// function, "n:x" a name, "" is dropped.
const LatexCommands& latex_commands();
const NameSet& function_names();         // sin, log, ...; with and without a backslash
const NameSet& called_names();           // floor(x), binom(5, 2): functions before a bracket only
const NameSet& latex_letters();          // \\alpha, ...: variables
const NameSet& greek_letters();          // of them, those that are read without a backslash too
const NameSet& latex_silent_commands();  // \\color{red}, \\tag{1}: their argument says nothing
const NameSet& latex_text_commands();    // \\text{...}: words
const NameSet& latex_font_commands();    // \\mathbf{...}: dress of a letter

}  // namespace ponder::judge
