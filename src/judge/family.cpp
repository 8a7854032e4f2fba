#include "judge/family.h"

#include <string>

namespace ponder::judge {
namespace {

// The place among the root's items of the one condition, or -1.
int condition_of(const Expression& expression) {
  const Node& root = expression.at(expression.root);
  if (root.kind != Kind::kList) return -1;
  int found = -1;
  for (size_t i = 0; i < root.children.size(); ++i) {
    const Node& item = expression.at(root.children[i]);
    if (item.kind != Kind::kRelation || item.name != "E") continue;
    if (found >= 0) return -1;
    found = static_cast<int>(i);
  }
  return found;
}

}  // namespace

bool has_parameter(const Expression& expression) { return condition_of(expression) >= 0; }

std::optional<Expression> without_parameter(const Expression& expression, bool renamed) {
  const int place = condition_of(expression);
  if (place < 0) return std::nullopt;
  Expression copy = expression;
  Node& root = copy.nodes[static_cast<size_t>(copy.root)];
  const Node condition = copy.at(root.children[static_cast<size_t>(place)]);
  const std::string parameter = copy.at(condition.children[0]).name;
  root.children.erase(root.children.begin() + place);
  if (root.children.size() == 1) copy.root = root.children[0];
  for (Node& node : copy.nodes) {
    if (renamed && node.kind == Kind::kName && node.name == parameter) node.name = "parameter";
  }
  return copy;
}

}  // namespace ponder::judge
