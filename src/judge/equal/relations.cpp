#include "judge/equal/relations.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "judge/equal/scalar.h"
#include "judge/read/shape.h"

namespace ponder::judge {
namespace {

constexpr int kRootTries = 12;   // of the other names, in search of roots
constexpr int kRootPoints = 4;   // that must agree
constexpr int kSidePoints = 10;  // of inequalities

void collect_names(View view, std::set<std::string>& names) {
  if (view.get().kind == Kind::kName) names.insert(view.get().name);
  for (size_t i = 0; i < view.size(); ++i) collect_names(view.child(i), names);
}

std::optional<Complex> difference_of_sides(View relation, int point, Budget& budget) {
  const auto left = approximate_value(relation.child(0), point, budget);
  const auto right = approximate_value(relation.child(1), point, budget);
  if (!left || !right || left->im != 0 || right->im != 0) return std::nullopt;
  return Complex{left->re - right->re, 0, left->error + right->error};
}

Closeness to_zero(const Complex& value) { return closeness(value, Complex{}); }

// The difference of the sides is a polynomial of degree 1 or 2 in `name` there: its real roots.
// Nothing where it is not.
std::optional<std::vector<Complex>> real_roots(View relation, const std::string& name, int point,
                                               Budget& budget) {
  const auto at = [&](int x) {
    budget.bound.push_back({&name, Rational(x)});
    const auto value = difference_of_sides(relation, point, budget);
    budget.bound.pop_back();
    return value;
  };
  const auto zero = at(0), one = at(1), two = at(2), five = at(5), seven = at(7);
  if (!zero || !one || !two || !five || !seven) return std::nullopt;
  const auto times = [](const Complex& x, int n) { return multiply(x, {Float(n), 0, 0}); };
  const Complex half{Float("0.5"), 0, 0};
  const Complex a = multiply(add(add(*two, times(*one, -2)), *zero), half);
  const Complex b = add(add(*one, times(*zero, -1)), times(a, -1));
  const auto fits = [&](const Complex& value, int x) {
    return closeness(value, add(add(times(a, x * x), times(b, x)), *zero)) == Closeness::kEqual;
  };
  if (!fits(*five, 5) || !fits(*seven, 7)) return std::nullopt;
  std::vector<Complex> roots;
  const auto add_root = [&](const Complex& top, const Complex& bottom) {
    const auto root = divide(top, bottom);
    if (root) roots.push_back(*root);
    return root.has_value();
  };
  switch (to_zero(a)) {
    case Closeness::kUnclear:
      return std::nullopt;
    case Closeness::kEqual:
      if (to_zero(b) != Closeness::kUnequal || !add_root(times(*zero, -1), b)) return std::nullopt;
      return roots;
    case Closeness::kUnequal:
      break;
  }
  const Complex discriminant = add(multiply(b, b), times(multiply(a, *zero), -4));
  const Closeness one_root = to_zero(discriminant);
  if (one_root == Closeness::kUnclear) return std::nullopt;
  if (one_root == Closeness::kUnequal && discriminant.re < 0) return roots;
  const auto root =
      one_root == Closeness::kEqual ? std::optional(Complex{}) : nth_root(discriminant, 2);
  if (!root) return std::nullopt;
  for (int sign : {1, -1}) {
    if (!add_root(add(times(b, -1), times(*root, sign)), times(a, 2))) return std::nullopt;
  }
  return roots;
}

// Is `root` of `name` a solution there?
std::optional<bool> is_root(View relation, const std::string& name, const Complex& root, int point,
                            Budget& budget) {
  budget.near.push_back({&name, root});
  const auto value = difference_of_sides(relation, point, budget);
  budget.near.pop_back();
  if (!value) return std::nullopt;
  const Closeness close = to_zero(*value);
  if (close == Closeness::kUnclear) return std::nullopt;
  return close == Closeness::kEqual;
}

// No two values of `name` give `view` the same value: it stands there once, within functions that
// take every value once (ln, exp, odd powers and roots) and arithmetic with what does not name it.
bool takes_each_value_once(View view, const std::string& name) {
  const Node& node = view.get();
  if (node.kind == Kind::kName) return node.name == name;
  std::optional<size_t> inside;
  for (size_t i = 0; i < view.size(); ++i) {
    if (!mentions(view.child(i), name)) continue;
    if (inside) return false;
    inside = i;
  }
  if (!inside || !takes_each_value_once(view.child(*inside), name)) return false;
  switch (node.kind) {
    case Kind::kNeg:
    case Kind::kAdd:
    case Kind::kDiv:
    case Kind::kRoot:
      return node.kind != Kind::kRoot || *inside == 0;
    case Kind::kMul:
      return true;
    case Kind::kPow: {
      if (*inside == 1) return !has_names(view.child(0));
      const Node& power = view.child(1).get();
      return power.kind == Kind::kNumber && denominator(power.value) == 1 &&
             mp::bit_test(mp::abs(numerator(power.value)), 0);
    }
    case Kind::kCall:
      for (const char* function : {"ln", "lg", "log", "exp", "arctan", "arcsin", "sinh", "tanh"}) {
        if (node.name == function && *inside == 0) return true;
      }
      return false;
    default:
      return false;
  }
}

bool has_one_root(View relation, const std::string& name) {
  const bool left = mentions(relation.child(0), name), right = mentions(relation.child(1), name);
  return left != right && takes_each_value_once(relation.child(left ? 0 : 1), name);
}

// A root of the one name that both hold, between two values where the difference of the sides has
// certainly different signs; its error covers the root.
std::optional<Complex> bracketed_root(View relation, const std::string& name, Budget& budget) {
  const auto at = [&](const Float& x) -> std::optional<Complex> {
    budget.near.push_back({&name, {x, 0, 0}});
    const auto value = difference_of_sides(relation, 0, budget);
    budget.near.pop_back();
    if (value && to_zero(*value) != Closeness::kUnequal) return std::nullopt;
    return value;
  };
  Float low = 0, high = 0, at_low = 0, at_high = 0;
  bool before = false, found = false;
  for (int i = -12; i <= 12 && !found; ++i) {
    const Float x = Float(i) * Float("0.37") + Float("0.011");
    const auto y = at(x);
    found = y && before && (y->re > 0) != (at_low > 0);
    (found ? high : low) = x;
    if (y) (found ? at_high : at_low) = y->re;
    before = y.has_value();
  }
  const Float narrow("1e-35");
  for (int i = 0; found && i < 60 && high - low > narrow; ++i) {
    // The false position, kept off the ends, so that both ends move.
    Float x = low + (high - low) * at_low / (at_low - at_high);
    if (i % 3 == 2) x = (low + high) / 2;
    if (i % 3 == 1) x += (x - low < high - x ? 1 : -1) * mp::abs(at_low * at_high) * (high - low);
    if (x <= low || x >= high) x = (low + high) / 2;
    const auto y = at(x);
    if (!y) {  // as near to 0 as is seen
      low = x - Float("1e-25");
      high = x + Float("1e-25");
      break;
    }
    const bool left = (y->re > 0) == (at_low > 0);
    (left ? low : high) = x;
    (left ? at_low : at_high) = y->re;
  }
  if (!found) return std::nullopt;
  const Complex root{(low + high) / 2, 0, high - low};
  budget.near.push_back({&name, root});
  const auto value = difference_of_sides(relation, 0, budget);
  budget.near.pop_back();
  if (!value || to_zero(*value) == Closeness::kUnequal) return std::nullopt;  // a pole, a step
  return root;
}

// By the roots in one name, the others at seeded points.
Comparison by_roots(View gold, View prediction, const std::string& name, Budget& budget) {
  const Comparison unknown{Match::kUnknown, "equations whose solutions cannot be compared"};
  int agreed = 0;
  for (int point = 0; point < kRootTries && agreed < kRootPoints; ++point) {
    bool found[2] = {false, false}, all = true;
    for (int side = 0; side < 2; ++side) {
      const View relation = side == 0 ? gold : prediction, other = side == 0 ? prediction : gold;
      const auto roots = real_roots(relation, name, point, budget);
      found[side] = roots.has_value();
      if (!roots) continue;
      for (const Complex& root : *roots) {
        const auto solved = is_root(other, name, root, point, budget);
        if (solved == false)
          return {Match::kDifferent, "a solution of one equation is none of the other"};
        all &= solved.has_value();
      }
      all &= !roots->empty();
    }
    const bool both = (found[0] || has_one_root(gold, name)) &&
                      (found[1] || has_one_root(prediction, name)) && (found[0] || found[1]);
    agreed += both && all;
  }
  if (agreed < kRootPoints) return unknown;
  return {Match::kEqual, "equations with the same solutions for " + name};
}

// At a point that satisfies one of two inequalities alone they are different. Points anywhere first, then
// beside the boundary of each in one name: half-planes with parallel edges differ in a strip.
Comparison by_sides(View gold, View prediction, const std::set<std::string>& names,
                    Budget& budget) {
  const auto holds = [&](View relation, int point) -> std::optional<bool> {
    const auto value = difference_of_sides(relation, point, budget);
    if (!value || to_zero(*value) != Closeness::kUnequal) return std::nullopt;
    const char sign = relation.get().name[0];
    if (sign == '<' || sign == 'L') return value->re < 0;
    if (sign == '>' || sign == 'G') return value->re > 0;
    return std::nullopt;
  };
  budget.reach = std::max(reach_of(*gold.tree), reach_of(*prediction.tree));
  for (int first : {kMixedPoints, kWidePoints}) {
    for (int point = first; point < first + kSidePoints; ++point) {
      const auto a = holds(gold, point), b = holds(prediction, point);
      if (a && b && *a != *b) return {Match::kDifferent, "a point satisfies one of them alone"};
    }
  }
  constexpr int kEdges = 2;
  static const Float kBeside[] = {Float("0.001"), Float("0.03"), Float("0.5")};
  for (const std::string& name : names) {
    for (int point = 0; point < kEdges; ++point) {
      for (const View& relation : {gold, prediction}) {
        const auto roots = real_roots(relation, name, point, budget);
        if (!roots) continue;
        for (const Complex& root : *roots) {
          for (const Float& beside : kBeside) {
            for (const int side : {-1, 1}) {
              budget.near.push_back({&name, {root.re + side * beside, 0, 0}});
              const auto a = holds(gold, point), b = holds(prediction, point);
              budget.near.pop_back();
              if (a && b && *a != *b)
                return {Match::kDifferent, "a point satisfies one of them alone"};
            }
          }
        }
      }
    }
  }
  return {Match::kUnknown, "inequalities that no point was found to tell apart"};
}

bool orders_sides(View relation) {
  return std::string_view("<>LG").find(relation.get().name[0]) != std::string_view::npos;
}

}  // namespace

Comparison compare_two_sided(View gold, View prediction, Budget& budget) {
  const Proportion p =
      proportional(gold.child(0), gold.child(1), prediction.child(0), prediction.child(1), budget);
  if (p.match == Match::kEqual) {
    char a = gold.get().name[0], b = prediction.get().name[0];
    if (a == '~') a = '=';
    if (b == '~') b = '=';
    if (p.sign < 0) b = b == '<' ? '>' : b == '>' ? '<' : b == 'L' ? 'G' : b == 'G' ? 'L' : b;
    return {a == b ? Match::kEqual : Match::kDifferent,
            a == b ? "relations equal up to a factor" : "different relations"};
  }
  std::set<std::string> names, others;
  collect_names(gold, names);
  collect_names(prediction, others);
  if (orders_sides(gold) && orders_sides(prediction) && names == others)
    return by_sides(gold, prediction, names, budget);
  if (!is_equation(gold) || !is_equation(prediction))
    return {p.match, "relations that are no multiple of each other"};
  if (names != others) return {p.match, "equations of different names"};
  std::optional<Comparison> equal;
  for (const std::string& name : names) {
    Comparison result = by_roots(gold, prediction, name, budget);
    if (result.match == Match::kDifferent) return result;
    if (result.match == Match::kEqual) equal = result;
  }
  if (equal) return *equal;
  if (names.size() == 1) {
    for (const auto& [relation, other] : {std::pair{gold, prediction}, {prediction, gold}}) {
      const auto root = bracketed_root(relation, *names.begin(), budget);
      if (root && is_root(other, *names.begin(), *root, 0, budget) == false)
        return {Match::kDifferent, "a solution of one equation is none of the other"};
    }
  }
  return {Match::kUnknown, "equations whose solutions cannot be compared"};
}

Comparison compare_with_solutions(View equation, const std::vector<View>& values, Budget& budget) {
  const Comparison different{Match::kDifferent, "different kinds of answer"};
  std::set<std::string> names;
  collect_names(equation, names);
  if (names.size() != 1) return different;
  for (const View& value : values) {
    if (!is_scalar(value) || has_names(value)) return different;
    const auto number = approximate_value(value, 0, budget);
    if (!number || number->im != 0) continue;
    if (is_root(equation, *names.begin(), *number, 0, budget) == false)
      return {Match::kDifferent, "a value that does not solve the equation"};
  }
  return {Match::kUnknown, "an equation and values that solve it"};
}

std::optional<Comparison> compare_congruences(View gold, View prediction, Budget& budget) {
  if (gold.get().name != "=%" || prediction.get().name != "=%") return std::nullopt;
  const auto a = exact_value(gold.child(1), budget), b = exact_value(prediction.child(1), budget);
  const auto m = exact_value(gold.child(2), budget), n = exact_value(prediction.child(2), budget);
  const bool names =
      gold.child(0).get().kind == Kind::kName && prediction.child(0).get().kind == Kind::kName;
  if (!a || !b || !m || !n || !names || *m == 0) return std::nullopt;
  const bool same = *m == *n && denominator(Rational((*a - *b) / *m)) == 1;
  return Comparison{same ? Match::kEqual : Match::kDifferent, "congruences"};
}

}  // namespace ponder::judge
