// The comparison of two read answers, part by part.
#pragma once

#include <optional>
#include <vector>

#include "judge/equal/comparison.h"
#include "judge/read/evaluate.h"
#include "judge/read/shape.h"

namespace ponder::judge {

// One comparison of two answers: holds the budget and the tolerance.
class Comparer {
 public:
  Comparer(const CompareRules& rules, Budget& budget)
      : tolerance_(rules.tolerance), in_order_(rules.strict_order), budget_(budget) {}

  Comparison compare(View gold, View prediction, bool outermost = true);

 private:
  static constexpr size_t kMostItems = 64;  // of a list compared in any order

  bool agrees_with_itself(View chain);
  Comparison compare_in_order(const std::vector<View>& gold, const std::vector<View>& prediction,
                              const char* what);
  Comparison compare_in_any_order(const std::vector<View>& gold,
                                  const std::vector<View>& prediction, const char* what);
  Comparison compare_tuples(View gold, View prediction);
  Comparison compare_intervals(const Interval& gold, const Interval& prediction);
  // Where a side is a union, a "not equal" or all real numbers, and both are sets of numbers.
  std::optional<Comparison> compare_as_intervals(View gold, View prediction);
  // p = 5, q = 2; p = 7, q = 2 against itself or (5, 2), (7, 2).
  std::optional<Comparison> compare_solutions(const std::vector<View>& gold,
                                              const std::vector<View>& prediction);
  // A vector or matrix against a formula in unit vectors or identity matrices.
  std::optional<Comparison> compare_as_formulas(View gold, View prediction);
  Comparison compare_relations(View gold, View prediction);
  // Of integrals without bounds, and of one and a formula that may be its value.
  Comparison compare_antiderivatives(View gold, View prediction);
  Comparison compare_with_integral(View integral, View formula, bool integral_is_gold);
  // x = y = z = 1 against (1, 1, 1) or x = 1, y = 1, z = 1.
  std::optional<Comparison> compare_equal_names(View gold, View prediction);
  Comparison compare_ratios(View gold, View prediction);
  Comparison compare_collections(View gold, View prediction);

  std::optional<double> tolerance_;
  bool in_order_;
  Budget& budget_;
};

// \\int f dx, a constant added or not: the integral.
std::optional<View> integral_without_bounds(View view);

}  // namespace ponder::judge
