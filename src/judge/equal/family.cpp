#include "judge/equal/family.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "judge/read/shape.h"

namespace ponder::judge {
namespace {

constexpr long kMostMultiples = 24;  // of one step in another, either way
constexpr long kMostResidues = 200;  // of one side

struct Condition {
  std::string letter, set;  // n in Z
};

const std::vector<int>* items_with_conditions(const Expression& expression) {
  const Node& root = expression.at(expression.root);
  return root.kind == Kind::kList || root.kind == Kind::kSet ? &root.children : nullptr;
}

bool is_condition(const Expression& expression, int item) {
  const Node& node = expression.at(item);
  return node.kind == Kind::kRelation && node.name == "E";
}

std::vector<Condition> conditions_of(const Expression& expression) {
  std::vector<Condition> conditions;
  if (const auto* items = items_with_conditions(expression)) {
    for (int item : *items) {
      if (!is_condition(expression, item)) continue;
      const Node& condition = expression.at(item);
      conditions.push_back(
          {expression.at(condition.children[0]).name, expression.at(condition.children[1]).name});
    }
  }
  return conditions;
}

// start + step * n over all whole n, or start alone.
struct Progression {
  Complex start;
  std::optional<Complex> step;
};

// How a formula depends on its parameter: not at all, or as a + bn; (-1)^n may be in it.
struct Dependence {
  int degree = 0;
  bool alternates = false;
};

std::optional<Complex> value_at(View view, const std::string& letter, int n, Budget& budget) {
  budget.bound.push_back({&letter, Rational(n)});
  auto value = approximate_value(view, 0, budget);
  budget.bound.pop_back();
  return value;
}

bool is_whole_at(View view, const std::string& letter, int n, Budget& budget) {
  budget.bound.push_back({&letter, Rational(n)});
  const auto value = exact_value(view, budget);
  budget.bound.pop_back();
  return value && denominator(*value) == 1;
}

bool names(View view, const std::string& letter) {
  if (view.get().kind == Kind::kName && view.get().name == letter) return true;
  for (size_t i = 0; i < view.size(); ++i) {
    if (names(view.child(i), letter)) return true;
  }
  return false;
}

// Nothing where it is neither.
std::optional<Dependence> dependence_on(const std::string& letter, View view, Budget& budget) {
  if (!names(view, letter)) return Dependence{};
  Dependence all;
  switch (view.get().kind) {
    case Kind::kName:
      return Dependence{1, false};
    case Kind::kAdd:
    case Kind::kNeg:
    case Kind::kPlusMinus:
    case Kind::kDegree:
    case Kind::kPercent:
    case Kind::kMul:
      for (size_t i = 0; i < view.size(); ++i) {
        const auto part = dependence_on(letter, view.child(i), budget);
        if (!part) return std::nullopt;
        const bool product = view.get().kind == Kind::kMul;
        all.degree = product ? all.degree + part->degree : std::max(all.degree, part->degree);
        all.alternates |= part->alternates;
      }
      return all.degree <= 1 ? std::optional(all) : std::nullopt;
    case Kind::kDiv:
      return names(view.child(1), letter) ? std::nullopt
                                          : dependence_on(letter, view.child(0), budget);
    case Kind::kPow: {
      if (names(view.child(0), letter)) return std::nullopt;
      const auto base = exact_value(view.child(0), budget);
      const View exponent = view.child(1);
      const auto power = dependence_on(letter, exponent, budget);
      const bool whole =
          is_whole_at(exponent, letter, 0, budget) && is_whole_at(exponent, letter, 1, budget);
      if (!base || *base != -1 || !power || power->alternates || !whole) return std::nullopt;
      return Dependence{0, true};
    }
    default:
      return std::nullopt;
  }
}

Complex minus(const Complex& a, const Complex& b) {
  return {a.re - b.re, a.im - b.im, a.error + b.error};
}

// One of `letters` that the formula names; false where it names another letter or two of them.
bool one_letter(View view, const std::vector<std::string>& letters, const std::string*& letter) {
  if (view.get().kind == Kind::kName) {
    const auto found = std::find(letters.begin(), letters.end(), view.get().name);
    if (found == letters.end() || (letter && *letter != *found)) return false;
    letter = &*found;
  }
  for (size_t i = 0; i < view.size(); ++i) {
    if (!one_letter(view.child(i), letters, letter)) return false;
  }
  return true;
}

bool add_progressions(View item, const std::vector<std::string>& letters, Budget& budget,
                      std::vector<Progression>& all) {
  const auto add = [&](std::optional<Complex> start, std::optional<Complex> next) {
    if (!start || !next || start->im != 0 || next->im != 0) return false;
    const Complex step = minus(*next, *start);
    const bool still = step.re == 0 || closeness(*next, *start) == Closeness::kEqual;
    all.push_back({*start, still ? std::nullopt : std::optional(step)});
    return still || closeness(*next, *start) == Closeness::kUnequal;
  };
  if (item.get().kind == Kind::kRelation && item.get().name == "=%") {  // x = 1 mod 4
    const auto residue = approximate_value(item.child(1), 0, budget);
    const auto modulus = approximate_value(item.child(2), 0, budget);
    if (item.child(0).get().kind != Kind::kName || has_names(item.child(1)) ||
        has_names(item.child(2)) || !residue || !modulus)
      return false;
    return add(residue, judge::add(*residue, *modulus));
  }
  const std::string* letter = nullptr;
  if (!is_scalar(item) || !one_letter(item, letters, letter)) return false;
  if (!letter) {
    const auto value = approximate_value(item, 0, budget);
    return add(value, value);
  }
  const auto dependence = dependence_on(*letter, item, budget);
  if (!dependence) return false;
  const auto at = [&](int n) { return value_at(item, *letter, n, budget); };
  if (!dependence->alternates) return add(at(0), at(1));
  return add(at(0), at(2)) && add(at(1), at(3));
}

std::optional<std::vector<Progression>> progressions_of(const Expression& expression,
                                                        const std::vector<std::string>& letters,
                                                        Budget& budget) {
  std::vector<Progression> all;
  for (const View& item : items_of({&expression, expression.root, 0})) {
    if (!add_progressions(item, letters, budget, all)) return std::nullopt;
  }
  return all;
}

// The whole number that x certainly is, to 30 digits; `unclear` where it may or may not be one.
std::optional<long> whole_number(const Complex& x, long limit, bool& unclear) {
  if (x.im != 0 || mp::abs(x.re) > limit) return std::nullopt;
  const Float nearest = mp::round(x.re);
  // Beside 1, so that the error counts as a part of a step and not of a residue near 0.
  const Closeness close = closeness({x.re + 1, 0, x.error}, {nearest + 1, 0, 0});
  unclear |= close == Closeness::kUnclear;
  if (close != Closeness::kEqual) return std::nullopt;
  return static_cast<long>(nearest);
}

struct Ratio {
  long top, bottom;
};

// b = a * top / bottom in small whole numbers, signs aside.
std::optional<Ratio> ratio_of(const Complex& a, const Complex& b, bool& unclear) {
  const auto quotient = divide(b, a);
  if (!quotient) return std::nullopt;
  for (long bottom = 1; bottom <= kMostMultiples; ++bottom) {
    const auto top = whole_number(multiply(*quotient, {Float(bottom), 0, 0}), 1000, unclear);
    if (top && *top != 0) return Ratio{std::abs(*top), bottom};
  }
  return std::nullopt;
}

// A union of progressions of one period, measured in it: x and x + 1 are one residue.
struct Union {
  std::vector<Complex> residues, singles;
};

bool same_residue(const Complex& a, const Complex& b, bool& unclear) {
  return whole_number(minus(a, b), 1000000, unclear).has_value();
}

// `steps`: how many first steps each progression's own step is.
std::optional<Union> in_periods(const std::vector<Progression>& all, const Complex& period,
                                const std::vector<long>& per_period, bool& unclear) {
  Union result;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!all[i].step) continue;
    for (long k = 0; k < per_period[i]; ++k) {
      const auto residue =
          divide(add(all[i].start, multiply(*all[i].step, {Float(k), 0, 0})), period);
      if (!residue || static_cast<long>(result.residues.size()) >= kMostResidues)
        return std::nullopt;
      result.residues.push_back(*residue);
    }
  }
  for (const Progression& one : all) {
    if (one.step) continue;
    const auto value = divide(one.start, period);
    if (!value) return std::nullopt;
    const bool covered =
        std::any_of(result.residues.begin(), result.residues.end(),
                    [&](const Complex& r) { return same_residue(*value, r, unclear); });
    if (!covered) result.singles.push_back(*value);
  }
  return result;
}

template <typename Same>
bool each_in_other(const std::vector<Complex>& a, const std::vector<Complex>& b, Same same) {
  const auto in = [&](const Complex& x, const std::vector<Complex>& all) {
    return std::any_of(all.begin(), all.end(), [&](const Complex& y) { return same(x, y); });
  };
  return std::all_of(a.begin(), a.end(), [&](const Complex& x) { return in(x, b); }) &&
         std::all_of(b.begin(), b.end(), [&](const Complex& x) { return in(x, a); });
}

std::optional<Comparison> compare_unions(const std::vector<Progression>& a,
                                         const std::vector<Progression>& b) {
  std::vector<Progression> all = a;
  all.insert(all.end(), b.begin(), b.end());
  const auto first =
      std::find_if(all.begin(), all.end(), [](const Progression& p) { return p.step.has_value(); });
  if (first == all.end()) return std::nullopt;
  const auto repeats = [](const std::vector<Progression>& side) {
    return std::any_of(side.begin(), side.end(),
                       [](const Progression& p) { return p.step.has_value(); });
  };
  if (repeats(a) != repeats(b))
    return Comparison{Match::kDifferent, "a family and finitely many values"};
  bool unclear = false;
  long multiple = 1;
  std::vector<Ratio> ratios;
  for (const Progression& one : all) {
    ratios.push_back({1, 1});
    if (!one.step) continue;
    const auto ratio = ratio_of(*first->step, *one.step, unclear);
    if (!ratio) return std::nullopt;
    ratios.back() = *ratio;
    multiple = std::lcm(multiple, ratio->top);
    if (multiple > kMostResidues) return std::nullopt;
  }
  const Complex period = multiply(*first->step, {Float(multiple), 0, 0});
  std::vector<long> per_period;
  for (const Ratio& ratio : ratios) per_period.push_back(multiple / ratio.top * ratio.bottom);
  unclear = false;
  const auto middle = per_period.begin() + static_cast<std::ptrdiff_t>(a.size());
  const auto x = in_periods(a, period, {per_period.begin(), middle}, unclear);
  const auto y = in_periods(b, period, {middle, per_period.end()}, unclear);
  if (!x || !y) return std::nullopt;
  const bool same = each_in_other(x->residues, y->residues,
                                  [&](const Complex& p, const Complex& q) {
                                    return same_residue(p, q, unclear);
                                  }) &&
                    each_in_other(x->singles, y->singles, [&](const Complex& p, const Complex& q) {
                      const Closeness close = closeness(p, q);
                      unclear |= close == Closeness::kUnclear;
                      return close == Closeness::kEqual;
                    });
  if (same) return Comparison{Match::kEqual, "the same progressions, in 30 digits"};
  if (unclear) return std::nullopt;
  return Comparison{Match::kDifferent, "different progressions"};
}

// The letters of a side that names no parameter: its one name, where that is a usual one.
std::vector<std::string> usual_letter(View view) {
  std::vector<std::string> letters;
  const auto collect = [&letters](const auto& self, View part) -> void {
    const std::string& name = part.get().name;
    if (part.get().kind == Kind::kName &&
        std::find(letters.begin(), letters.end(), name) == letters.end())
      letters.push_back(name);
    for (size_t i = 0; i < part.size(); ++i) self(self, part.child(i));
  };
  for (const View& item : items_of(view)) {
    if (item.get().kind != Kind::kRelation) collect(collect, item);
  }
  const bool usual = letters.size() == 1 && letters[0].size() == 1 &&
                     std::string_view("klmnjpqtKMN").find(letters[0][0]) != std::string_view::npos;
  return usual ? letters : std::vector<std::string>();
}

}  // namespace

bool has_parameter(const Expression& expression) { return !conditions_of(expression).empty(); }

bool may_be_families(const Expression& gold, const Expression& prediction) {
  const auto is_congruence = [](const Expression& side) {
    const Node& root = side.at(side.root);
    return root.kind == Kind::kRelation && root.name == "=%";
  };
  if (is_congruence(gold) || is_congruence(prediction)) return true;
  constexpr size_t kMostNodes = 40;
  if (gold.nodes.size() > kMostNodes || prediction.nodes.size() > kMostNodes) return false;
  const auto a = usual_letter({&gold, gold.root, 0});
  const auto b = usual_letter({&prediction, prediction.root, 0});
  return !a.empty() && !b.empty() && a != b && (a[0] == "k" || b[0] == "k");
}

bool same_domains(const Expression& gold, const Expression& prediction) {
  const auto sets = [](const Expression& expression) {
    std::vector<std::string> all;
    for (const Condition& condition : conditions_of(expression)) all.push_back(condition.set);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  };
  return sets(gold) == sets(prediction);
}

std::optional<Expression> without_parameter(const Expression& expression, bool renamed) {
  const std::vector<Condition> conditions = conditions_of(expression);
  if (conditions.empty()) return std::nullopt;
  Expression copy = expression;
  Node& root = copy.nodes[static_cast<size_t>(copy.root)];
  std::erase_if(root.children, [&](int item) { return is_condition(expression, item); });
  if (root.children.empty()) return std::nullopt;
  if (root.children.size() == 1) copy.root = root.children[0];
  for (Node& node : copy.nodes) {
    for (size_t i = 0; renamed && i < conditions.size(); ++i) {
      if (node.kind == Kind::kName && node.name == conditions[i].letter) {
        node.name = "parameter " + std::to_string(i + 1);
        break;
      }
    }
  }
  return copy;
}

std::optional<Comparison> compare_families(const Expression& gold, const Expression& prediction,
                                           Budget& budget) {
  std::vector<Progression> sides[2];
  const Expression* both[2] = {&gold, &prediction};
  for (size_t i = 0; i < 2; ++i) {
    std::vector<std::string> letters;
    for (const Condition& condition : conditions_of(*both[i])) {
      if (condition.set != "Z") return std::nullopt;
      letters.push_back(condition.letter);
    }
    const auto bare = without_parameter(*both[i], false);
    const Expression& side = bare ? *bare : *both[i];
    if (letters.empty()) letters = usual_letter({&side, side.root, 0});
    auto progressions = progressions_of(side, letters, budget);
    if (!progressions || progressions->empty()) return std::nullopt;
    sides[i] = std::move(*progressions);
  }
  return compare_unions(sides[0], sides[1]);
}

}  // namespace ponder::judge
