#include "judge/equal/scalar.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "judge/equal/modular.h"

namespace ponder::judge {
namespace {

constexpr int kPoints = 4;       // that must agree
constexpr int kMostPoints = 16;  // tried to find them
constexpr int kSignPoints = 6;   // of variables of either sign
constexpr int kMostWide = 32;
constexpr int kWideTries = 10;   // as far out as the numbers that the formulas hold
constexpr int kStepPoints = 24;  // that must agree where there are floors or ceilings
constexpr int kMostStepPoints = 32;
constexpr int kWholeNeeded = 8;  // points of whole numbers that must agree
constexpr int kWholeTries = 32;

View without_degree(View view) {
  while (view.get().kind == Kind::kDegree) view = view.child(0);
  return view;
}

// "5 m" and "3 m^2" are measures where gold is a plain number.
View without_unit_letter(View view) {
  if (view.get().kind != Kind::kMul || view.size() != 2 || has_names(view.child(0))) return view;
  View unit = view.child(1);
  if (unit.get().kind == Kind::kPow && unit.child(1).get().kind == Kind::kNumber)
    unit = unit.child(0);
  static constexpr std::string_view kUnitLetters = "msghLNJWK";
  const Node& node = unit.get();
  const bool letter = node.kind == Kind::kName && node.name.size() == 1 &&
                      kUnitLetters.find(node.name[0]) != std::string_view::npos;
  return letter ? view.child(0) : view;
}

// The written decimals of a lone number (a sign in front is fine), or nothing.
std::optional<int> written_decimals(View view) {
  view = without_degree(view);
  while (view.get().kind == Kind::kNeg || view.get().kind == Kind::kPercent) view = view.child(0);
  if (view.get().kind != Kind::kNumber) return std::nullopt;
  return view.get().decimals;
}

bool terminates(Rational value) {
  BigInt bottom = denominator(value);
  while (!mp::bit_test(bottom, 0)) bottom >>= 1;
  while (bottom % 5 == 0) bottom /= 5;
  return bottom == 1;
}

int significant_digits(const Rational& value, int decimals) {
  const BigInt digits = mp::abs(
      numerator(Rational(value * Rational(mp::pow(BigInt(10), static_cast<unsigned>(decimals))))));
  return digits == 0 ? 0 : static_cast<int>(digits.str().size());
}

// A decimal stands for the value it rounds: gold's decimals always, when the other side is no
// decimal itself; the prediction's only when it is written to the precision of a double.
bool rounds_to(const Rational& decimal, int decimals, const Complex& value, bool truncated_too) {
  const Float unit = Float(1) / mp::pow(Float(10), decimals);
  const Float distance = mp::abs(to_complex(decimal).re - value.re);
  const Float limit = truncated_too ? unit : Float(unit / 2);
  return value.im == 0 && distance <= limit * Float("1.000001");
}

bool within(const Complex& gold, const Complex& prediction, double tolerance) {
  const Float distance = mp::abs(gold.re - prediction.re);
  return gold.im == 0 && prediction.im == 0 && distance <= mp::abs(gold.re) * Float(tolerance);
}

std::optional<Complex> value_of(View view, const std::optional<Rational>& exact, Budget& budget) {
  return exact ? std::optional<Complex>(to_complex(*exact)) : approximate_value(view, 0, budget);
}

Comparison compare_numbers(View gold, View prediction, const ScalarRules& rules, Budget& budget) {
  const auto a = exact_value(gold, budget), b = exact_value(prediction, budget);
  if (a && b && *a == *b) return {Match::kEqual, "equal as exact rationals"};
  const auto gold_decimals = written_decimals(gold), decimals = written_decimals(prediction);
  const bool may_round = a && gold_decimals.value_or(0) >= 2 && !decimals && !(b && terminates(*b));
  const bool may_be_rounded = b && decimals.value_or(0) >= 2 && !gold_decimals &&
                              !(a && terminates(*a)) && significant_digits(*b, *decimals) >= 12;
  if (a && b && !rules.tolerance && !may_round && !may_be_rounded)
    return {Match::kDifferent, "different exact rationals"};
  const auto x = value_of(gold, a, budget), y = value_of(prediction, b, budget);
  if (rules.tolerance && x && y && within(*x, *y, *rules.tolerance)) {
    return {Match::kEqual, "equal within the tolerance asked for"};
  }
  if (may_round && y &&
      rounds_to(*a, *gold_decimals, *y, significant_digits(*a, *gold_decimals) >= 12)) {
    return {Match::kEqual, "rounds to the decimals of gold"};
  }
  if (may_be_rounded && x && rounds_to(*b, *decimals, *x, true)) {
    return {Match::kEqual, "a decimal of at least 12 digits of gold"};
  }
  if (a && b) return {Match::kDifferent, "different exact rationals"};
  if (!x || !y)
    return {Match::kUnknown, "a value is undefined, too large or beyond the step budget"};
  switch (closeness(*x, *y)) {
    case Closeness::kEqual:
      return {Match::kEqual, "equal in at least 30 digits"};
    case Closeness::kUnequal:
      return {Match::kDifferent, "different in high precision"};
    case Closeness::kUnclear:
      break;
  }
  return {Match::kUnknown, "precision does not suffice"};
}

bool has_steps(View view) {
  if (view.get().kind == Kind::kCall && (view.get().name == "floor" || view.get().name == "ceil"))
    return true;
  for (size_t i = 0; i < view.size(); ++i) {
    if (has_steps(view.child(i))) return true;
  }
  return false;
}

// Roots, fractional powers and absolute values may agree where variables are positive and nowhere
// else.
bool has_branches(View view) {
  const Node& node = view.get();
  if (node.kind == Kind::kRoot ||
      (node.kind == Kind::kCall &&
       (node.name == "abs" || node.name == "sign" || node.name == "max" || node.name == "min"))) {
    if (has_names(view)) return true;
  }
  if (node.kind == Kind::kPow && node.children.size() == 2 && has_names(view.child(0)) &&
      view.child(1).get().kind != Kind::kNumber)
    return true;
  for (size_t i = 0; i < view.size(); ++i) {
    if (has_branches(view.child(i))) return true;
  }
  return false;
}

bool names_a_real(View view) {
  const Node& node = view.get();
  if (node.kind == Kind::kName && node.name.size() == 1 &&
      std::string_view("xyzt").find(node.name[0]) != std::string_view::npos)
    return true;
  for (size_t i = 0; i < view.size(); ++i) {
    if (names_a_real(view.child(i))) return true;
  }
  return false;
}

std::optional<Closeness> closeness_at(int point, View gold, View prediction, Budget& budget) {
  const auto x = approximate_value(gold, point, budget),
             y = approximate_value(prediction, point, budget);
  return x && y ? std::optional(closeness(*x, *y)) : std::nullopt;
}

// False where both sides are defined at one of the points and differ.
bool agree_at(int first, int count, View gold, View prediction, Budget& budget) {
  for (int point = first; point < first + count; ++point) {
    if (closeness_at(point, gold, prediction, budget) == Closeness::kUnequal) return false;
  }
  return true;
}

// n!, binomials, (-1)^n, sums up to n, gcd(m, n): formulas that only whole numbers have values of.
bool is_for_whole_numbers(View view) {
  const Node& node = view.get();
  switch (node.kind) {
    case Kind::kFactorial:
    case Kind::kBinomial:
      if (has_names(view)) return true;
      break;
    case Kind::kSum:
    case Kind::kProduct:
      if (has_names(view.child(0)) || has_names(view.child(1))) return true;
      break;
    case Kind::kCall:
      if ((node.name == "gcd" || node.name == "lcm" || node.name == "mod") && has_names(view))
        return true;
      break;
    case Kind::kPow: {
      View base = view.child(0);
      const bool negative = base.get().kind == Kind::kNeg ||
                            (base.get().kind == Kind::kConstant && base.get().name == "i");
      if (negative && !has_names(base) && has_names(view.child(1))) return true;
      break;
    }
    default:
      break;
  }
  for (size_t i = 0; i < view.size(); ++i) {
    if (is_for_whole_numbers(view.child(i))) return true;
  }
  return false;
}

void collect_names(View view, std::vector<const std::string*>& names) {
  const Node& node = view.get();
  const auto known = [&](const std::string& name) {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string* n) { return *n == name; });
  };
  if (node.kind == Kind::kName && !known(node.name)) names.push_back(&node.name);
  for (size_t i = 0; i < view.size(); ++i) collect_names(view.child(i), names);
}

// Whole numbers from 2 on for every name, at kWholeTries points; exact where both sides are.
Comparison compare_at_whole_numbers(View gold, View prediction, Budget& budget) {
  std::vector<const std::string*> names;
  collect_names(gold, names);
  collect_names(prediction, names);
  std::sort(names.begin(), names.end(),
            [](const std::string* a, const std::string* b) { return *a < *b; });
  const size_t outer = budget.bound.size();
  int agreed = 0;
  for (int point = 0; point < kWholeTries && agreed < kWholeNeeded; ++point) {
    for (size_t i = 0; i < names.size(); ++i) {
      // The first name is the largest at even points, the last one at odd points, so that both
      // binomials of n over k and of k over n have values.
      const size_t place = point % 2 == 0 ? i : names.size() - 1 - i;
      const int top = 3 + point / (names.size() > 1 ? 2 : 1);
      const int step = static_cast<int>(place);
      const int value = place == 0 ? top : 1 + (point * (2 + step) + step) % top;
      budget.bound.push_back({names[i], Rational(value)});
    }
    const auto a = exact_value(gold, budget), b = exact_value(prediction, budget);
    std::optional<Closeness> close;
    if (a && b) {
      close = *a == *b ? Closeness::kEqual : Closeness::kUnequal;
    } else {
      const auto x = approximate_value(gold, 0, budget),
                 y = approximate_value(prediction, 0, budget);
      if (x && y) close = closeness(*x, *y);
    }
    budget.bound.resize(outer);
    if (close == Closeness::kUnequal) return {Match::kDifferent, "different at whole numbers"};
    agreed += close == Closeness::kEqual;
  }
  if (agreed == kWholeNeeded)
    return {Match::kEqual, "equal at " + std::to_string(kWholeNeeded) + " points of whole numbers"};
  return {Match::kUnknown, "cannot be evaluated at enough whole numbers"};
}

bool same_form(View a, View b) {
  const Node &x = a.get(), &y = b.get();
  if (x.kind != y.kind || x.name != y.name || x.value != y.value || a.size() != b.size() ||
      a.sign != b.sign)
    return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!same_form(a.child(i), b.child(i))) return false;
  }
  return true;
}

Comparison compare_formulas(View gold, View prediction, Budget& budget) {
  if (is_for_whole_numbers(gold) || is_for_whole_numbers(prediction))
    return compare_at_whole_numbers(gold, prediction, budget);
  if (const auto equal =
          budget.radians ? std::nullopt : equal_modulo_primes(gold, prediction, budget)) {
    return *equal ? Comparison{Match::kEqual, "equal at 2 seeded points modulo 61-bit primes"}
                  : Comparison{Match::kDifferent, "different modulo a prime"};
  }
  const bool steps = has_steps(gold) || has_steps(prediction);
  const int needed = steps ? kStepPoints : kPoints;
  budget.reach = std::max(reach_of(*gold.tree), reach_of(*prediction.tree));
  // Where a formula has no value at the usual points (arcsin x, ln(x - 7)), nearer or farther ones.
  using Points = std::pair<int, int>;
  const std::vector<Points> places =
      steps ? std::vector<Points>{{kWholePoints, kMostStepPoints}}
            : std::vector<Points>{
                  {0, kMostPoints}, {kUnitPoints, kMostPoints}, {kWidePoints, kMostWide}};
  int agreed = 0;
  for (const auto& [first, count] : places) {
    for (int point = first; point < first + count && agreed < needed; ++point) {
      const auto close = closeness_at(point, gold, prediction, budget);
      if (close == Closeness::kUnequal) return {Match::kDifferent, "different at a test point"};
      agreed += close == Closeness::kEqual;
    }
  }
  // Whole numbers do not tell a floor from a ceiling: x, y, z and t are hardly whole.
  const bool real = names_a_real(gold) || names_a_real(prediction);
  if (agreed == needed && steps && real && !agree_at(0, kPoints, gold, prediction, budget))
    return {Match::kDifferent, "different where a variable is not whole"};
  if (agreed == needed && steps &&
      !agree_at(real ? kWidePoints : kWideWholePoints, kWideTries, gold, prediction, budget))
    return {Match::kDifferent, "different at large values"};
  if (agreed == needed && (has_branches(gold) || has_branches(prediction)) &&
      (!agree_at(kMixedPoints, kSignPoints, gold, prediction, budget) ||
       !agree_at(kWidePoints, kWideTries, gold, prediction, budget))) {
    return {Match::kDifferent, "different where a variable is negative or large"};
  }
  if (agreed == needed) {
    return {Match::kEqual,
            "equal at " + std::to_string(needed) + " seeded points in at least 30 digits"};
  }
  if (same_form(gold, prediction)) return {Match::kEqual, "the same written form"};
  return {Match::kUnknown, "cannot be evaluated at enough test points"};
}

}  // namespace

double reach_of(const Expression& expression) {
  double reach = 1;
  for (const Node& node : expression.nodes) {
    if (node.kind == Kind::kNumber && mp::abs(node.value) < 1000000)
      reach = std::max(reach, static_cast<double>(mp::abs(node.value)));
  }
  return reach;
}

Comparison compare_scalars(View gold, View prediction, const ScalarRules& rules, Budget& budget) {
  if (!budget.radians) {
    gold = without_degree(gold);
    prediction = without_degree(prediction);
  }
  const bool percent = gold.get().kind == Kind::kPercent;
  if (rules.outermost && percent != (prediction.get().kind == Kind::kPercent)) {
    // "28%" answers "what per cent?" as 28 does, and is 0.28 as well.
    const View bare_gold = percent ? gold.child(0) : gold;
    const View bare = percent ? prediction : prediction.child(0);
    const Comparison as_written = compare_numbers(bare_gold, bare, rules, budget);
    if (as_written.match == Match::kEqual)
      return {Match::kEqual, as_written.rule + ", percent sign apart"};
  }
  if (!has_names(gold)) prediction = without_unit_letter(prediction);
  if (has_names(gold) || has_names(prediction)) return compare_formulas(gold, prediction, budget);
  return compare_numbers(gold, prediction, rules, budget);
}

Proportion proportional(View a, View b, View c, View d, Budget& budget) {
  std::optional<Complex> first_left, first_right;
  int agreed = 0;
  Proportion result;
  for (int point = 0; point < kMostPoints && agreed < kPoints; ++point) {
    const auto av = approximate_value(a, point, budget), bv = approximate_value(b, point, budget);
    const auto cv = approximate_value(c, point, budget), dv = approximate_value(d, point, budget);
    if (!av || !bv || !cv || !dv) continue;
    const Complex left{av->re - bv->re, av->im - bv->im, av->error + bv->error};
    const Complex right{cv->re - dv->re, cv->im - dv->im, cv->error + dv->error};
    if (left.re == 0 || right.re == 0) continue;
    if (!first_left) {
      first_left = left;
      first_right = right;
      result.sign = (left.re > 0) == (right.re > 0) ? 1 : -1;
      ++agreed;
      continue;
    }
    const Closeness close = closeness(multiply(left, *first_right), multiply(right, *first_left));
    if (close == Closeness::kUnequal) return {Match::kDifferent, 0};
    agreed += close == Closeness::kEqual;
  }
  if (agreed == kPoints) result.match = Match::kEqual;
  return result;
}

}  // namespace ponder::judge
