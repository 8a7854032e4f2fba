// Values as prose writes them: numbers with sign, money and unit, LaTeX without dollar signs, tuples.
// Each end is that of what begins at `i`, or `i` where nothing of the kind does.
#pragma once

#include <array>
#include <string_view>

namespace ponder::judge {

inline char char_at(std::string_view text, size_t i) { return i < text.size() ? text[i] : '\0'; }

// Length of one of `items` at `i`, or 0.
template <size_t N>
size_t one_of(std::string_view text, size_t i, const std::array<std::string_view, N>& items) {
  for (std::string_view item : items) {
    if (text.substr(i, item.size()) == item) return item.size();
  }
  return 0;
}

// Digits, a constant, a root: more than the name of something.
bool is_strong(std::string_view formula);

// A digit, a sign, a bracket or a formula comes first.
bool begins_as_value(std::string_view text);

// `12,345.67` or `.5` or `14{,}916`.
size_t end_of_digits(std::string_view text, size_t i);

// A number with its sign, money, fraction, operators and unit.
size_t end_of_number(std::string_view text, size_t i);

// \command{...}{...}, digits and operators without a space in between.
size_t end_of_latex(std::string_view text, size_t i);

// (2, 3) and [0, 5): figures between brackets, with a comma.
size_t end_of_tuple(std::string_view text, size_t i);

}  // namespace ponder::judge
