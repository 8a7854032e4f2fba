#include "judge/equal/comparer.h"

#include <algorithm>

#include "judge/equal/intervals.h"
#include "judge/equal/piecewise.h"
#include "judge/equal/relations.h"
#include "judge/equal/scalar.h"
#include "judge/read/matrix.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

constexpr size_t kMostItems = 64;  // of a list compared in any order

// P(1, 2) names the point (1, 2).
View named_point(View view) {
  const bool named = view.get().kind == Kind::kMul && view.size() == 2 &&
                     view.child(0).get().kind == Kind::kName &&
                     view.child(0).get().name.size() == 1 && view.child(0).get().name[0] >= 'A' &&
                     view.child(0).get().name[0] <= 'Z' && view.child(1).get().kind == Kind::kTuple;
  return named ? view.child(1) : view;
}

// y or f, and f(x), either way round.
bool names_one_function(View a, View b) {
  if (a.get().kind != Kind::kName) std::swap(a, b);
  if (a.get().kind != Kind::kName || b.get().kind != Kind::kMul || b.size() != 2) return false;
  const std::string &name = a.get().name, &function = b.child(0).get().name;
  return function == "f" && b.child(1).get().name == "x" && (name == "y" || name == "f");
}

}  // namespace

Comparison Comparer::compare(View gold, View prediction, bool outermost) {
  if (!budget_.spend(5)) return {Match::kUnknown, "step budget spent"};
  if (const auto names = compare_equal_names(gold, prediction)) return *names;
  const bool gold_named = named_value(gold).has_value(),
             named = named_value(prediction).has_value();
  if (!agrees_with_itself(prediction)) return {Match::kUnknown, "a chain of unequal values"};
  const bool relations =
      gold.get().kind == Kind::kRelation && prediction.get().kind == Kind::kRelation;
  if ((gold_named != named && !relations) || chain_value(gold) || chain_value(prediction)) {
    // "x = 3" and "3" are one answer.
    gold = value_part(gold);
    prediction = value_part(prediction);
  } else if (gold_named && (left_name(gold.child(0)) == left_name(prediction.child(0)) ||
                            names_one_function(gold.child(0), prediction.child(0)))) {
    gold = value_part(gold);
    prediction = value_part(prediction);
  }
  if (const auto value = stated_value(gold, prediction)) prediction = *value;
  if (gold.get().kind == Kind::kTuple) prediction = named_point(prediction);
  if (prediction.get().kind == Kind::kTuple) gold = named_point(gold);
  const Kind a = gold.get().kind, b = prediction.get().kind;
  if (a == Kind::kText || b == Kind::kText) {
    if (a != b) return {Match::kUnknown, "words against something else"};
    const bool same = gold.get().name == prediction.get().name;
    return {same ? Match::kEqual : Match::kDifferent, same ? "the same words" : "different words"};
  }
  if (a == Kind::kCases && b == Kind::kCases) {
    const auto match = [&](View x, View y) { return compare(x, y, false).match; };
    return compare_cases(gold, prediction, match, budget_);
  }
  if (a == Kind::kCases || b == Kind::kCases)
    return {Match::kUnknown, "a function by pieces and something else"};
  const bool spread = (gold.sign == 0 && contains(gold, Kind::kPlusMinus)) ||
                      (prediction.sign == 0 && contains(prediction, Kind::kPlusMinus));
  if (const auto sets = compare_as_intervals(gold, prediction)) return *sets;
  if (is_collection(gold) || is_collection(prediction) || spread)
    return compare_collections(gold, prediction);
  if (a == Kind::kRatio || b == Kind::kRatio) return compare_ratios(gold, prediction);
  if (is_scalar(gold) && is_scalar(prediction)) {
    const int infinite = infinity(gold, 0), other = infinity(prediction, 0);
    if (infinite || other) {
      return {infinite == other ? Match::kEqual : Match::kDifferent, "infinity"};
    }
    if (a == Kind::kIntegral && b == a && gold.size() == 1 && prediction.size() == 1)
      return compare_antiderivatives(gold, prediction);
    if (has_unit_vectors(gold) != has_unit_vectors(prediction)) {
      const Expression a_units = with_unit_vectors(gold), b_units = with_unit_vectors(prediction);
      return compare_scalars({&a_units, a_units.root, gold.sign},
                             {&b_units, b_units.root, prediction.sign}, {tolerance_, outermost},
                             budget_);
    }
    return compare_scalars(gold, prediction, {tolerance_, outermost}, budget_);
  }
  // f(x, y): a function's arguments decide only where they are the same.
  if (a == Kind::kMul && b == a && gold.size() == 2 && prediction.size() == 2 &&
      gold.child(0).get().kind == Kind::kName && prediction.child(0).get().kind == Kind::kName &&
      gold.child(1).get().kind == Kind::kTuple && prediction.child(1).get().kind == Kind::kTuple) {
    const bool same = gold.child(0).get().name == prediction.child(0).get().name &&
                      compare(gold.child(1), prediction.child(1), false).match == Match::kEqual;
    return {same ? Match::kEqual : Match::kUnknown, "functions of several variables"};
  }
  if (const auto formula = compare_as_formulas(gold, prediction)) return *formula;
  const auto left = vector_of(gold), right = vector_of(prediction);
  if ((a == Kind::kMatrix || b == Kind::kMatrix) && left && right) {
    return compare_in_order(*left, *right, "vectors");
  }
  if (a == Kind::kMatrix && b == Kind::kMatrix)
    return compare_in_order(children(gold), children(prediction), "matrices by rows");
  if (a == Kind::kTuple || b == Kind::kTuple) return compare_tuples(gold, prediction);
  if (a == b && (a == Kind::kUnion || a == Kind::kIntersection)) {
    return compare_in_any_order(children(gold), children(prediction), "unions");
  }
  if (a == Kind::kRelation && b == Kind::kRelation) return compare_relations(gold, prediction);
  return {Match::kDifferent, "different kinds of answer"};
}

// "5 = 7" says nothing, nor does {5 = 7}: the exact values that a chain joins with equals signs
// must be one value.
bool Comparer::agrees_with_itself(View chain) {
  if (is_collection(chain) || chain.get().kind == Kind::kTuple) {
    for (const View& item : children(chain)) {
      if (!agrees_with_itself(item)) return false;
    }
    return true;
  }
  if (!is_equation(chain)) return true;
  std::optional<Rational> first;
  for (size_t i = 0; i < chain.size(); ++i) {
    if (i > 0 && chain.get().name[i - 1] == '~') break;
    const auto value = exact_value(chain.child(i), budget_);
    if (value && first && *value != *first) return false;
    if (value) first = value;
    // "0 = 3\\sqrt 2": not exact, but certainly different.
    if (i > 0 && !value && is_scalar(chain.child(i)) && is_scalar(chain.child(i - 1)) &&
        !has_names(chain.child(i)) && !has_names(chain.child(i - 1)) &&
        compare_scalars(chain.child(i - 1), chain.child(i), {std::nullopt, false}, budget_).match ==
            Match::kDifferent)
      return false;
  }
  return true;
}

Comparison Comparer::compare_in_order(const std::vector<View>& gold,
                                      const std::vector<View>& prediction, const char* what) {
  if (gold.size() != prediction.size())
    return {Match::kDifferent, std::string(what) + " of different length"};
  Comparison unknown{Match::kEqual, std::string(what) + " equal item by item"};
  for (size_t i = 0; i < gold.size(); ++i) {
    const Comparison item = compare(gold[i], prediction[i], false);
    if (item.match == Match::kDifferent)
      return {Match::kDifferent,
              std::string(what) + ": item " + std::to_string(i + 1) + " differs"};
    if (item.match == Match::kUnknown) unknown = item;
  }
  return unknown;
}

// Every item has its equal on the other side; how often an item is said does not matter.
Comparison Comparer::compare_in_any_order(const std::vector<View>& gold,
                                          const std::vector<View>& prediction, const char* what) {
  if (gold.size() > kMostItems || prediction.size() > kMostItems)
    return compare_in_order(gold, prediction, what);
  std::vector<bool> found_gold(gold.size()), found(prediction.size());
  std::vector<bool> open_gold(gold.size()), open(prediction.size());
  for (size_t i = 0; i < gold.size(); ++i) {
    for (size_t j = 0; j < prediction.size(); ++j) {
      if (found_gold[i] && found[j]) continue;
      const Match match = compare(gold[i], prediction[j], false).match;
      if (match == Match::kEqual) found_gold[i] = found[j] = true;
      if (match == Match::kUnknown) open_gold[i] = open[j] = true;
    }
  }
  bool all = true;
  for (const auto& [seen, unclear] :
       {std::pair{&found_gold, &open_gold}, std::pair{&found, &open}}) {
    for (size_t i = 0; i < seen->size(); ++i) {
      if ((*seen)[i]) continue;
      if (!(*unclear)[i]) return {Match::kDifferent, std::string(what) + ": an item has no equal"};
      all = false;
    }
  }
  if (!all) return {Match::kUnknown, std::string(what) + ": an item cannot be compared"};
  return {Match::kEqual, std::string(what) + " equal in any order"};
}

// The same where what they are of is; different where no name stands in it but the variable's: others
// may be those of functions.
Comparison Comparer::compare_antiderivatives(View gold, View prediction) {
  const std::string& name = gold.get().name;
  if (name != prediction.get().name) return {Match::kUnknown, "integrals over other variables"};
  Comparison result = compare(gold.child(0), prediction.child(0), false);
  const auto has_others = [&](const auto& self, View part) -> bool {
    if (part.get().kind == Kind::kName) return part.get().name != name;
    for (size_t i = 0; i < part.size(); ++i) {
      if (self(self, part.child(i))) return true;
    }
    return false;
  };
  if (result.match == Match::kDifferent &&
      (has_others(has_others, gold) || has_others(has_others, prediction)))
    return {Match::kUnknown, "integrals that cannot be compared"};
  return result;
}

std::optional<Comparison> Comparer::compare_as_formulas(View gold, View prediction) {
  const bool gold_is_formula = is_scalar(gold);
  if (gold_is_formula == is_scalar(prediction)) return std::nullopt;
  const View formula = gold_is_formula ? gold : prediction;
  const View other = gold_is_formula ? prediction : gold;
  if (other.get().kind == Kind::kMatrix && names_identity(formula)) {
    Expression copy = *formula.tree;
    const auto reduced = reduce_matrices(copy, formula.node, static_cast<int>(other.size()));
    if (!reduced || copy.at(*reduced).kind != Kind::kMatrix) return std::nullopt;
    const View matrix{&copy, *reduced, formula.sign};
    return compare_in_order(children(other), children(matrix), "matrices by rows");
  }
  if (!names_unit_vectors(formula)) return std::nullopt;
  const auto vector = as_unit_vectors(other);
  if (!vector) return std::nullopt;
  const Expression units = with_unit_vectors(formula);
  Comparison result =
      compare_scalars({&*vector, vector->root, other.sign}, {&units, units.root, formula.sign},
                      {tolerance_, false}, budget_);
  result.rule = "vectors by their unit vectors: " + result.rule;
  return result;
}

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

Comparison Comparer::compare_relations(View gold, View prediction) {
  if (const auto congruences = compare_congruences(gold, prediction, budget_)) return *congruences;
  if (gold.size() == 3 && prediction.size() == 3) {
    if (interval_of(gold) && interval_of(prediction)) return compare_tuples(gold, prediction);
  }
  // x > 1 and x > 2
  const auto name_of = [](View view) {
    return view.child(view.child(0).get().kind == Kind::kName ? 0 : 1).get().name;
  };
  if (gold.size() == 2 && prediction.size() == 2 && interval_of(gold) && interval_of(prediction) &&
      name_of(gold) == name_of(prediction))
    return compare_tuples(gold, prediction);
  if (gold.size() != 2 || prediction.size() != 2) {
    if (gold.get().name != prediction.get().name)
      return {Match::kUnknown, "chains of different signs"};
    return compare_in_order(children(gold), children(prediction), "chains");
  }
  for (const View& side :
       {gold.child(0), gold.child(1), prediction.child(0), prediction.child(1)}) {
    if (!is_scalar(side))
      return compare_in_order(children(gold), children(prediction), "relations");
  }
  return compare_two_sided(gold, prediction, budget_);
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
  return compare_in_any_order(a, b, "lists");
}

}  // namespace ponder::judge
