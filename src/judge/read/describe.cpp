#include "judge/read/describe.h"

#include "judge/read/evaluate.h"
#include "judge/read/shape.h"

namespace ponder::judge {
namespace {

std::string digits_of(const BigInt& value) {
  return bits(value) < 64 ? std::to_string(static_cast<long>(value)) : value.str();
}

std::string digits_of(const Rational& value) {
  const std::string top = digits_of(BigInt(numerator(value)));
  return is_whole(value) ? top : top + "/" + digits_of(BigInt(denominator(value)));
}

}  // namespace

std::string describe(const Expression& expression) {
  const View view{&expression, expression.root, 0};
  switch (view.get().kind) {
    case Kind::kTuple:
      return "tuple or interval of " + std::to_string(view.size());
    case Kind::kSet:
      return "set of " + std::to_string(view.size());
    case Kind::kList:
      return "list of " + std::to_string(view.size());
    case Kind::kUnion:
      return "union of " + std::to_string(view.size());
    case Kind::kIntersection:
      return "intersection of " + std::to_string(view.size());
    case Kind::kDifference:
      return "difference of sets";
    case Kind::kRatio:
      return "ratio";
    case Kind::kRelation:
      return is_equation(view) ? "equation" : "relation";
    case Kind::kMatrix:
      return "matrix of " + std::to_string(view.size()) + " rows";
    case Kind::kCases:
      return "function of " + std::to_string(view.size() / 2) + " pieces";
    case Kind::kText:
      return "words";
    default:
      break;
  }
  Budget budget;
  if (const auto value = exact_value(view, budget)) {
    const std::string digits = digits_of(*value);
    return "number " +
           (digits.size() <= 60 ? digits : "of " + std::to_string(digits.size()) + " digits");
  }
  return has_names(view) ? "formula" : "number";
}

}  // namespace ponder::judge
