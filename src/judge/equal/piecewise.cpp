#include "judge/equal/piecewise.h"

#include <set>
#include <string>
#include <vector>

namespace ponder::judge {
namespace {

constexpr size_t kMostPieces = 12;
constexpr size_t kMostPlaces = 60;

void collect_condition_names(View view, std::set<std::string>& names) {
  if (view.get().kind == Kind::kName) names.insert(view.get().name);
  for (size_t i = 0; i < view.size(); ++i) collect_condition_names(view.child(i), names);
}

// On both sides of the numbers in the conditions, and at them.
void collect_places(View view, std::set<Rational>& places) {
  if (view.get().kind == Kind::kNumber && mp::abs(view.get().value) < 1000000) {
    for (const Rational& near : {Rational(0), Rational(1, 7), Rational(-1, 7)}) {
      if (places.size() < kMostPlaces) places.insert(view.get().value + near);
      if (places.size() < kMostPlaces) places.insert(-view.get().value + near);
    }
  }
  for (size_t i = 0; i < view.size(); ++i) collect_places(view.child(i), places);
}

std::optional<bool> holds(View condition, Budget& budget) {
  if (condition.get().kind == Kind::kText) return true;  // otherwise
  if (condition.get().kind != Kind::kRelation) return std::nullopt;
  for (size_t i = 0; i + 1 < condition.size(); ++i) {
    const char sign = condition.get().name[i];
    if (!is_scalar(condition.child(i)) || !is_scalar(condition.child(i + 1))) return std::nullopt;
    const auto left = approximate_value(condition.child(i), 0, budget);
    const auto right = approximate_value(condition.child(i + 1), 0, budget);
    if (!left || !right || left->im != 0 || right->im != 0) return std::nullopt;
    const Closeness close = closeness(*left, *right);
    if (close == Closeness::kUnclear) return std::nullopt;
    const bool same = close == Closeness::kEqual, less = left->re < right->re;
    bool true_here = false;
    switch (sign) {
      case '=':
        true_here = same;
        break;
      case 'N':
        true_here = !same;
        break;
      case '<':
        true_here = !same && less;
        break;
      case '>':
        true_here = !same && !less;
        break;
      case 'L':
        true_here = same || less;
        break;
      case 'G':
        true_here = same || !less;
        break;
      default:
        return std::nullopt;
    }
    if (!true_here) return false;
  }
  return true;
}

std::optional<Complex> value_of_cases(View cases, Budget& budget) {
  for (size_t i = 0; i + 1 < cases.size(); i += 2) {
    const auto here = holds(cases.child(i + 1), budget);
    if (!here || (*here && !is_scalar(cases.child(i)))) return std::nullopt;
    if (*here) return approximate_value(cases.child(i), 0, budget);
  }
  return std::nullopt;
}

}  // namespace

Comparison compare_cases(View gold, View prediction, const std::function<Match(View, View)>& match,
                         Budget& budget) {
  if (gold.size() > 2 * kMostPieces || prediction.size() > 2 * kMostPieces)
    return {Match::kUnknown, "a function of many pieces"};
  std::vector<bool> taken(prediction.size());
  bool all = gold.size() == prediction.size();
  for (size_t i = 0; i + 1 < gold.size() && all; i += 2) {
    bool found = false;
    for (size_t j = 0; j + 1 < prediction.size() && !found; j += 2) {
      found = !taken[j] && match(gold.child(i + 1), prediction.child(j + 1)) == Match::kEqual &&
              match(gold.child(i), prediction.child(j)) == Match::kEqual;
      if (found) taken[j] = true;
    }
    all = found;
  }
  if (all) return {Match::kEqual, "functions of the same pieces"};
  const Comparison unknown{Match::kUnknown, "functions of other pieces"};
  std::set<std::string> names;
  std::set<Rational> places = {-1000, -10, -1, 0, 1, 10, 1000};
  for (const View& cases : {gold, prediction}) {
    for (size_t i = 1; i < cases.size(); i += 2) {
      collect_condition_names(cases.child(i), names);
      collect_places(cases.child(i), places);
    }
  }
  if (names.size() != 1) return unknown;
  for (const Rational& place : places) {
    budget.bound.push_back({&*names.begin(), place});
    const auto a = value_of_cases(gold, budget), b = value_of_cases(prediction, budget);
    budget.bound.pop_back();
    if (a && b && closeness(*a, *b) == Closeness::kUnequal)
      return {Match::kDifferent, "functions of pieces that differ at a point"};
  }
  return unknown;
}

}  // namespace ponder::judge
