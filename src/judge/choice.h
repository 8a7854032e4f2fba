// Choice letters in their dresses, and the choices' texts where they are known.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ponder::judge {

// The choice letter (A to Z) that an answer is: "B", "(B)", "B.", "B) 42", "\text{(B)}", "（B）",
// "Answer: B", "option b". With `lenient` also "C Cecile". Nothing when the answer is something
// else or names several letters.
std::optional<char> choice_letter(std::string_view text, bool lenient);

// The letter that a whole response chooses: its last answer phrase, else its first or last line,
// else the one letter that its last sentences name. Nothing where phrases name three or more;
// `several` then says so.
std::optional<char> chosen_letter(std::string_view response, bool* several = nullptr);

// The text of a choice without its own label: "(B) 42" is "42".
std::string_view choice_text(std::string_view choice);

}  // namespace ponder::judge
