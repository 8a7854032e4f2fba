// What may stand around a short answer without belonging to it: markdown, tags, labels, rules.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ponder::judge {

// Without rules ("---", "***") and empty lines at the end.
std::string_view without_closing_rules(std::string_view text);

// "$$…$$", "\begin{align}…\end{align}": nothing but one formula.
bool is_one_formula(std::string_view text);

// The length of a label before a value, "**Total:** ", "Jawaban: ", "คำตอบคือ "; 0 where there is none.
size_t length_of_label(std::string_view text);

// Without markdown, tags, bullets, a label and a conclusion's sign around a short answer.
std::string_view undressed(std::string_view text);

// Words of a sentence ("so", "there are", "valid"), outside of commands, without a colon.
bool has_prose(std::string_view text);

// Two words or more, outside of commands.
bool has_sentence(std::string_view text);

// "Eight ways"
bool begins_with_count(std::string_view text);

// `content` without \text{…} around its words.
std::string with_plain_words(std::string_view content);

}  // namespace ponder::judge
