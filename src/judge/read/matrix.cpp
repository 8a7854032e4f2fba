#include "judge/read/matrix.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "judge/read/shape.h"

namespace ponder::judge {
namespace {

constexpr size_t kMostRows = 12;
constexpr long kMostPower = 16;

using Grid = std::vector<std::vector<int>>;  // entries by node

bool is_identity_name(const Node& node) {
  return node.kind == Kind::kName && (node.name == "I" || node.name.starts_with("I_"));
}

// Builds nodes of one tree; `ok` turns false for good where a limit is reached.
class Builder {
 public:
  explicit Builder(Expression& tree, int identity) : tree_(tree), identity_(identity) {}

  bool ok = true;

  int reduce(int index);

 private:
  const Node& at(int index) const { return tree_.at(index); }
  bool is_matrix(int index) const { return at(index).kind == Kind::kMatrix; }
  int fail() {
    ok = false;
    return 0;
  }

  int make(Kind kind, std::vector<int> children, std::string name = "") {
    if (!ok || tree_.nodes.size() >= static_cast<size_t>(kMaxNodes)) return fail();
    Node node;
    node.kind = kind;
    node.name = std::move(name);
    for (int child : children) node.height = std::max(node.height, at(child).height + 1);
    if (node.height > kMaxDepth) return fail();
    node.children = std::move(children);
    tree_.nodes.push_back(std::move(node));
    return static_cast<int>(tree_.nodes.size()) - 1;
  }
  int number(Rational value) {
    const int index = make(Kind::kNumber, {});
    if (ok) tree_.nodes[static_cast<size_t>(index)].value = std::move(value);
    return index;
  }
  bool is_number(int index) const {
    return at(index).kind == Kind::kNumber &&
           mp::msb(mp::abs(numerator(at(index).value)) + 1) < 2000;
  }
  int add(int a, int b) {
    if (is_number(a) && is_number(b)) return number(at(a).value + at(b).value);
    if (is_number(a) && at(a).value == 0) return b;
    if (is_number(b) && at(b).value == 0) return a;
    return make(Kind::kAdd, {a, b});
  }
  int multiply(int a, int b) {
    if (is_number(a) && is_number(b)) return number(at(a).value * at(b).value);
    for (const auto& [x, y] : {std::pair{a, b}, std::pair{b, a}}) {
      if (is_number(x) && at(x).value == 0) return x;
      if (is_number(x) && at(x).value == 1) return y;
    }
    return make(Kind::kMul, {a, b});
  }
  int negate(int a) { return is_number(a) ? number(-at(a).value) : make(Kind::kNeg, {a}); }

  Grid grid(int matrix) const {
    Grid g;
    for (int row : at(matrix).children) g.push_back(at(row).children);
    return g;
  }
  bool regular(const Grid& g) const {
    if (g.empty() || g.size() > kMostRows || g[0].size() > kMostRows) return false;
    return std::all_of(g.begin(), g.end(),
                       [&](const auto& row) { return row.size() == g[0].size(); });
  }
  int matrix(const Grid& g) {
    std::vector<int> rows;
    for (const auto& row : g) rows.push_back(make(Kind::kTuple, row, "()"));
    return make(Kind::kMatrix, std::move(rows));
  }

  int identity(size_t size) {
    Grid g(size, std::vector<int>(size));
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j < size; ++j) g[i][j] = number(i == j ? 1 : 0);
    }
    return matrix(g);
  }
  int scaled(int a, int factor) {
    Grid g = grid(a);
    for (auto& row : g) {
      for (int& entry : row) entry = multiply(factor, entry);
    }
    return matrix(g);
  }
  int sum(int a, int b) {
    Grid x = grid(a);
    const Grid y = grid(b);
    if (!regular(x) || !regular(y) || x.size() != y.size() || x[0].size() != y[0].size())
      return fail();
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t j = 0; j < x[0].size(); ++j) x[i][j] = add(x[i][j], y[i][j]);
    }
    return matrix(x);
  }
  int product(int a, int b) {
    if (!is_matrix(a) && !is_matrix(b)) return multiply(a, b);
    if (!is_matrix(a)) return scaled(b, a);
    if (!is_matrix(b)) return scaled(a, b);
    const Grid x = grid(a), y = grid(b);
    if (!regular(x) || !regular(y) || x[0].size() != y.size()) return fail();
    Grid z(x.size(), std::vector<int>(y[0].size()));
    for (size_t i = 0; i < x.size() && ok; ++i) {
      for (size_t j = 0; j < y[0].size() && ok; ++j) {
        z[i][j] = multiply(x[i][0], y[0][j]);
        for (size_t k = 1; k < y.size(); ++k) z[i][j] = add(z[i][j], multiply(x[i][k], y[k][j]));
      }
    }
    return matrix(z);
  }
  int transposed(int a) {
    const Grid x = grid(a);
    if (!regular(x)) return fail();
    Grid z(x[0].size(), std::vector<int>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t j = 0; j < x[0].size(); ++j) z[j][i] = x[i][j];
    }
    return matrix(z);
  }
  static Grid minor_of(const Grid& x, size_t row, size_t column) {
    Grid z;
    for (size_t i = 0; i < x.size(); ++i) {
      if (i == row) continue;
      std::vector<int> cells = x[i];
      cells.erase(cells.begin() + static_cast<std::ptrdiff_t>(column));
      z.push_back(std::move(cells));
    }
    return z;
  }
  int determinant(const Grid& x) {
    if (!regular(x) || x.size() != x[0].size() || x.size() > 4 || !ok) return fail();
    if (x.size() == 1) return x[0][0];
    int total = number(0);
    for (size_t j = 0; j < x.size() && ok; ++j) {
      const int term = multiply(x[0][j], determinant(minor_of(x, 0, j)));
      total = add(total, j % 2 ? negate(term) : term);
    }
    return total;
  }
  int inverse(int a) {
    const Grid x = grid(a);
    if (!regular(x) || x.size() != x[0].size() || x.size() > 3) return fail();
    const int whole = determinant(x);
    if (!ok || (is_number(whole) && at(whole).value == 0)) return fail();
    Grid z(x.size(), std::vector<int>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t j = 0; j < x.size(); ++j) {
        const int part = x.size() == 1 ? number(1) : determinant(minor_of(x, j, i));
        z[i][j] = make(Kind::kDiv, {(i + j) % 2 ? negate(part) : part, whole});
      }
    }
    return matrix(z);
  }
  int power(int base, int exponent);
  int call(int index, const std::vector<int>& children);

  Expression& tree_;
  int identity_;
};

int Builder::power(int base, int exponent) {
  const Node& e = at(exponent);
  if (e.kind == Kind::kName && (e.name == "T" || e.name == "top")) return transposed(base);
  Budget budget;
  const auto value = exact_value({&tree_, exponent, 0}, budget);
  if (!value || denominator(*value) != 1 || mp::abs(numerator(*value)) > kMostPower) return fail();
  long n = static_cast<long>(numerator(*value));
  if (n == 0) return regular(grid(base)) ? identity(grid(base).size()) : fail();
  if (n < 0) base = inverse(base);
  int result = base;
  for (n = n < 0 ? -n : n; n > 1 && ok; --n) result = product(result, base);
  return result;
}

int Builder::call(int index, const std::vector<int>& children) {
  const Node& node = at(index);
  if (node.name == "det" || node.name == "abs") return determinant(grid(children[0]));
  if (node.name != "tr") return fail();
  const Grid g = grid(children[0]);
  if (!regular(g) || g.size() != g[0].size()) return fail();
  int total = g[0][0];
  for (size_t i = 1; i < g.size(); ++i) total = add(total, g[i][i]);
  return total;
}

int Builder::reduce(int index) {
  if (!ok) return 0;
  if (identity_ > 0 && is_identity_name(at(index))) return identity(static_cast<size_t>(identity_));
  std::vector<int> children = at(index).children;
  bool matrices = false, changed = false;
  for (int& child : children) {
    const int reduced = reduce(child);
    if (!ok) return 0;
    changed |= reduced != child;
    child = reduced;
    matrices |= is_matrix(child);
  }
  const Kind kind = at(index).kind;
  if (matrices) {
    switch (kind) {
      case Kind::kAdd: {
        int total = children[0];
        for (size_t i = 1; i < children.size(); ++i) {
          if (!is_matrix(total) || !is_matrix(children[i])) return fail();
          total = sum(total, children[i]);
          if (!ok) return 0;
        }
        return total;
      }
      case Kind::kMul: {
        int total = children[0];
        for (size_t i = 1; i < children.size(); ++i) {
          total = product(total, children[i]);
          if (!ok) return 0;
        }
        return total;
      }
      case Kind::kNeg:
        return scaled(children[0], number(-1));
      case Kind::kDiv:
        return is_matrix(children[0]) && !is_matrix(children[1])
                   ? scaled(children[0], make(Kind::kDiv, {number(1), children[1]}))
                   : fail();
      case Kind::kPow:
        return is_matrix(children[0]) && !is_matrix(children[1]) ? power(children[0], children[1])
                                                                 : fail();
      case Kind::kCall:
        return is_matrix(children[0]) ? call(index, children) : fail();
      default:
        break;
    }
  }
  if (!changed) return index;
  const int copy = make(kind, {});
  if (!ok) return 0;
  Node node = at(index);
  node.height = 1;
  for (int child : children) node.height = std::max(node.height, at(child).height + 1);
  node.children = std::move(children);
  tree_.nodes[static_cast<size_t>(copy)] = std::move(node);
  return copy;
}

const char* const kUnitNames[] = {"unit i", "unit j", "unit k"};

}  // namespace

std::optional<int> reduce_matrices(Expression& tree, int index, int identity) {
  Builder builder(tree, identity);
  const int reduced = builder.reduce(index);
  return builder.ok ? std::optional<int>(reduced) : std::nullopt;
}

bool names_identity(View view) {
  if (is_identity_name(view.get())) return true;
  for (size_t i = 0; i < view.size(); ++i) {
    if (names_identity(view.child(i))) return true;
  }
  return false;
}

bool has_unit_vectors(View view) {
  const Node& node = view.get();
  if (node.kind == Kind::kName && node.name.starts_with("unit ")) return true;
  for (size_t i = 0; i < view.size(); ++i) {
    if (has_unit_vectors(view.child(i))) return true;
  }
  return false;
}

bool names_unit_vectors(View view) {
  const Node& node = view.get();
  if (node.kind == Kind::kName &&
      (node.name.starts_with("unit ") || node.name == "j" || node.name == "k"))
    return true;
  for (size_t i = 0; i < view.size(); ++i) {
    if (names_unit_vectors(view.child(i))) return true;
  }
  return false;
}

Expression with_unit_vectors(View view) {
  Expression copy = *view.tree;
  copy.root = view.node;
  for (Node& node : copy.nodes) {
    const bool plain = (node.kind == Kind::kConstant && node.name == "i") ||
                       (node.kind == Kind::kName && (node.name == "j" || node.name == "k"));
    if (!plain) continue;
    node.kind = Kind::kName;
    node.name.insert(0, "unit ");
  }
  return copy;
}

std::optional<Expression> as_unit_vectors(View vector) {
  const auto entries = vector_of(vector);
  if (!entries || entries->size() < 2 || entries->size() > 3) return std::nullopt;
  Expression copy = *vector.tree;
  const auto make = [&](Kind kind, std::vector<int> children, std::string name) {
    Node node;
    node.kind = kind;
    node.name = std::move(name);
    for (int child : children) node.height = std::max(node.height, copy.at(child).height + 1);
    node.children = std::move(children);
    copy.nodes.push_back(std::move(node));
    return static_cast<int>(copy.nodes.size()) - 1;
  };
  std::vector<int> terms;
  for (size_t i = 0; i < entries->size(); ++i) {
    if (!is_scalar((*entries)[i])) return std::nullopt;
    const int unit = make(Kind::kName, {}, kUnitNames[i]);
    terms.push_back(make(Kind::kMul, {(*entries)[i].node, unit}, ""));
  }
  copy.root = make(Kind::kAdd, std::move(terms), "");
  return copy;
}

}  // namespace ponder::judge
