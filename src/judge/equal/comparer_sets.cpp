// Tuples, intervals, lists, sets, solutions and ratios: part of Comparer.
#include <algorithm>

#include "judge/equal/comparer.h"
#include "judge/equal/intervals.h"
#include "judge/equal/relations.h"
#include "judge/read/shape.h"

namespace ponder::judge {

Comparison Comparer::compare_tuples(View gold, View prediction) {
  const auto a = interval_of(gold), b = interval_of(prediction);
  if (!a || !b) {
    if (gold.get().kind != Kind::kTuple || prediction.get().kind != Kind::kTuple)
      return {Match::kDifferent, "different kinds of answer"};
    return compare_in_order(children(gold), children(prediction), "tuples");
  }
  return compare_intervals(*a, *b);
}

Comparison Comparer::compare_intervals(const Interval& gold, const Interval& prediction) {
  if (gold.open != prediction.open || gold.close != prediction.close)
    return {Match::kDifferent, "intervals with different brackets"};
  bool unknown = false;
  for (const auto& [left, right, missing] :
       {std::tuple{gold.low, prediction.low, -1}, std::tuple{gold.high, prediction.high, 1}}) {
    const int x = infinity(left, missing), y = infinity(right, missing);
    if (x != y) return {Match::kDifferent, "an end of the pair differs"};
    if (x != 0) continue;
    const Match match = compare(*left, *right, false).match;
    if (match == Match::kDifferent) return {Match::kDifferent, "an end of the pair differs"};
    unknown |= match == Match::kUnknown;
  }
  if (unknown) return {Match::kUnknown, "an end of the pair cannot be compared"};
  return {Match::kEqual, "pairs or intervals with equal ends and brackets"};
}

std::optional<Comparison> Comparer::compare_as_intervals(View gold, View prediction) {
  const auto says_set = [](View view) {
    const Node& node = view.get();
    const bool absolute = node.kind == Kind::kRelation &&
                          node.name.find_first_not_of("<>LG") == std::string::npos &&
                          std::any_of(node.children.begin(), node.children.end(),
                                      [&](int side) { return view.tree->at(side).name == "abs"; });
    return node.kind == Kind::kUnion || node.kind == Kind::kIntersection ||
           node.kind == Kind::kDifference || absolute ||
           (node.kind == Kind::kRelation && node.name == "N") ||
           (node.kind == Kind::kTuple && node.name.size() == 3) ||
           (node.kind == Kind::kName && (node.name == "R" || node.name == "emptyset"));
  };
  if (!says_set(gold) && !says_set(prediction)) return std::nullopt;
  if (is_scalar(gold) && is_scalar(prediction)) return std::nullopt;
  // A list of numbers is the set of them beside an interval.
  const auto set_of = [&](View view) -> std::optional<std::vector<RealInterval>> {
    return intervals_of(view, budget_);
  };
  const auto finite = [&](View view) {
    const auto items = items_of(view);
    return is_collection(view) && std::all_of(items.begin(), items.end(), [](View item) {
             return is_scalar(item) && !has_names(item);
           });
  };
  const auto is_wide = [](const std::vector<RealInterval>& set) {
    return !set.empty() && std::any_of(set.begin(), set.end(), [](const RealInterval& one) {
      return one.low.infinite || one.high.infinite ||
             closeness(one.low.value, one.high.value) == Closeness::kUnequal;
    });
  };
  for (const auto& [list, set] : {std::pair{gold, prediction}, {prediction, gold}}) {
    if (!finite(list) || !says_set(set)) continue;
    const auto intervals = set_of(set);
    if (intervals && is_wide(*intervals))
      return Comparison{Match::kDifferent, "finitely many values and an interval"};
  }
  const auto a = set_of(gold), b = set_of(prediction);
  if (!a || !b) return std::nullopt;
  const auto same = same_intervals(*a, *b);
  if (!same) return Comparison{Match::kUnknown, "ends of intervals that cannot be told apart"};
  return *same ? Comparison{Match::kEqual, "the same set of real numbers"}
               : Comparison{Match::kDifferent, "different sets of real numbers"};
}

std::optional<Comparison> Comparer::compare_solutions(const std::vector<View>& gold,
                                                      const std::vector<View>& prediction) {
  auto a = solutions_of(gold), b = solutions_of(prediction);
  if ((!a.named && !b.named) || a.rows.empty() || b.rows.empty()) return std::nullopt;
  if (a.named && b.named) {
    sort_by_name(a);
    sort_by_name(b);
  }
  if (a.rows.size() > kMostItems || b.rows.size() > kMostItems) return std::nullopt;
  std::vector<bool> found_a(a.rows.size()), found_b(b.rows.size());
  bool unknown = false;
  for (size_t i = 0; i < a.rows.size(); ++i) {
    for (size_t j = 0; j < b.rows.size(); ++j) {
      const bool names = a.named && b.named && a.names[i] != b.names[j];
      const Match match =
          names ? Match::kDifferent : compare_in_order(a.rows[i], b.rows[j], "solutions").match;
      if (match == Match::kEqual) found_a[i] = found_b[j] = true;
      unknown |= match == Match::kUnknown;
    }
  }
  const bool all = std::all_of(found_a.begin(), found_a.end(), [](bool x) { return x; }) &&
                   std::all_of(found_b.begin(), found_b.end(), [](bool x) { return x; });
  if (all) return Comparison{Match::kEqual, "the same solutions in any order"};
  if (unknown) return Comparison{Match::kUnknown, "a solution cannot be compared"};
  return Comparison{Match::kDifferent, "different solutions"};
}

std::optional<Comparison> Comparer::compare_equal_names(View gold, View prediction) {
  const auto values = [](View view) -> std::optional<std::vector<View>> {
    if (!is_equation(view) || view.size() < 3 || has_names(view.child(view.size() - 1)))
      return std::nullopt;
    for (size_t i = 0; i + 1 < view.size(); ++i) {
      if (view.child(i).get().kind != Kind::kName) return std::nullopt;
    }
    return std::vector<View>(view.size() - 1, view.child(view.size() - 1));
  };
  const auto items = [](View view) -> std::optional<std::vector<View>> {
    if (view.get().kind != Kind::kTuple && view.get().kind != Kind::kList) return std::nullopt;
    std::vector<View> all = children(view);
    for (View& item : all) item = value_part(item);
    return all;
  };
  for (const auto& [chain, other] : {std::pair{gold, prediction}, {prediction, gold}}) {
    const auto a = values(chain), b = items(other);
    if (a && b) return compare_in_order(*a, *b, "values of names");
  }
  return std::nullopt;
}

Comparison Comparer::compare_ratios(View gold, View prediction) {
  const bool both = gold.get().kind == prediction.get().kind;
  if (both) {
    const Comparison as_written = compare_in_order(children(gold), children(prediction), "ratios");
    if (as_written.match == Match::kEqual || gold.size() != prediction.size()) return as_written;
    if (is_clock(gold) && is_clock(prediction))
      return {Match::kDifferent, "different as ratios or times of day"};
  }
  const View ratio = gold.get().kind == Kind::kRatio ? gold : prediction;
  const View other = gold.get().kind == Kind::kRatio ? prediction : gold;
  const auto part = [&](View view, size_t i) { return exact_value(view.child(i), budget_); };
  if (!both) {
    const auto a = part(ratio, 0), b = part(ratio, 1), value = exact_value(other, budget_);
    if (ratio.size() != 2 || !a || !b || !value || *b == 0)
      return {Match::kDifferent, "a ratio and something else"};
    const bool same = *a / *b == *value;
    return {same ? Match::kEqual : Match::kDifferent, "a ratio as a fraction"};
  }
  for (size_t i = 1; i < gold.size(); ++i) {
    const auto a = part(gold, 0), b = part(gold, i), c = part(prediction, 0),
               d = part(prediction, i);
    if (!a || !b || !c || !d) return {Match::kUnknown, "ratios that are not rational"};
    if (*a * *d != *b * *c || *c == 0 || *a == 0 || *b == 0 || *d == 0)
      return {Match::kDifferent, "different ratios"};
  }
  return {Match::kEqual, "ratios equal up to a factor"};
}

Comparison Comparer::compare_collections(View gold, View prediction) {
  const std::vector<View> a = items_of(gold), b = items_of(prediction);
  const auto unsolved = [](const std::vector<View>& items) {
    return items.size() == 1 && is_equation(items[0]) && items[0].size() == 2 &&
           !named_value(items[0]);
  };
  if (unsolved(a) != unsolved(b))
    return unsolved(a) ? compare_with_solutions(a[0], b, budget_)
                       : compare_with_solutions(b[0], a, budget_);
  if (const auto solutions = compare_solutions(a, b)) return *solutions;
  const bool gold_tuple = a.size() == 1 && a[0].get().kind == Kind::kTuple;
  const bool tuple = b.size() == 1 && b[0].get().kind == Kind::kTuple;
  // Two brackets of different kinds, or "x in", say an interval.
  const auto certainly_interval = [](const std::vector<View>& items) {
    const std::string& name = items[0].get().name;
    return name.size() == 3 || name == "(]" || name == "[)";
  };
  if (gold_tuple != tuple && certainly_interval(gold_tuple ? a : b))
    return {Match::kDifferent, "finitely many values and an interval"};
  // "12, 34" for (12, 34), and "k = 45, n = 2" for (45, 2).
  if (gold_tuple != tuple && a.size() + b.size() > 2) {
    std::vector<View> left = gold_tuple ? children(a[0]) : a, right = tuple ? children(b[0]) : b;
    for (View& view : left) view = value_part(view);
    for (View& view : right) view = value_part(view);
    return compare_in_order(left, right, "a list and a tuple");
  }
  const auto all_named = [](const std::vector<View>& items) {
    return std::all_of(items.begin(), items.end(),
                       [](View v) { return named_value(v).has_value(); });
  };
  const auto none_named = [](const std::vector<View>& items) {
    return std::none_of(items.begin(), items.end(),
                        [](View v) { return named_value(v).has_value(); });
  };
  if ((all_named(a) && none_named(b)) || (none_named(a) && all_named(b))) {
    return compare_in_order(a, b, "named and unnamed values");
  }
  const bool sets = gold.get().kind == Kind::kSet || prediction.get().kind == Kind::kSet;
  if (in_order_ && !sets) return compare_in_order(a, b, "lists in strict order");
  const Comparison result = compare_in_any_order(a, b, "lists");
  if (result.match == Match::kEqual && !sets && a.size() != b.size() && a.size() > 1 &&
      b.size() > 1 && is_scalar(a[0]))
    return {Match::kUnknown, "lists that say a value more or less often"};
  return result;
}

}  // namespace ponder::judge
