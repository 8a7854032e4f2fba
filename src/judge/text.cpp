#include "judge/text.h"

#include <array>
#include <utility>

namespace ponder::judge {
namespace {

struct Replacement {
  std::string_view from, to;
};
// Longer patterns first where one begins with another.
constexpr std::array<Replacement, 31> kReplacements = {{
    {"\\left", ""},        {"\\right", ""},   {"\\dfrac", "\\frac"}, {"\\tfrac", "\\frac"},
    {"\\cfrac", "\\frac"}, {"\\text", ""},    {"\\mathrm", ""},      {"\\operatorname", ""},
    {"\\textbf", ""},      {"\\mbox", ""},    {"\\mathbf", ""},      {"\\displaystyle", ""},
    {"\\quad", ""},        {"\\qquad", ""},   {"\\,", ""},           {"\\;", ""},
    {"\\!", ""},           {"\\:", ""},       {"\\ ", ""},           {"\\$", ""},
    {"\\(", ""},           {"\\)", ""},       {"\\[", ""},           {"\\]", ""},
    {"\\leq", "\\le"},     {"\\geq", "\\ge"}, {"\\%", "%"},          {"^\\circ", ""},
    {"^{\\circ}", ""},     {"\\boxed", ""},   {"\\cdot", "*"},
}};

// \left must not eat the beginning of \leftarrow.
bool ends_command(std::string_view pattern, std::string_view text, size_t end) {
  return !is_letter(pattern.back()) || end >= text.size() || !is_letter(text[end]);
}

}  // namespace

size_t matching_brace(std::string_view text, size_t open) {
  size_t depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

std::string normal_form(std::string_view text) {
  std::string form;
  size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    bool replaced = false;
    if (c == '\\' || c == '^') {
      for (const Replacement& r : kReplacements) {
        if (r.from[0] != c || text.substr(i + 1, 1) != r.from.substr(1, 1)) continue;
        if (text.substr(i, r.from.size()) == r.from &&
            ends_command(r.from, text, i + r.from.size())) {
          form += r.to;
          i += r.from.size();
          // 5 \quad 6 are two numbers
          if (r.from.ends_with("quad") && !form.empty() && is_digit(form.back())) {
            const size_t next = text.find_first_not_of(' ', i);
            if (next != kNone && is_digit(text[next])) form += ';';
          }
          replaced = true;
          break;
        }
      }
    }
    if (replaced) continue;
    if (c == '{' && i + 2 < text.size() && text[i + 1] != '\\' && text[i + 2] == '}') {
      form += text[i + 1];  // {x} is x, but x^{10} is not x^10
      i += 3;
      continue;
    }
    if (!is_space(c) && c != '$' && c != '~' && c != '"') form += c;
    ++i;
  }
  while (!form.empty() && (form.back() == '.' || form.back() == ',')) form.pop_back();
  return form;
}

std::string words_of(std::string_view text) {
  std::string words;
  bool gap = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      i = end > i + 1 ? end - 1 : i + 1;
      gap = true;
    } else if (is_letter(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80) {
      if (gap && !words.empty()) words += ' ';
      gap = false;
      words += c;
    } else if (c != '\'') {
      gap = true;
    }
  }
  return lower_ascii(words);
}

std::optional<int> number_word(std::string_view lower_word) {
  static constexpr std::array<std::string_view, 21> kSmall = {
      "zero",     "one",     "two",     "three",     "four",     "five",     "six",
      "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen",
      "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"};
  static constexpr std::array<std::string_view, 7> kTens = {"thirty",  "forty",  "fifty", "sixty",
                                                            "seventy", "eighty", "ninety"};
  for (size_t i = 0; i < kSmall.size(); ++i) {
    if (kSmall[i] == lower_word) return static_cast<int>(i);
  }
  for (size_t i = 0; i < kTens.size(); ++i) {
    if (kTens[i] == lower_word) return static_cast<int>(30 + 10 * i);
  }
  return std::nullopt;
}

std::optional<long> factor_word(std::string_view lower_word) {
  static constexpr std::array<std::pair<std::string_view, long>, 12> kFactors = {
      {{"hundred", 100},
       {"hundreds", 100},
       {"thousand", 1000},
       {"thousands", 1000},
       {"million", 1000000},
       {"millions", 1000000},
       {"billion", 1000000000},
       {"billions", 1000000000},
       {"trillion", 1000000000000},
       {"trillions", 1000000000000},
       {"dozen", 12},
       {"dozens", 12}}};
  for (const auto& [word, factor] : kFactors) {
    if (word == lower_word) return factor;
  }
  return std::nullopt;
}

std::optional<long> spoken_number(std::string_view lower_words) {
  long total = 0, group = 0;  // group: below the next thousand
  bool any = false, tens = false;
  while (!lower_words.empty()) {
    const size_t end = std::min(lower_words.find_first_of(" -"), lower_words.size());
    const std::string_view word = lower_words.substr(0, end);
    lower_words.remove_prefix(std::min(end + 1, lower_words.size()));
    if (word == "and" || word.empty()) continue;
    if (const auto small = number_word(word)) {
      if (group % 10 != 0 || (group % 100 != 0 && !tens) || *small > 90) return std::nullopt;
      if (tens && *small > 9) return std::nullopt;
      group += *small;
      tens = *small >= 20;
    } else if (const auto factor = factor_word(word); factor && *factor <= 1000000000) {
      if (*factor == 12 || (*factor == 100 ? group == 0 || group > 9 : group == 0))
        return std::nullopt;
      tens = false;
      if (*factor == 100) {
        group *= 100;
      } else {
        if (total % *factor != 0 && total != 0) return std::nullopt;
        total += group * *factor;
        group = 0;
      }
    } else {
      return std::nullopt;
    }
    any = true;
  }
  return any ? std::optional(total + group) : std::nullopt;
}

}  // namespace ponder::judge
