#include "synth/expression.h"

#include <cctype>

#include "base/error.h"

namespace ponder::synth {

namespace {

bool is_sign(char kind) { return kind == '+' || kind == '-' || kind == '*' || kind == '/'; }
bool binds_tighter(char kind) { return kind == '*' || kind == '/'; }

struct Piece {
  std::string text;
  char sign = 0;  // of its outermost operation; 0 for a number
};

Piece grow(RandomSequence& random, int value, int num_operations) {
  if (num_operations == 0) return {std::to_string(value), 0};
  std::vector<int> factors;  // both factors 2 or more
  for (int factor = 2; factor * 2 <= value; ++factor) {
    if (value % factor == 0) factors.push_back(factor);
  }
  // Products are rarer than sums among the values, so they weigh more where one is possible.
  std::string signs;
  if (value > kMinValue) signs += "++";
  if (value < kMaxValue) signs += "--";
  if (!factors.empty()) signs += "****";
  const char sign = signs[random.below(signs.size())];
  int left = 0, right = 0;
  if (sign == '+') {
    left = static_cast<int>(random.between(kMinValue, value - 1));
    right = value - left;
  } else if (sign == '-') {
    left = static_cast<int>(random.between(value + 1, kMaxValue));
    right = left - value;
  } else {
    left = factors[random.below(factors.size())];
    right = value / left;
  }
  const int num_left = static_cast<int>(random.between(0, num_operations - 1));
  const Piece a = grow(random, left, num_left);
  const Piece b = grow(random, right, num_operations - 1 - num_left);
  const bool bracket_a = sign == '*' && a.sign != 0 && !binds_tighter(a.sign);
  const bool bracket_b = b.sign != 0 && (sign == '*' || !binds_tighter(b.sign));
  std::string text = bracket_a ? "(" + a.text + ")" : a.text;
  text += sign;
  text += bracket_b ? "(" + b.text + ")" : b.text;
  return {text, sign};
}

}  // namespace

Expression Expression::parse(std::string_view text) {
  Expression expression;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (std::isdigit(static_cast<unsigned char>(c))) {
      int value = 0;
      for (; i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) && value < 100000;
           ++i) {
        value = value * 10 + (text[i] - '0');
      }
      --i;
      expression.items_.push_back({'n', value});
    } else if (is_sign(c) || c == '(' || c == ')') {
      expression.items_.push_back({c, 0});
    } else {
      throw Error("expression",
                  "expected digits, + - * / and brackets, found \"" + excerpt(text) + "\"");
    }
  }
  return expression;
}

std::string Expression::text() const {
  std::string text;
  for (const Item& item : items_) {
    if (item.kind == 'n') {
      text += std::to_string(item.value);
    } else {
      text += item.kind;
    }
  }
  return text;
}

int Expression::num_operations() const {
  int count = 0;
  for (const Item& item : items_) count += is_sign(item.kind);
  return count;
}

bool Expression::pair_at(size_t i) const {
  return i + 2 < items_.size() && items_[i].kind == 'n' && is_sign(items_[i + 1].kind) &&
         items_[i + 2].kind == 'n';
}

bool Expression::allowed_at(size_t i) const {
  if (!pair_at(i)) return false;
  const char before = i > 0 ? items_[i - 1].kind : '(';
  const char after = i + 3 < items_.size() ? items_[i + 3].kind : ')';
  if (binds_tighter(items_[i + 1].kind)) return !binds_tighter(before);
  return before == '(' && !binds_tighter(after);
}

size_t Expression::next_position() const {
  for (size_t i = 0; i < items_.size(); ++i) {
    if (allowed_at(i)) return i;
  }
  throw Error("expression", "expected an operation on two numbers in \"" + excerpt(text()) + "\"");
}

Fact Expression::next() const {
  const size_t i = next_position();
  return {items_[i].value, items_[i + 1].kind, items_[i + 2].value};
}

Expression Expression::after(int result) const {
  const size_t i = next_position();
  const bool bracketed =
      i > 0 && items_[i - 1].kind == '(' && i + 3 < items_.size() && items_[i + 3].kind == ')';
  const size_t begin = bracketed ? i - 1 : i;
  const size_t end = bracketed ? i + 4 : i + 3;
  Expression rest;
  rest.items_.assign(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(begin));
  rest.items_.push_back({'n', result});
  rest.items_.insert(rest.items_.end(), items_.begin() + static_cast<std::ptrdiff_t>(end),
                     items_.end());
  return rest;
}

std::optional<Expression::Forbidden> Expression::forbidden() const {
  const size_t next = next_position();
  for (const size_t i : {next - 2, next + 2}) {  // next - 2 wraps round to a place where no pair is
    if (i >= items_.size() || !pair_at(i) || allowed_at(i)) continue;
    const Fact fact{items_[i].value, items_[i + 1].kind, items_[i + 2].value};
    if (fact.outcome() != Outcome::kNumber) continue;
    return Forbidden{fact, binds_tighter(fact.sign) != binds_tighter(items_[next + 1].kind)};
  }
  return std::nullopt;
}

std::string grow_expression(RandomSequence& random, int value, int num_operations) {
  return grow(random, value, num_operations).text;
}

}  // namespace ponder::synth
