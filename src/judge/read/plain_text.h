// Words of an answer that add nothing to its mathematics, and mathematics that is said in words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ponder::judge {

// Without a gloss in brackets at the end ("3 \\text{ (three)}", "k = 12 (k > 0)"), without a
// quantifier over real numbers ("for all real x", ", c \\in \\mathbb{R}"), with "all real numbers
// except 4" and C_5^2 as they are written in formulas; nothing where the text has none of these.
std::optional<std::string> without_asides_in(std::string_view text);

}  // namespace ponder::judge
