#include "judge/find/written_value.h"

#include <algorithm>

#include "judge/read/units.h"
#include "judge/text.h"

namespace ponder::judge {

using std::string_view;

namespace {

constexpr std::array<string_view, 5> kMoney = {"$", "\\$", "€", "£", "¥"};
constexpr std::array<string_view, 9> kOperators = {"+", "-", "*",       "/",     "×",
                                                   "·", "÷", "\\times", "\\cdot"};
constexpr std::array<string_view, 3> kMinus = {"-", "−", "+"};

size_t skip_spaces(string_view text, size_t i) {
  while (i < text.size() && text[i] == ' ') ++i;
  return i;
}

size_t end_of_signed(string_view text, size_t i) {
  const size_t sign = one_of(text, i, kMinus);
  size_t j = i + sign;
  j += one_of(text, j, kMoney);
  if (sign == 0) j += one_of(text, j, kMinus);
  const size_t end = end_of_digits(text, j);
  return end == j ? i : end;
}

}  // namespace

size_t end_of_digits(string_view text, size_t i) {
  if (!is_digit(char_at(text, i)) && !(char_at(text, i) == '.' && is_digit(char_at(text, i + 1))))
    return i;
  while (i < text.size()) {
    if (is_digit(text[i])) {
      ++i;
    } else if ((text[i] == '.' || text[i] == ',') && is_digit(char_at(text, i + 1))) {
      ++i;
    } else if (text.substr(i, 3) == "{,}" && is_digit(char_at(text, i + 3))) {
      i += 3;
    } else {
      break;
    }
  }
  return i;
}

size_t end_of_latex(string_view text, size_t i) {
  if (text.substr(i, 7) == "\\begin{") {
    const size_t name_end = text.find('}', i);
    if (name_end == kNone || name_end - i > 40) return i;
    const std::string close = "\\end" + std::string(text.substr(i + 6, name_end + 1 - (i + 6)));
    const size_t end = text.find(close, i);
    return end == kNone ? i : end + close.size();
  }
  size_t depth = 0;
  const size_t limit = std::min(text.size(), i + 400);
  while (i < limit) {
    const char c = text[i];
    if (c == '\\' && (char_at(text, i + 1) == ')' || char_at(text, i + 1) == ']')) break;
    if (c == '\\') {
      i += 2;
      while (i < limit && is_letter(text[i])) ++i;
      continue;
    }
    if (c == '{') ++depth;
    if (c == '}' && depth-- == 0) break;
    if (depth == 0 && (is_space(c) || string_view("$,;:!?*").find(c) != kNone)) break;
    if (depth == 0 && c == '.' && !is_digit(char_at(text, i + 1))) break;
    ++i;
  }
  return i;
}

size_t end_of_tuple(string_view text, size_t i) {
  bool comma = false, digit = false;
  for (size_t j = i + 1; j < text.size() && j < i + 80; ++j) {
    const char c = text[j];
    if (c == ')' || c == ']') return comma && digit ? j + 1 : i;
    comma |= c == ',';
    digit |= is_digit(c);
    if (is_letter(c) && is_letter(text[j - 1]) && char_at(text, j - 2) != '\\' && !comma) return i;
    if (c == '\n' || c == '(') return i;
  }
  return i;
}

bool is_strong(string_view formula) {
  if (std::any_of(formula.begin(), formula.end(), is_digit)) return true;
  for (string_view sign : {"\\pi", "\\infty", "\\emptyset", "\\varnothing", "\\sqrt", "\\frac",
                           "\\begin", "π", "√", "∞", "\\text{", "\\mathrm{"}) {
    if (formula.find(sign) != kNone) return true;
  }
  return false;
}

bool begins_as_value(string_view text) {
  return !text.empty() &&
         (is_digit(text.front()) || string_view("-+.$([{\\").find(text.front()) != kNone ||
          text.substr(0, 3) == "−" || text.substr(0, 3) == "√" || text.substr(0, 2) == "π");
}

size_t end_of_number(string_view text, size_t i) {
  if (i > 0 && (is_letter(text[i - 1]) || is_digit(text[i - 1]))) {
    if (text.substr(i, 1) == "-" || one_of(text, i, kMoney) == 0) return i;
  }
  size_t end = end_of_signed(text, i);
  if (end == i) return i;
  // "4th" is a place in a row.
  if (char_at(text, end) != '\0' && is_letter(char_at(text, end)) &&
      is_letter(char_at(text, end + 1))) {
    const std::string tail = lower_ascii(text.substr(end, 2));
    if ((tail == "st" || tail == "nd" || tail == "rd" || tail == "th") &&
        !is_letter(char_at(text, end + 2)))
      return i;
  }
  while (end < text.size()) {
    if (text[end] == '%') {
      ++end;
    } else if (text.substr(end, 2) == "\\%" || text.substr(end, 2) == "°") {
      end += 2;
    } else if (text[end] == ':' && is_digit(char_at(text, end + 1))) {
      end = end_of_digits(text, end + 1);
    } else if (text[end] == '^' || (text[end] == '\\' && is_letter(char_at(text, end + 1)))) {
      const size_t further = end_of_latex(text, end);
      if (further == end) break;
      end = further;
    } else if (is_letter(text[end]) && !is_letter(char_at(text, end + 1)) && text[end] != '.') {
      ++end;  // 2x, 3i
    } else {
      const size_t gap = skip_spaces(text, end);
      size_t length = one_of(text, gap, kOperators);
      if (length == 0 && gap > end && (char_at(text, gap) == 'x' || char_at(text, gap) == 'X') &&
          char_at(text, gap + 1) == ' ')
        length = 1;
      const size_t operand = skip_spaces(text, gap + length);
      if (length > 0 && text.substr(gap, 2) != "**") {
        const size_t further = end_of_signed(text, operand);
        if (further == operand) break;
        end = further;
        continue;
      }
      if (text.substr(gap, 6) == "\\text{" || text.substr(gap, 8) == "\\mathrm{") {
        end = end_of_latex(text, gap);
        continue;
      }
      // A mixed number.
      const size_t digits = end_of_digits(text, gap);
      if (gap == end + 1 && digits > gap && char_at(text, digits) == '/' &&
          is_digit(char_at(text, digits + 1))) {
        end = end_of_digits(text, digits + 1);
        continue;
      }
      break;
    }
  }
  size_t word = end;
  if (char_at(text, word) == ' ' || char_at(text, word) == '-') ++word;
  size_t word_end = word;
  while (is_letter(char_at(text, word_end))) ++word_end;
  const std::string unit = lower_ascii(text.substr(word, word_end - word));
  // 12 m/s
  if (word_end > word && char_at(text, word_end) == '/' && is_letter(char_at(text, word_end + 1)) &&
      known_unit(unit)) {
    size_t per = word_end + 1;
    while (is_letter(char_at(text, per))) ++per;
    if (known_unit(lower_ascii(text.substr(word_end + 1, per - word_end - 1)))) return per;
  }
  if (!unit.empty() && unit != "in" && unit != "second" && unit != "sec" &&
      (is_unit(unit) || unit == "degrees" || unit == "percent"))
    end = word_end;
  return end;
}

}  // namespace ponder::judge
