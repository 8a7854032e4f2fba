#include "judge/read/written_number.h"

#include <algorithm>
#include <optional>

#include "judge/text.h"

namespace ponder::judge {
namespace {

size_t digits_end(std::string_view text, size_t i) {
  while (i < text.size() && is_digit(text[i])) ++i;
  return i;
}

// The length of the block that the decimals end in, said three times or, from two digits on, twice.
size_t evident_period(const std::string& digits) {
  const size_t decimals = digits.size() - digits.find('.') - 1;
  for (size_t length = 1; length <= 12; ++length) {
    const size_t times = length == 1 ? 3 : 2;
    if (length * times > decimals) break;
    const std::string_view tail = std::string_view(digits).substr(digits.size() - length * times);
    bool same = true;
    for (size_t i = length; i < tail.size(); ++i) same &= tail[i] == tail[i - length];
    if (same) return length;
  }
  return 0;
}

struct Period {
  size_t end = 0;
  std::string digits;  // empty: which digits follow is not said
};

// 0.1\overline{6}, 0.\dot{1}2\dot{3}, 0.1(6), 0.1666...
std::optional<Period> repeating(std::string_view text, size_t end, bool point,
                                const std::string& digits) {
  size_t at = end;
  if (!point) {
    if (text.substr(at, 1) != ".") return std::nullopt;
    ++at;
  }
  while (at < text.size() && text[at] == ' ') ++at;
  for (std::string_view bar : {"\\overline{", "\\bar{"}) {
    if (text.substr(at, bar.size()) != bar) continue;
    const size_t begin = at + bar.size(), close = digits_end(text, begin);
    if (close == begin || text.substr(close, 1) != "}") return std::nullopt;
    return Period{close + 1, std::string(text.substr(begin, close - begin))};
  }
  if (text.substr(at, 4) == "\\dot" && digits_end(text, at + 4) == at + 5)
    return Period{at + 5, std::string(1, text[at + 4])};
  if (text.substr(at, 5) == "\\dot{") {
    if (digits_end(text, at + 5) != at + 6 || text.substr(at + 6, 1) != "}") return std::nullopt;
    std::string period(1, text[at + 5]);
    size_t close = at + 7;
    const size_t middle = digits_end(text, close);
    if (text.substr(middle, 5) == "\\dot{" && digits_end(text, middle + 5) == middle + 6 &&
        text.substr(middle + 6, 1) == "}") {
      period += text.substr(close, middle - close);
      period += text[middle + 5];
      close = middle + 7;
    } else if (middle != close) {
      return std::nullopt;
    }
    return Period{close, period};
  }
  if (text.substr(at, 1) == "(") {
    // 2.5(3) inside a formula is a product; a whole answer 2.5(3) repeats its 3.
    const size_t close = digits_end(text, at + 1);
    const std::string_view rest = trimmed(text.substr(std::min(close + 1, text.size())));
    const bool whole = rest.empty() || rest == "$" || rest == "." || rest == "\\)";
    if (close == at + 1 || text.substr(close, 1) != ")" || (point && !whole)) return std::nullopt;
    return Period{close + 1, std::string(text.substr(at + 1, close - at - 1))};
  }
  for (std::string_view dots : {"...", "\\ldots", "\\dots", "\\cdots", "…"}) {
    if (!point || text.substr(at, dots.size()) != dots) continue;
    return Period{at + dots.size(), digits.substr(digits.size() - evident_period(digits))};
  }
  return std::nullopt;
}

// 1.2e3, 3E-05, 1e-9. "2e-3" may be twice e less three and stays a formula. Where it ends, or 0.
size_t exponent(std::string_view text, size_t end, bool point, const std::string& digits,
                std::string& power) {
  if (end >= text.size() || (text[end] != 'e' && text[end] != 'E')) return 0;
  size_t at = end + 1;
  const bool sign = at < text.size() && (text[at] == '-' || text[at] == '+');
  if (sign) ++at;
  const size_t close = digits_end(text, at);
  if (close == at || close > at + 9) return 0;
  const bool certain =
      point || text[end] == 'E' || text[at] == '0' || digits == "1" || (!sign && close > at);
  if (!certain || (close < text.size() && (is_letter(text[close]) || text[close] == '.'))) return 0;
  const size_t begin = end + 1 + (text[end + 1] == '+');
  power = text.substr(begin, close - begin);
  return close;
}

// The end of "{,}" with any spaces in and around it, or 0.
size_t braced_comma(std::string_view text, size_t i) {
  for (char wanted : {'{', ',', '}'}) {
    while (i < text.size() && text[i] == ' ') ++i;
    if (i >= text.size() || text[i] != wanted) return 0;
    ++i;
  }
  while (i < text.size() && text[i] == ' ') ++i;
  return i;
}

// Where the digits go on after a comma that belongs to the number, or 0.
size_t digits_after_comma(std::string_view text, size_t begin, size_t comma, CommaRule rule,
                          bool in_brackets) {
  size_t next = comma;
  bool certain = false;  // "{,}" and ",\!" are only written inside one number
  if (const size_t group = braced_comma(text, comma)) {
    next = group;
    certain = true;
  } else if (text[comma] == ',') {
    next = comma + 1;
    while (next < text.size() && text[next] == ' ') ++next;
    if (text.substr(next, 2) == "\\!") {
      next += 2;
      certain = true;
      while (next < text.size() && text[next] == ' ') ++next;
    } else if (next != comma + 1) {
      return 0;
    }
  } else {
    return 0;
  }
  size_t end = next;
  while (end < text.size() && end < next + 4 && is_digit(text[end])) ++end;
  if (rule == CommaRule::kDecimal && !certain) return end > next ? next : 0;
  const bool group = end == next + 3;
  if (certain) return group ? next : 0;
  if (rule != CommaRule::kThousands || !group || in_brackets) return 0;
  // The first group has one to three digits, not a leading zero alone.
  size_t first = begin;
  while (first < comma && is_digit(text[first])) ++first;
  return first - begin <= 3 && text[begin] != '0' ? next : 0;
}

// The end of groups of digits that only a number has: 12,34,567 (Indian), 1'234'567 (Swiss),
// 1.234.567 (two points or more are no decimal ones); `begin` where there are none.
size_t end_of_groups(std::string_view text, size_t begin, bool in_brackets) {
  if (begin > 0 && (is_digit(text[begin - 1]) || text[begin - 1] == '.')) return begin;
  const auto group_of = [&](size_t at) { return digits_end(text, at) - at; };
  const size_t first = group_of(begin);
  if (first == 0 || first > 3 || text[begin] == '0') return begin;
  for (std::string_view mark : {",", "'", "’", "."}) {
    size_t end = begin + first, groups = 0, twos = 0;
    bool three = false;
    while (text.substr(end, mark.size()) == mark) {
      const size_t size = group_of(end + mark.size());
      if ((size != 3 && !(mark == "," && size == 2)) || three) {
        if (size != 3 || mark == ",") break;
      }
      three = mark == "," && size == 3;
      twos += size == 2;
      ++groups;
      end += mark.size() + size;
    }
    const bool ended = end >= text.size() || !(is_digit(text[end]) || text.substr(end, 1) == mark);
    if (!ended) continue;
    if (mark == "," && twos > 0 && three && first <= 2 && !in_brackets) return end;
    if (mark == "." ? groups >= 2 : mark != "," && groups >= 1) return end;
  }
  return begin;
}

}  // namespace

WrittenNumber read_number(std::string_view text, size_t begin, CommaRule rule, bool in_brackets) {
  WrittenNumber number;
  std::string& digits = number.digits;
  size_t end = rule == CommaRule::kSeparator ? begin : end_of_groups(text, begin, in_brackets);
  for (char c : text.substr(begin, end - begin)) {
    if (is_digit(c)) digits += c;
  }
  bool point = false;
  while (end < text.size()) {
    if (is_digit(text[end])) {
      digits += text[end++];
    } else if (text[end] == '.' && !point && end + 1 < text.size() && is_digit(text[end + 1])) {
      point = true;
      digits += text[end++];
    } else if (const size_t next =
                   point ? 0 : digits_after_comma(text, begin, end, rule, in_brackets)) {
      if (rule == CommaRule::kDecimal && text[end] == ',') {
        point = true;
        digits += '.';
      }
      end = next;
    } else {
      break;
    }
  }
  number.end = end;
  if (const auto period = repeating(text, end, point, digits)) {
    number.is_plain = false;
    number.unclear = period->digits.empty();
    number.end = period->end;
    digits += (point ? "r" : ".r") + period->digits;
  } else if (const size_t after = exponent(text, end, point, digits, number.power)) {
    number.is_plain = false;
    number.end = after;
  }
  return number;
}

}  // namespace ponder::judge
