// Arithmetic of written matrices: sums, products, powers, transposes, determinants and multiples
// become the one matrix (or formula) they say, entry by entry. Works inside the tree; bounded by
// its limits.
#pragma once

#include <optional>

#include "judge/read/evaluate.h"
#include "judge/read/expression.h"

namespace ponder::judge {

// The node that stands for `index` once matrix arithmetic is done; nothing where shapes do not fit
// or the tree would grow beyond its limits. Where `identity` is above 0, the names I and I_n are
// the identity matrix of that size.
std::optional<int> reduce_matrices(Expression& tree, int index, int identity = 0);

// Does a formula name the identity matrix?
bool names_identity(View view);

// 2i + 3j against (2, 3): does a formula name the unit vectors i, j, k?
bool names_unit_vectors(View view);
// Does it name them in their own dress, as \mathbf{i} or \hat{i}?
bool has_unit_vectors(View view);
// A copy of `view` whose i, j and k are unit vectors, however they are dressed.
Expression with_unit_vectors(View view);
// A copy of a vector of two or three entries as a formula in unit vectors.
std::optional<Expression> as_unit_vectors(View vector);

}  // namespace ponder::judge
