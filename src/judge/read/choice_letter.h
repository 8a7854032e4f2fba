// A choice letter in its dresses, and the text of a choice without its label.
#pragma once

#include <optional>
#include <string_view>

namespace ponder::judge {

inline constexpr char kLastInPhrase = 'J';  // "the answer is X" hardly names a choice

// The choice letter (A to Z) that an answer is: "B", "(B)", "B.", "B) 42", "\text{(B)}", "（B）",
// "Answer: B", "option b". With `lenient` also "C Cecile". Nothing when the answer is something
// else or names several letters.
std::optional<char> choice_letter(std::string_view text, bool lenient);

// The text of a choice without its own label: "(B) 42" is "42".
std::string_view choice_text(std::string_view choice);

}  // namespace ponder::judge
