#include "judge/read/series.h"

#include <algorithm>

namespace ponder::judge {
namespace {

constexpr size_t kMostBits = 256;  // of a written term: nobody writes longer ones beside dots

unsigned bits_of(const Rational& value) {
  return std::max(bits(BigInt(numerator(value))), bits(BigInt(denominator(value))));
}

bool are_short(const std::vector<Rational>& terms) {
  return std::all_of(terms.begin(), terms.end(),
                     [](const Rational& term) { return bits_of(term) <= kMostBits; });
}

// From `start` by `next` until the last of `after`; every written term must be met.
template <typename Next>
std::optional<std::vector<Rational>> follow(const std::vector<Rational>& before,
                                            const std::vector<Rational>& after, Next next) {
  std::vector<Rational> terms = {before[0]};
  while (terms.back() != after.back()) {
    if (terms.size() >= kMostTerms) return std::nullopt;
    terms.push_back(next(terms.back()));
    if (terms.size() <= before.size() && terms.back() != before[terms.size() - 1])
      return std::nullopt;
  }
  if (terms.size() < before.size() + after.size()) return std::nullopt;
  for (size_t i = 0; i < after.size(); ++i) {
    if (terms[terms.size() - after.size() + i] != after[i]) return std::nullopt;
  }
  return terms;
}

}  // namespace

std::optional<std::vector<Rational>> fill_progression(const std::vector<Rational>& before,
                                                      const std::vector<Rational>& after) {
  if (before.size() < 2 || after.empty() || !are_short(before) || !are_short(after))
    return std::nullopt;
  const Rational step = before[1] - before[0];
  if (step == 0) return std::nullopt;
  // Far away ends are refused before a term is written.
  const Rational distance = (after.back() - before[0]) / step;
  if (distance > 0 && distance < Rational(kMostTerms)) {
    if (auto terms = follow(before, after, [&](const Rational& x) { return x + step; }))
      return terms;
  }
  if (before.size() < 3 || before[0] == 0) return std::nullopt;
  const Rational ratio = before[1] / before[0];
  const Rational size = mp::abs(ratio);
  if (size == 1 || size == 0) return std::nullopt;
  Rational x = before[0];
  const Rational end = mp::abs(after.back());
  // Numerators and denominators of a geometric progression are longest at its ends.
  const unsigned longest = std::max(bits_of(x), bits_of(after.back()));
  std::vector<Rational> terms = {x};
  while (x != after.back()) {
    x *= ratio;
    terms.push_back(x);
    const bool passed = size > 1 ? mp::abs(x) > end : mp::abs(x) < end;
    if (passed || terms.size() >= 100 || bits_of(x) > longest) return std::nullopt;
  }
  return follow(before, after, [&](const Rational& y) { return y * ratio; });
}

std::optional<Rational> sum_to_infinity(const std::vector<Rational>& before) {
  if (before.size() < 3 || before[0] == 0 || !are_short(before)) return std::nullopt;
  const Rational ratio = before[1] / before[0];
  if (mp::abs(ratio) >= 1 || ratio == 0) return std::nullopt;
  for (size_t i = 1; i < before.size(); ++i) {
    if (before[i] != before[i - 1] * ratio) return std::nullopt;
  }
  return before[0] / (1 - ratio);
}

}  // namespace ponder::judge
