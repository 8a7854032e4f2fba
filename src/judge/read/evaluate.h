// The value of an expression: exact where it is rational, else a complex number of 60 decimal
// digits with a bound of its error. Software arithmetic: the same result on every machine. Every
// call draws on a budget.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "judge/read/complex.h"
#include "judge/read/expression.h"

namespace ponder::judge {

// A part of an expression, with the sign that plus-minus stands for: +1, -1, or 0 where there is
// none.
struct View {
  const Expression* tree = nullptr;
  int node = -1;
  int sign = 0;

  const Node& get() const { return tree->at(node); }
  View child(size_t i) const { return {tree, get().children[i], sign}; }
  size_t size() const { return get().children.size(); }
};

// What the index of a sum stands for while its terms are added.
struct Binding {
  const std::string* name;
  Rational value;
};

// A name stands for a value that is known in 60 digits.
struct NearBinding {
  const std::string* name;
  Complex value;
};

struct Budget {
  int steps =
      30000;  // 1 and up per node evaluated exactly, 10 in 60 digits, 100 where that takes a series
  std::vector<Binding> bound = {};  // innermost last
  std::vector<NearBinding> near = {};
  double reach = 1;           // how far wide test points lie
  bool natural_logs = false;  // a logarithm without a base is the natural one
  bool radians = false;       // degree signs count as pi/180, and are not dropped
  bool spend(int n) { return (steps -= n) > 0; }
  bool binds(const std::string& name) const;
};

bool is_scalar(View view);  // numbers and formulas; no lists, sets, relations, texts
bool has_names(View view);  // variables, the indices of sums aside
bool contains(View view, Kind kind);
bool mentions(View view, const std::string& name);  // a variable, an index or a constant

// The rational value; nothing when it is irrational, undefined, has variables, is beyond kMaxBits,
// or the budget is spent.
std::optional<Rational> exact_value(View view, Budget& budget);

// Test points from here on give variables whole values from 2 to 501: floors and ceilings need
// them.
inline constexpr int kWholePoints = 1000;

// Whole values of three times the budget's reach.
inline constexpr int kWideWholePoints = 1500;

// Test points from here on give variables values of either sign; even roots of what is negative
// there are undefined. Between -1 and 1; up to nearly three times the budget's reach.
inline constexpr int kMixedPoints = 2000;
inline constexpr int kUnitPoints = 3000;
inline constexpr int kWidePoints = 4000;

// The value where variables take seeded values of test point `point`. Nothing when it is undefined
// there or too large to be held.
std::optional<Complex> approximate_value(View view, int point, Budget& budget);

}  // namespace ponder::judge
