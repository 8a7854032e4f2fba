#include "judge/equal/names.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "judge/read/shape.h"

namespace ponder::judge {
namespace {

size_t times_named(const Expression& expression, const std::string& name) {
  return static_cast<size_t>(std::count_if(
      expression.nodes.begin(), expression.nodes.end(),
      [&](const Node& node) { return node.kind == Kind::kName && node.name == name; }));
}

// The constant that an antiderivative ends in, "+ C" or "+ k", named once; or nothing.
const std::string* added_constant(const Expression& expression) {
  View root{&expression, expression.root, 0};
  if (const auto value = named_value(root)) root = *value;
  if (root.get().kind != Kind::kAdd) return nullptr;
  for (size_t i = 0; i < root.size(); ++i) {
    const Node& part = root.child(i).get();
    if (part.kind != Kind::kName) continue;
    static constexpr std::string_view kConstants = "CcKk";
    const bool constant = kConstants.find(part.name[0]) != std::string_view::npos &&
                          (part.name.size() == 1 || part.name[1] == '_');
    if (constant && times_named(expression, part.name) == 1) return &part.name;
  }
  return nullptr;
}

// The one argument of the function that an equation names, P(x) = …; or nothing.
const Node* named_argument(const Expression& expression, std::string& function) {
  const View root{&expression, expression.root, 0};
  if (!is_equation(root) || root.size() != 2) return nullptr;
  const View left = root.child(0);
  const Kind kind = left.get().kind;
  if ((kind != Kind::kMul && kind != Kind::kApply) || left.size() != 2 ||
      left.child(0).get().kind != Kind::kName || left.child(1).get().kind != Kind::kName)
    return nullptr;
  function = left.child(0).get().name;
  return &left.child(1).get();
}

Expression renamed(Expression expression, const std::string& from, const std::string& to) {
  for (Node& node : expression.nodes) {
    if (node.kind == Kind::kName && node.name == from) node.name = to;
  }
  return expression;
}

}  // namespace

namespace {

std::vector<std::string> names_of_one_side(const Expression& expression, const Expression& other) {
  std::vector<std::string> names;
  for (const Node& node : expression.nodes) {
    if (node.kind == Kind::kName && times_named(other, node.name) == 0 &&
        std::find(names.begin(), names.end(), node.name) == names.end())
      names.push_back(node.name);
  }
  return names;
}

// C, K and c_1 stand for any constant; A and B may, where the other side says C.
bool are_constants(const std::vector<std::string>& names, std::string_view letters) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    const bool plain = name.size() == 1 || (name.size() == 3 && name[1] == '_');
    return plain && letters.find(name[0]) != std::string_view::npos;
  });
}

}  // namespace

std::vector<Expression> with_other_constants(const Expression& gold, const Expression& prediction) {
  constexpr size_t kMostConstants = 3, kMostNodes = 200;
  if (gold.nodes.size() > kMostNodes || prediction.nodes.size() > kMostNodes) return {};
  const auto constants = names_of_one_side(gold, prediction);
  auto others = names_of_one_side(prediction, gold);
  if (constants.empty() || constants.size() != others.size() || constants.size() > kMostConstants)
    return {};
  bool any =
      are_constants(constants, "CK") || are_constants(others, "CK") ||
      (constants.size() > 1 && (are_constants(constants, "ck") || are_constants(others, "ck")));
  // f(x) = kx and f(x) = cx
  const auto states_function = [](const Expression& side) {
    const View root{&side, side.root, 0};
    return is_equation(root) && root.child(0).get().kind == Kind::kApply;
  };
  any |= states_function(gold) && states_function(prediction) && are_constants(constants, "ck") &&
         are_constants(others, "ck");
  if (!any || !are_constants(constants, "CKckABab") || !are_constants(others, "CKckABab"))
    return {};
  // A variable stands on both sides: "C" is no other name of "K" alone.
  const bool variable = std::any_of(gold.nodes.begin(), gold.nodes.end(), [&](const Node& node) {
    return node.kind == Kind::kName && times_named(prediction, node.name) > 0;
  });
  if (!variable) return {};
  std::vector<Expression> renamings;
  std::sort(others.begin(), others.end());
  do {
    Expression copy = prediction;
    for (Node& node : copy.nodes) {
      const auto at = std::find(others.begin(), others.end(), node.name);
      if (node.kind == Kind::kName && at != others.end())
        node.name = constants[static_cast<size_t>(at - others.begin())];
    }
    renamings.push_back(std::move(copy));
  } while (std::next_permutation(others.begin(), others.end()));
  return renamings;
}

std::optional<Expression> with_names_of(const Expression& gold, const Expression& prediction) {
  const std::string *constant = added_constant(gold), *other = added_constant(prediction);
  if (constant && other && *constant != *other && times_named(prediction, *constant) == 0 &&
      times_named(gold, *other) == 0)
    return renamed(prediction, *other, *constant);
  std::string function, other_function;
  const Node* argument = named_argument(gold, function);
  const Node* other_argument = named_argument(prediction, other_function);
  if (argument && other_argument && function == other_function &&
      argument->name != other_argument->name && times_named(prediction, argument->name) == 0 &&
      times_named(gold, other_argument->name) == 0)
    return renamed(prediction, other_argument->name, argument->name);
  return std::nullopt;
}

}  // namespace ponder::judge
