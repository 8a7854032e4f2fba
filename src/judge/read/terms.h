// What exact and approximate evaluation share.
#pragma once

#include "judge/read/evaluate.h"

namespace ponder::judge {

inline constexpr long kMostSummands = 1000;

// A whole number of at most `limit` either way.
inline std::optional<long> small_integer(const Rational& value, long limit) {
  if (!is_whole(value)) return std::nullopt;
  const BigInt whole = numerator(value);
  if (whole > limit || whole < -limit) return std::nullopt;
  return static_cast<long>(whole);
}

// The value that a name is bound to, or null.
inline const Rational* bound_value(const Node& node, const Budget& budget) {
  for (auto binding = budget.bound.rbegin(); binding != budget.bound.rend(); ++binding) {
    if (*binding->name == node.name) return &binding->value;
  }
  return nullptr;
}

// Calls `term` with the index bound to every whole number of the range; false where the range is no
// short one or a term gives nothing.
template <typename Term>
bool for_each_term(View sum, Budget& budget, Term term) {
  const auto first = exact_value(sum.child(0), budget), last = exact_value(sum.child(1), budget);
  if (!first || !last || budget.bound.size() > 8) return false;
  const auto low = small_integer(*first, 1000000), high = small_integer(*last, 1000000);
  if (!low || !high || *high - *low > kMostSummands) return false;
  budget.bound.push_back({&sum.get().name, 0});
  bool done = true;
  for (long k = *low; k <= *high && done; ++k) {
    budget.bound.back().value = k;
    done = budget.spend(15) && term();
  }
  budget.bound.pop_back();
  return done;
}

}  // namespace ponder::judge
