// Letters, words and dresses of answers: what needs no mathematics.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"

namespace ponder::judge {

constexpr size_t kNone = std::string_view::npos;  // no such place

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// The '}' that closes the '{' at `open`, escaped braces not counted; npos when it is missing.
size_t matching_brace(std::string_view text, size_t open);

// Two answers with the same normal form are the same answer: dollar signs, spacing, \left, \text,
// \dfrac and needless braces removed. Empty when nothing is left. Linear.
std::string normal_form(std::string_view text);

// The words alone, lower case, one space between; for answers that are plain text.
std::string words_of(std::string_view text);

// "seven" is 7; nothing beyond twenty and the tens.
std::optional<int> number_word(std::string_view lower_word);

// "twenty-one", "one hundred and five", "two million": up to 999,999,999,999.
std::optional<long> spoken_number(std::string_view lower_words);

// 100 for "hundred", 1000 for "thousand", 12 for "dozen", ...: a word that multiplies the number
// before it.
std::optional<long> factor_word(std::string_view lower_word);

}  // namespace ponder::judge
