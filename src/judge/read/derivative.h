// Derivatives of formulas, as trees: what \frac{d}{dx} stands for, and what an antiderivative is held
// against.
#pragma once

#include <optional>
#include <string>

#include "judge/read/expression.h"

namespace ponder::judge {

// The derivative of the part at `node` by `name`, as new nodes of `tree`, not simplified. Sums,
// products, quotients, powers, roots, f(u) and the elementary functions; nothing where the part
// holds anything else that names the variable, or the tree would grow beyond its bounds.
std::optional<int> derivative(Expression& tree, int node, const std::string& name);

}  // namespace ponder::judge
