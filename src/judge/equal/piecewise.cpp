#include "judge/equal/piecewise.h"

#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace ponder::judge {
namespace {

constexpr size_t kMostPieces = 12;
constexpr size_t kMostPlaces = 60;
constexpr int kSteps = 12;  // to either side of a border, ever wider

void collect_condition_names(View view, std::set<std::string>& names) {
  if (view.get().kind == Kind::kName) names.insert(view.get().name);
  for (size_t i = 0; i < view.size(); ++i) collect_condition_names(view.child(i), names);
}

// The values that conditions hold their name against, where these are numbers.
void collect_borders(View condition, std::set<Rational>& borders) {
  if (condition.get().kind != Kind::kRelation) return;
  for (size_t i = 0; i < condition.size(); ++i) {
    Budget small;
    const auto value = exact_value(condition.child(i), small);
    if (value && borders.size() < kMostPieces && mp::abs(*value) < 1000000) borders.insert(*value);
  }
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

std::optional<Complex> value_at(View side, Budget& budget) {
  if (side.get().kind == Kind::kCases) return value_of_cases(side, budget);
  return approximate_value(side, 0, budget);
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
  return compare_at_places(gold, prediction, budget);
}

Comparison compare_at_places(View gold, View prediction, Budget& budget) {
  const Comparison unknown{Match::kUnknown, "functions of other pieces"};
  std::set<std::string> names, all_names;
  std::set<Rational> borders, places = {-1000, -10, -1, 0, 1, 10, 1000};
  for (const View& side : {gold, prediction}) {
    collect_condition_names(side, all_names);
    for (size_t i = 1; side.get().kind == Kind::kCases && i < side.size(); i += 2) {
      collect_condition_names(side.child(i), names);
      collect_places(side.child(i), places);
      collect_borders(side.child(i), borders);
    }
  }
  if (names.size() != 1) return unknown;
  // Between two borders, and beyond them, in steps that no polynomial of a short formula vanishes at.
  for (const Rational& border : borders) {
    for (int step = 1; step <= kSteps; ++step) {
      places.insert(border + Rational(step * step, 29));
      places.insert(border - Rational(step * step, 31));
    }
  }
  size_t agreed = 0;
  for (const Rational& place : places) {
    budget.bound.push_back({&*names.begin(), place});
    const auto a = value_at(gold, budget), b = value_at(prediction, budget);
    budget.bound.pop_back();
    if (!a || !b) continue;
    const Closeness close = closeness(*a, *b);
    if (close == Closeness::kUnequal)
      return {Match::kDifferent, "functions of pieces that differ at a point"};
    agreed += close == Closeness::kEqual;
  }
  // Nowhere undefined, and no piece too narrow for the steps.
  bool wide = !borders.empty();
  for (auto border = borders.begin(); wide && std::next(border) != borders.end(); ++border)
    wide = *std::next(border) - *border >= Rational(1, 2);
  if (wide && all_names.size() == 1 && agreed == places.size())
    return {Match::kEqual,
            "equal at " + std::to_string(agreed) + " points, the borders among them"};
  return unknown;
}

}  // namespace ponder::judge
