// Integrals without bounds: part of Comparer.
#include "judge/equal/comparer.h"
#include "judge/read/derivative.h"
#include "judge/read/shape.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

// A name that may be one of a function of the variable, and an unknown function.
bool names_functions(View view) {
  const Node& node = view.get();
  if (node.kind == Kind::kApply) return true;
  if (node.kind == Kind::kName &&
      (node.name.find('\'') != kNone || std::string_view("fghuvwyFGH").find(node.name[0]) != kNone))
    return true;
  for (size_t i = 0; i < view.size(); ++i) {
    if (names_functions(view.child(i))) return true;
  }
  return false;
}

}  // namespace

std::optional<View> integral_without_bounds(View view) {
  std::optional<View> found;
  for (const View& part :
       view.get().kind == Kind::kAdd ? children(view) : std::vector<View>{view}) {
    const Node& node = part.get();
    if (node.kind == Kind::kIntegral && part.size() == 1 && !found)
      found = part;
    else if (node.kind != Kind::kName || std::string_view("CcKk").find(node.name[0]) == kNone)
      return std::nullopt;
  }
  return found;
}

// The same where what they are of is; different where no name in it may be one of a function.
Comparison Comparer::compare_antiderivatives(View gold, View prediction) {
  const std::string& name = gold.get().name;
  if (name != prediction.get().name) return {Match::kUnknown, "integrals over other variables"};
  Comparison result = compare(gold.child(0), prediction.child(0), false);
  if (result.match == Match::kDifferent && (names_functions(gold) || names_functions(prediction)))
    return {Match::kUnknown, "integrals that cannot be compared"};
  return result;
}

// The formula's derivative against what the integral is of.
Comparison Comparer::compare_with_integral(View integral, View formula, bool integral_is_gold) {
  const Comparison unknown{Match::kUnknown, "an integral that is not worked out"};
  if (contains(formula, Kind::kIntegral) || contains(formula, Kind::kPlusMinus)) return unknown;
  Expression tree = *formula.tree;
  const auto slope = derivative(tree, formula.node, integral.get().name);
  if (!slope) return unknown;
  const View found{&tree, *slope, 0};
  Comparison result = integral_is_gold ? compare(integral.child(0), found, false)
                                       : compare(found, integral.child(0), false);
  result.rule = "an integral by the derivative: " + result.rule;
  if (result.match == Match::kDifferent && (names_functions(integral) || names_functions(formula)))
    return unknown;
  return result;
}

}  // namespace ponder::judge
