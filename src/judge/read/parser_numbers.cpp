// Written numbers: decimals, repeating ones, other bases.
#include <algorithm>

#include "judge/read/parser.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

// "5", "five", "base 5".
std::optional<int> base_of(std::string text) {
  if (text.starts_with("base")) text.erase(0, 4);
  if (const auto word = number_word(text)) return *word;
  if (text.empty() || text.size() > 2 || !std::all_of(text.begin(), text.end(), is_digit))
    return std::nullopt;
  return std::stoi(text);
}

// Digits alone. What fits 64 bits takes no long arithmetic; a leading 0 would mean octal.
BigInt whole_number(std::string_view digits) {
  if (digits.size() <= 18) {
    long value = 0;
    for (char c : digits) value = 10 * value + (c - '0');
    return value;
  }
  const size_t first = digits.find_first_not_of('0');
  return first == kNone ? BigInt(0) : BigInt(std::string(digits.substr(first)));
}

BigInt power_of_ten(size_t exponent) {
  return mp::pow(BigInt(10), static_cast<unsigned>(exponent));
}

int digit_value(char c) { return is_digit(c) ? c - '0' : c - 'A' + 10; }

}  // namespace

int Parser::number_in_base(int index, const std::string& text, std::string digits) {
  const auto base = base_of(text);
  if (!base || *base < 2 || *base > 36) return fail("a subscript that is no base");
  if (digits.empty()) digits = numerator(node(index).value).str();
  BigInt value = 0;
  for (char digit : digits) {
    if (digit_value(digit) >= *base) return fail("a digit above its base");
    value = value * *base + digit_value(digit);
  }
  node(index).value = Rational(value);
  node(index).name = "base " + std::to_string(*base) + " " + digits;
  return index;
}

// 1A_{16}: digits and capital letters side by side with a base above ten. Nothing is read when it
// is something else.
int Parser::digits_with_letters() {
  std::string digits;
  size_t ahead = 0;
  bool letters = false;
  for (;; ++ahead) {
    const Token& t = peek(ahead);
    const bool number =
        t.kind == TokenKind::kNumber && std::all_of(t.text.begin(), t.text.end(), is_digit);
    const bool letter =
        t.kind == TokenKind::kWord ||
        (t.kind == TokenKind::kName && t.text.size() == 1 && t.text[0] >= 'A' && t.text[0] <= 'Z');
    if ((!number && !letter) || (ahead > 0 && t.space_before) || digits.size() > 60) break;
    letters |= letter;
    for (char c : t.text) digits += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  if (!letters || !peek(ahead).is('_')) return kNoNode;
  if (!std::all_of(digits.begin(), digits.end(),
                   [](char c) { return is_digit(c) || is_letter(c); }))
    return kNoNode;
  std::string base;
  size_t end = ahead + 1;
  const bool group = peek(end).is('{');
  if (group) ++end;
  while (peek(end).kind == TokenKind::kNumber || peek(end).kind == TokenKind::kWord)
    base += peek(end++).text;
  if (group && !peek(end++).is('}')) return kNoNode;
  const auto value = base_of(base);
  if (!value || *value <= 10 || *value > 36) return kNoNode;
  for (char c : digits) {
    if (digit_value(c) >= *value) return kNoNode;
  }
  position_ = std::min(position_ + end, tokens_.size() - 1);
  return number_in_base(make(Kind::kNumber, {}), base, digits);
}

int Parser::number(const std::string& text) {
  if (text.size() > kMaxDigits)
    return fail("a number of " + std::to_string(text.size()) + " digits");
  if (const size_t repeat = text.find('r'); repeat != std::string::npos) {
    const int start = number(text.substr(0, repeat));  // 0.1 and a sixth of a tenth
    if (failed()) return kNoNode;
    const std::string period = text.substr(repeat + 1);
    const BigInt nines = power_of_ten(period.size()) - 1;
    const BigInt scale = power_of_ten(static_cast<size_t>(node(start).decimals));
    node(start).value += Rational(whole_number(period), BigInt(nines * scale));
    node(start).decimals = 0;  // exact
    return start;
  }
  const size_t point = text.find('.');
  std::string digits = text;
  const size_t decimals = point == std::string::npos ? 0 : text.size() - point - 1;
  if (point != std::string::npos) digits.erase(point, 1);
  const int index = make(Kind::kNumber, {});
  if (failed()) return kNoNode;
  node(index).value = decimals > 0 ? Rational(whole_number(digits), power_of_ten(decimals))
                                   : Rational(whole_number(digits));
  node(index).decimals = static_cast<int>(decimals);
  return index;
}

}  // namespace ponder::judge
