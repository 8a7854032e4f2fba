#include "judge/equal/comparer.h"

#include <algorithm>

#include "judge/equal/piecewise.h"
#include "judge/equal/relations.h"
#include "judge/equal/scalar.h"
#include "judge/equal/words.h"
#include "judge/read/matrix.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

// P(1, 2) names the point (1, 2).
View named_point(View view) {
  const bool named = view.get().kind == Kind::kMul && view.size() == 2 &&
                     view.child(0).get().kind == Kind::kName &&
                     view.child(0).get().name.size() == 1 && view.child(0).get().name[0] >= 'A' &&
                     view.child(0).get().name[0] <= 'Z' && view.child(1).get().kind == Kind::kTuple;
  return named ? view.child(1) : view;
}

// C(10, 3) and P(10, 3) where the other side is a number: choices and arrangements.
std::optional<Comparison> compare_counts_of_choices(View a, View b, Budget& budget) {
  if (is_scalar(a)) std::swap(a, b);
  if (named_point(a).node == a.node || !is_scalar(b) || has_names(b)) return std::nullopt;
  const std::string& letter = a.child(0).get().name;
  const View pair = a.child(1);
  if ((letter != "C" && letter != "P") || pair.size() != 2) return std::nullopt;
  const auto n = exact_value(pair.child(0), budget), k = exact_value(pair.child(1), budget),
             value = exact_value(b, budget);
  if (!n || !k || !value || !is_whole(*n) || !is_whole(*k) || *k < 0 || *n < *k || *n > 1000)
    return std::nullopt;
  Rational count = 1;
  for (Rational i = 0; i < *k; i += 1)
    count *= letter == "C" ? Rational((*n - i) / (i + 1)) : *n - i;
  return Comparison{count == *value ? Match::kEqual : Match::kDifferent, "a number of choices"};
}

// y or f, and f(x), either way round.
bool names_one_function(View a, View b) {
  if (a.get().kind != Kind::kName) std::swap(a, b);
  const Kind kind = b.get().kind;
  if (a.get().kind != Kind::kName || (kind != Kind::kMul && kind != Kind::kApply) || b.size() != 2)
    return false;
  const std::string &name = a.get().name, &function = b.child(0).get().name;
  if (b.child(0).get().kind != Kind::kName || b.child(1).get().kind != Kind::kName) return false;
  return name == function || (function == "f" && b.child(1).get().name == "x" && name == "y");
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
  if (const auto counts = compare_counts_of_choices(gold, prediction, budget_)) return *counts;
  const Kind a = gold.get().kind, b = prediction.get().kind;
  if (a == Kind::kText || b == Kind::kText) {
    if (a != b) return {Match::kUnknown, "words against something else"};
    return compare_words(gold.get().name, prediction.get().name);
  }
  if (a == Kind::kCases && b == Kind::kCases) {
    const auto match = [&](View x, View y) { return compare(x, y, false).match; };
    return compare_cases(gold, prediction, match, budget_);
  }
  if (a == Kind::kCases || b == Kind::kCases) {
    const View other = a == Kind::kCases ? prediction : gold;
    if (is_scalar(other) && has_names(other)) return compare_at_places(gold, prediction, budget_);
    return {Match::kUnknown, "a function by pieces and something else"};
  }
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
    const auto integral = integral_without_bounds(gold),
               other_integral = integral_without_bounds(prediction);
    if (integral && other_integral) return compare_antiderivatives(*integral, *other_integral);
    if (integral) return compare_with_integral(*integral, prediction, true);
    if (other_integral) return compare_with_integral(*other_integral, gold, false);
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

Comparison Comparer::compare_relations(View gold, View prediction) {
  if (const auto congruences = compare_congruences(gold, prediction, budget_)) return *congruences;
  const auto is_subset = [](View view) { return view.get().name == "w" || view.get().name == "W"; };
  if (is_subset(gold) || is_subset(prediction)) {
    const Comparison sides = compare_in_order(children(gold), children(prediction), "subsets");
    if (gold.get().name == prediction.get().name && sides.match == Match::kEqual) return sides;
    return {Match::kUnknown, "statements about sets"};
  }
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

}  // namespace ponder::judge
