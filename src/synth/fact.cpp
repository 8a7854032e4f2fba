#include "synth/fact.h"

#include <fmt/format.h>

namespace ponder::synth {

namespace {

int exact(const Fact& fact) {
  switch (fact.sign) {
    case '+':
      return fact.left + fact.right;
    case '-':
      return fact.left - fact.right;
    case '*':
      return fact.left * fact.right;
    default:
      return fact.left / fact.right;
  }
}

}  // namespace

Outcome Fact::outcome() const {
  if (sign == '/' && left % right != 0) return Outcome::kNotWhole;
  const int result = exact(*this);
  if (result < kMinValue) return Outcome::kLow;
  if (result > kMaxValue) return Outcome::kBig;
  return Outcome::kNumber;
}

int Fact::value() const { return exact(*this); }

bool Fact::carries() const {
  switch (sign) {
    case '+':
      return left % 10 + right % 10 > 9;
    case '-':
      return left % 10 < right % 10;
    case '*':
      return left > 9 || right > 9;
    default:
      return right > 9 || value() > 9;
  }
}

std::string Fact::question() const { return fmt::format("{}{}{}", left, sign, right); }

std::string Fact::text() const {
  switch (outcome()) {
    case Outcome::kNumber:
      return claim(value());
    case Outcome::kLow:
      return question() + " low";
    case Outcome::kBig:
      return question() + " big";
    case Outcome::kNotWhole:
      break;
  }
  return question() + " no";
}

std::string Fact::claim(int result) const { return fmt::format("{}={}", question(), result); }

Fact Fact::check(int result) const {
  switch (sign) {
    case '+':
      return {result, '-', right};
    case '-':
      return {result, '+', right};
    case '*':
      return {result, '/', right};
    default:
      return {result, '*', right};
  }
}

}  // namespace ponder::synth
