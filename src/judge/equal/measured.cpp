#include "judge/equal/measured.h"

#include <cstdlib>

#include "judge/read/evaluate.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

bool add_unit_letters(View view, int power, Unit& unit) {
  const Node& node = view.get();
  if (node.kind == Kind::kName && is_unit_letter(node.name)) {
    const auto known = known_unit(lower_ascii(node.name));
    if (!known) return false;
    for (size_t i = 0; i < unit.dimension.size(); ++i)
      unit.dimension[i] += power * known->dimension[i];
    for (int i = 0; i < std::abs(power); ++i)
      unit.factor *= power > 0 ? known->factor : 1 / known->factor;
    return true;
  }
  if (node.kind == Kind::kPow && node.children.size() == 2) {
    const View exponent = view.child(1);
    const bool negative = exponent.get().kind == Kind::kNeg;
    const View digits = negative ? exponent.child(0) : exponent;
    if (digits.get().kind != Kind::kNumber || digits.get().value > 4 || digits.get().value < 1 ||
        denominator(digits.get().value) != 1)
      return false;
    const int n = static_cast<int>(numerator(digits.get().value));
    return add_unit_letters(view.child(0), negative ? -power * n : power * n, unit);
  }
  return false;
}

}  // namespace

Measured measured(const Expression& expression) {
  Measured result{unit_of(expression), expression.root};
  if (result.unit || !expression.measures.empty()) return result;
  View view{&expression, expression.root, 0};
  Unit unit;
  while (view.get().kind == Kind::kDiv) {
    if (!add_unit_letters(view.child(1), -1, unit)) return result;
    view = view.child(0);
  }
  if (view.get().kind != Kind::kMul || has_names(view.child(0))) return result;
  for (size_t i = 1; i < view.size(); ++i) {
    if (!add_unit_letters(view.child(i), 1, unit)) return result;
  }
  result.unit = unit;
  result.value = view.child(0).node;
  return result;
}

std::optional<Expression> converted(const Expression& expression, const Measured& measured,
                                    const Unit& unit) {
  if (expression.nodes.size() + 2 > static_cast<size_t>(kMaxNodes)) return std::nullopt;
  Expression copy = expression;
  Node factor;
  factor.value = measured.unit->factor / unit.factor;
  copy.nodes.push_back(factor);
  Node product;
  product.kind = Kind::kMul;
  product.height = copy.at(measured.value).height + 1;
  product.children = {measured.value, static_cast<int>(copy.nodes.size()) - 1};
  copy.nodes.push_back(product);
  copy.root = static_cast<int>(copy.nodes.size()) - 1;
  return copy;
}

}  // namespace ponder::judge
