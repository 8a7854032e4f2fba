#include "judge/compare.h"

#include <algorithm>
#include <vector>

#include "judge/matrix.h"
#include "judge/scalar.h"
#include "judge/shape.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

constexpr size_t kMostItems = 64;  // of a list compared in any order

// One comparison of two answers: holds the budget and the tolerance.
class Comparer {
 public:
  Comparer(std::optional<double> tolerance, Budget& budget)
      : tolerance_(tolerance), budget_(budget) {}

  Comparison compare(View gold, View prediction, bool outermost = true);

 private:
  bool agrees_with_itself(View chain);
  Comparison compare_in_order(const std::vector<View>& gold, const std::vector<View>& prediction,
                              const char* what);
  Comparison compare_in_any_order(const std::vector<View>& gold,
                                  const std::vector<View>& prediction, const char* what);
  Comparison compare_tuples(View gold, View prediction);
  // A vector or matrix against a formula in unit vectors or identity matrices.
  std::optional<Comparison> compare_as_formulas(View gold, View prediction);
  Comparison compare_relations(View gold, View prediction);
  Comparison compare_ratios(View gold, View prediction);
  Comparison compare_collections(View gold, View prediction);

  std::optional<double> tolerance_;
  Budget& budget_;
};

Comparison Comparer::compare(View gold, View prediction, bool outermost) {
  if (!budget_.spend(5)) return {Match::kUnknown, "step budget spent"};
  const bool gold_named = named_value(gold).has_value(),
             named = named_value(prediction).has_value();
  if (!agrees_with_itself(prediction)) return {Match::kUnknown, "a chain of unequal values"};
  const bool relations =
      gold.get().kind == Kind::kRelation && prediction.get().kind == Kind::kRelation;
  if ((gold_named != named && !relations) || chain_value(gold) || chain_value(prediction)) {
    // "x = 3" and "3" are one answer.
    gold = value_part(gold);
    prediction = value_part(prediction);
  } else if (gold_named && left_name(gold.child(0)) == left_name(prediction.child(0))) {
    gold = value_part(gold);
    prediction = value_part(prediction);
  }
  if (const auto value = stated_value(gold, prediction)) prediction = *value;
  const Kind a = gold.get().kind, b = prediction.get().kind;
  if (a == Kind::kText || b == Kind::kText) {
    if (a != b) return {Match::kUnknown, "words against something else"};
    const bool same = gold.get().name == prediction.get().name;
    return {same ? Match::kEqual : Match::kDifferent, same ? "the same words" : "different words"};
  }
  const bool spread = (gold.sign == 0 && contains(gold, Kind::kPlusMinus)) ||
                      (prediction.sign == 0 && contains(prediction, Kind::kPlusMinus));
  if ((a == Kind::kUnion && is_list_of_intervals(prediction)) ||
      (b == Kind::kUnion && is_list_of_intervals(gold))) {
    return compare_in_any_order(children(gold), children(prediction), "unions");
  }
  if (is_collection(gold) || is_collection(prediction) || spread)
    return compare_collections(gold, prediction);
  if (a == Kind::kRatio || b == Kind::kRatio) return compare_ratios(gold, prediction);
  if (is_scalar(gold) && is_scalar(prediction)) {
    const int infinite = infinity(gold, 0), other = infinity(prediction, 0);
    if (infinite || other) {
      return {infinite == other ? Match::kEqual : Match::kDifferent, "infinity"};
    }
    if (has_unit_vectors(gold) != has_unit_vectors(prediction)) {
      const Expression a_units = with_unit_vectors(gold), b_units = with_unit_vectors(prediction);
      return compare_scalars({&a_units, a_units.root, gold.sign},
                             {&b_units, b_units.root, prediction.sign}, {tolerance_, outermost},
                             budget_);
    }
    return compare_scalars(gold, prediction, {tolerance_, outermost}, budget_);
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
  if (a->open != b->open || a->close != b->close)
    return {Match::kDifferent, "intervals with different brackets"};
  bool unknown = false;
  for (const auto& [left, right, missing] :
       {std::tuple{a->low, b->low, -1}, std::tuple{a->high, b->high, 1}}) {
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

Comparison Comparer::compare_relations(View gold, View prediction) {
  if (gold.size() == 3 && prediction.size() == 3) {
    if (interval_of(gold) && interval_of(prediction)) return compare_tuples(gold, prediction);
  }
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
  const Proportion p =
      proportional(gold.child(0), gold.child(1), prediction.child(0), prediction.child(1), budget_);
  if (p.match == Match::kUnknown) return {Match::kUnknown, "relations that cannot be evaluated"};
  if (p.match == Match::kDifferent)
    return {Match::kDifferent, "relations that are no multiple of each other"};
  char a = gold.get().name[0], b = prediction.get().name[0];
  if (a == '~') a = '=';
  if (b == '~') b = '=';
  if (p.sign < 0) b = b == '<' ? '>' : b == '>' ? '<' : b == 'L' ? 'G' : b == 'G' ? 'L' : b;
  const bool same = a == b;
  return {same ? Match::kEqual : Match::kDifferent,
          same ? "relations equal up to a factor" : "different relations"};
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
  const bool gold_tuple = a.size() == 1 && a[0].get().kind == Kind::kTuple;
  const bool tuple = b.size() == 1 && b[0].get().kind == Kind::kTuple;
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
  return compare_in_any_order(a, b, "lists");
}

}  // namespace

Comparison compare_answers(const Expression& gold, const Expression& prediction,
                           std::optional<double> tolerance, Budget& budget) {
  // Units only count where both sides name a known one.
  for (const std::string& left : gold.units) {
    for (const std::string& right : prediction.units) {
      const std::string_view a = canonical_unit(left), b = canonical_unit(right);
      if (!a.empty() && !b.empty() && gold.units.size() == 1 && prediction.units.size() == 1 &&
          a != b) {
        return {Match::kUnknown, "different units"};
      }
    }
  }
  return Comparer(tolerance, budget)
      .compare({&gold, gold.root, 0}, {&prediction, prediction.root, 0});
}

std::string describe(const Expression& expression) {
  const View view{&expression, expression.root, 0};
  switch (view.get().kind) {
    case Kind::kTuple:
      return "tuple or interval of " + std::to_string(view.size());
    case Kind::kSet:
      return "set of " + std::to_string(view.size());
    case Kind::kList:
      return "list of " + std::to_string(view.size());
    case Kind::kUnion:
      return "union of " + std::to_string(view.size());
    case Kind::kIntersection:
      return "intersection of " + std::to_string(view.size());
    case Kind::kRatio:
      return "ratio";
    case Kind::kRelation:
      return is_equation(view) ? "equation" : "relation";
    case Kind::kMatrix:
      return "matrix of " + std::to_string(view.size()) + " rows";
    case Kind::kText:
      return "words";
    default:
      break;
  }
  Budget budget;
  if (const auto value = exact_value(view, budget)) {
    const std::string digits = value->str();
    return "number " +
           (digits.size() <= 60 ? digits : "of " + std::to_string(digits.size()) + " digits");
  }
  return has_names(view) ? "formula" : "number";
}

}  // namespace ponder::judge
