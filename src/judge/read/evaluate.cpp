#include "judge/read/evaluate.h"

#include <algorithm>
#include <boost/math/constants/constants.hpp>

#include "judge/read/infinite_sum.h"
#include "judge/read/integral.h"
#include "judge/read/limit.h"

namespace ponder::judge {
namespace {

unsigned bits_of(const Rational& value) {
  return bits(numerator(value)) + (is_whole(value) ? 1 : bits(denominator(value)));
}

bool fits(const Rational& value) {
  return bits(numerator(value)) <= kMaxBits &&
         (is_whole(value) || bits(denominator(value)) <= kMaxBits);
}

std::optional<long> small_integer(const Rational& value, long limit) {
  if (!is_whole(value)) return std::nullopt;
  const BigInt whole = numerator(value);
  if (whole > limit || whole < -limit) return std::nullopt;
  return static_cast<long>(whole);
}

// Whole numbers have no common factors to look for.
Rational sum_of(const Rational& a, const Rational& b) {
  return is_whole(a) && is_whole(b) ? Rational(BigInt(numerator(a) + numerator(b))) : a + b;
}

Rational product_of(const Rational& a, const Rational& b) {
  return is_whole(a) && is_whole(b) ? Rational(BigInt(numerator(a) * numerator(b))) : a * b;
}

std::optional<Rational> exact_power(const Rational& base, const Rational& exponent) {
  const auto n = small_integer(exponent, 10 * static_cast<long>(kMaxBits));
  const bool unit = base == 1 || base == -1 || base == 0;
  if (!n && !(unit && denominator(exponent) == 1)) return std::nullopt;
  if (base == 0) return exponent > 0 ? std::optional<Rational>(0) : std::nullopt;
  if (base == 1) return Rational(1);
  if (base == -1) return Rational(mp::bit_test(mp::abs(numerator(exponent)), 0) ? -1 : 1);
  const unsigned long power = static_cast<unsigned long>(*n < 0 ? -*n : *n);
  const unsigned size = std::max(bits(numerator(base)), bits(denominator(base)));
  if (power * (size - 1) > kMaxBits) return std::nullopt;
  const BigInt top = mp::pow(numerator(base), static_cast<unsigned>(power));
  const BigInt bottom = mp::pow(denominator(base), static_cast<unsigned>(power));
  return *n < 0 ? Rational(bottom) / Rational(top) : Rational(top) / Rational(bottom);
}

std::optional<Rational> exact_factorial(const Rational& value, long step) {
  const auto n = small_integer(value, 900);
  if (!n || *n < 0) return std::nullopt;
  BigInt product = 1;
  for (long k = *n; k >= 2; k -= step) product *= k;
  return Rational(product);
}

std::optional<Rational> exact_binomial(const Rational& top, const Rational& bottom) {
  const auto n = small_integer(top, 1000000000), k = small_integer(bottom, 1000000000);
  if (!n || !k || *n < 0 || *k < 0 || *k > *n) return std::nullopt;
  const long steps = std::min(*k, *n - *k);
  BigInt value = 1;
  for (long i = 1; i <= steps; ++i) {
    value = value * (*n - steps + i) / i;
    if (bits(value) > kMaxBits) return std::nullopt;
  }
  return Rational(value);
}

constexpr long kMostSummands = 1000;

BigInt floor_of(const Rational& value) {
  BigInt quotient, remainder;
  mp::divide_qr(numerator(value), denominator(value), quotient, remainder);
  return remainder < 0 ? BigInt(quotient - 1) : quotient;
}

// Variables are tried at points between 0.6 and 2.6: positive, away from 0 and 1 with certainty
// enough.
const Rational* bound_value(const Node& node, const Budget& budget) {
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

Complex test_value(const std::string& name, int point, double reach) {
  uint64_t hash = 1469598103934665603u + static_cast<uint64_t>(point) * 0x9E3779B97F4A7C15u;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  for (int i = 0; i < 2; ++i) hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9u;
  static const Float kFirst("0.6");
  const Float fraction = mp::ldexp(Float(hash >> 11), -53);
  const Float usual = kFirst + 2 * fraction;
  if (point >= kWidePoints) {  // of either sign, near and far, in turn: other turns for other names
    const int turn = point - kWidePoints;
    const size_t own = name.empty() ? 0 : static_cast<unsigned char>(name.back()) % 3;
    const Float size = usual * reach / ((turn >> (own + 1) % 3) & 1 ? 4 : 1);
    return {(turn >> own) & 1 ? Float(-size) : size, 0, 0};
  }
  if (point >= kMixedPoints) {
    const Float size = point >= kUnitPoints ? fraction : usual;
    return {hash & 1 ? Float(-size) : size, 0, 0};
  }
  if (point >= kWideWholePoints)
    return {Float(hash % (static_cast<uint64_t>(3 * reach) + 2)), 0, 0};
  if (point >= kWholePoints) return {Float(2 + hash % 500), 0, 0};
  return {usual, 0, 0};
}

std::optional<Complex> constant(const std::string& name) {
  if (name == "pi") return checked({boost::math::constants::pi<Float>(), 0, 0});
  if (name == "e") return checked({boost::math::constants::e<Float>(), 0, 0});
  if (name == "i") return Complex{0, 1, 0};
  return std::nullopt;
}

// gcd, lcm, max, min and mod of rational values.
std::optional<Rational> exact_call(View view, Budget& budget) {
  const std::string& name = view.get().name;
  if (name != "gcd" && name != "lcm" && name != "mod" && name != "max" && name != "min")
    return std::nullopt;
  std::optional<Rational> total;
  for (size_t i = 0; i < view.size(); ++i) {
    const auto part = exact_value(view.child(i), budget);
    if (!part || !budget.spend(50)) return std::nullopt;
    if (!total) {
      total = *part;
    } else if (name == "gcd") {
      total = Rational(mp::gcd(numerator(*total), numerator(*part)),
                       mp::lcm(denominator(*total), denominator(*part)));
    } else if (name == "lcm") {
      total = Rational(mp::lcm(numerator(*total), numerator(*part)),
                       mp::gcd(denominator(*total), denominator(*part)));
    } else if (name == "mod") {
      if (*part == 0) return std::nullopt;
      total = *total - *part * Rational(floor_of(*total / *part));
    } else if ((name == "max") == (*part > *total)) {
      total = *part;
    }
    if (!fits(*total)) return std::nullopt;
  }
  return total;
}

// max and min of two or more values that are certainly apart or the same.
std::optional<Complex> approximate_extreme(View view, int point, Budget& budget) {
  std::optional<Complex> best;
  for (size_t i = 0; i < view.size(); ++i) {
    const auto part = approximate_value(view.child(i), point, budget);
    if (!part || part->im != 0) return std::nullopt;
    if (!best || (view.get().name == "max") == (part->re > best->re)) best = part;
  }
  return best;
}

std::optional<Complex> approximate_call(View view, int point, Budget& budget) {
  const std::string& name = view.get().name;
  if (!budget.spend(90)) return std::nullopt;
  if (name == "max" || name == "min") return approximate_extreme(view, point, budget);
  auto x = approximate_value(view.child(0), point, budget);
  if (!x) return std::nullopt;
  if (!budget.radians && contains(view.child(0), Kind::kDegree) && name != "abs" &&
      name != "floor" && name != "ceil") {
    x = multiply(*x, *divide(*constant("pi"), {180, 0, 0}));
  }
  if (name == "re" || name == "im" || name == "arg") {
    if (has_names(view.child(0))) return std::nullopt;  // test values are real, names need not be
    return part_of(*x, name);
  }
  if (name == "log" || name == "lg") {
    if (name == "log" && view.size() == 1 && budget.natural_logs) return real_function("ln", *x);
    Complex base{10, 0, 0};
    if (view.size() > 1) {
      const auto given = approximate_value(view.child(1), point, budget);
      if (!given) return std::nullopt;
      base = *given;
    }
    const auto top = real_function("ln", *x), bottom = real_function("ln", base);
    return top && bottom ? divide(*top, *bottom) : std::nullopt;
  }
  return view.size() == 1 ? real_function(name, *x) : std::nullopt;
}

// n! and n!! beyond the exact values, in 60 digits: one step a factor.
std::optional<Complex> large_factorial(View view, Budget& budget) {
  const auto value = exact_value(view.child(0), budget);
  const auto n = value ? small_integer(*value, 5000) : std::nullopt;
  if (!n || *n < 0 || !budget.spend(static_cast<int>(*n))) return std::nullopt;
  std::optional<Complex> product = Complex{1, 0, 0};
  for (long k = *n; k >= 2 && product; k -= view.get().name == "!!" ? 2 : 1)
    product = checked(multiply(*product, {Float(k), 0, 0}));
  return product;
}

bool outside_the_reals(const Complex& radicand, long degree, int point) {
  return point >= kMixedPoints && degree % 2 == 0 && radicand.re < 0;
}

std::optional<Complex> approximate_power(View view, int point, Budget& budget) {
  const auto base = approximate_value(view.child(0), point, budget);
  if (!base || !budget.spend(90)) return std::nullopt;
  if (const auto exponent = exact_value(view.child(1), budget)) {
    if (const auto n = small_integer(*exponent, 10000000)) return integer_power(*base, *n);
    const auto degree = small_integer(Rational(denominator(*exponent)), 1000);
    const auto power = small_integer(Rational(numerator(*exponent)), 1000);
    if (degree && power) {
      if (outside_the_reals(*base, *degree, point)) return std::nullopt;
      const auto root = nth_root(*base, *degree);
      return root ? integer_power(*root, *power) : std::nullopt;
    }
  }
  const auto exponent = approximate_value(view.child(1), point, budget);
  return exponent ? positive_power(*base, *exponent) : std::nullopt;
}

}  // namespace

bool is_scalar(View view) {
  switch (view.get().kind) {
    case Kind::kTuple:
    case Kind::kSet:
    case Kind::kList:
    case Kind::kUnion:
    case Kind::kIntersection:
    case Kind::kDifference:
    case Kind::kRatio:
    case Kind::kRelation:
    case Kind::kMatrix:
    case Kind::kCases:
    case Kind::kText:
      return false;
    default:
      break;
  }
  for (size_t i = 0; i < view.size(); ++i) {
    if (!is_scalar(view.child(i))) return false;
  }
  return true;
}

bool contains(View view, Kind kind) {
  if (view.get().kind == kind) return true;
  for (size_t i = 0; i < view.size(); ++i) {
    if (contains(view.child(i), kind)) return true;
  }
  return false;
}

bool mentions(View view, const std::string& name) {
  const Node& node = view.get();
  if ((node.kind == Kind::kName || node.kind == Kind::kConstant) && node.name == name) return true;
  for (size_t i = 0; i < view.size(); ++i) {
    if (mentions(view.child(i), name)) return true;
  }
  return false;
}

bool Budget::binds(const std::string& name) const {
  const auto is_it = [&](const auto& binding) { return *binding.name == name; };
  return std::any_of(bound.begin(), bound.end(), is_it) ||
         std::any_of(near.begin(), near.end(), is_it);
}

bool has_names(View view) {
  std::vector<const std::string*> indices;
  const auto free = [&indices](const auto& self, View part) -> bool {
    const Node& node = part.get();
    if (node.kind == Kind::kName) {
      return std::none_of(indices.begin(), indices.end(),
                          [&](const std::string* index) { return *index == node.name; });
    }
    // The index of a sum, the variable of an integral or a limit is bound in the last part alone.
    const bool binds =
        part.size() > 1 && (node.kind == Kind::kSum || node.kind == Kind::kProduct ||
                            node.kind == Kind::kIntegral || node.kind == Kind::kLimit);
    bool found = false;
    for (size_t i = 0; i < part.size() && !found; ++i) {
      const bool inside = binds && i + 1 == part.size();
      if (inside) indices.push_back(&node.name);
      found = self(self, part.child(i));
      if (inside) indices.pop_back();
    }
    return found;
  };
  return free(free, view);
}

std::optional<Rational> exact_value(View view, Budget& budget) {
  if (!budget.spend(1)) return std::nullopt;
  const Node& node = view.get();
  std::optional<Rational> result;
  switch (node.kind) {
    case Kind::kNumber:
      return node.value;
    case Kind::kName:
    case Kind::kConstant: {
      const Rational* value = bound_value(node, budget);
      return value ? std::optional<Rational>(*value) : std::nullopt;
    }
    case Kind::kSum:
    case Kind::kProduct: {
      const bool sum = node.kind == Kind::kSum;
      if (is_infinite_sum(view)) {
        result = exact_infinite_sum(view, budget);
        break;
      }
      Rational total = sum ? 0 : 1;
      const bool done = for_each_term(view, budget, [&] {
        const auto term = exact_value(view.child(2), budget);
        if (!term) return false;
        if (sum)
          total += *term;
        else
          total *= *term;
        const int words = static_cast<int>(bits_of(total)) / 64;
        return fits(total) && budget.spend(words);
      });
      if (done) result = total;
      break;
    }
    case Kind::kAdd:
    case Kind::kMul: {
      Rational total;
      for (size_t i = 0; i < view.size(); ++i) {
        auto part = exact_value(view.child(i), budget);
        if (!part) return std::nullopt;
        if (i == 0)
          total = std::move(*part);
        else if (node.kind == Kind::kAdd)
          total = sum_of(total, *part);
        else
          total = product_of(total, *part);
        const int words = static_cast<int>(bits_of(total)) / 64;
        if (!fits(total) || !budget.spend(words)) return std::nullopt;
      }
      return total;
    }
    case Kind::kDiv: {
      const auto top = exact_value(view.child(0), budget),
                 bottom = exact_value(view.child(1), budget);
      if (top && bottom && *bottom != 0) result = *top / *bottom;
      break;
    }
    case Kind::kNeg:
    case Kind::kPlusMinus: {
      const bool negative = node.kind == Kind::kNeg || (view.sign < 0) == (node.name == "+");
      result = exact_value(view.child(0), budget);
      if (result && negative) result = -*result;
      break;
    }
    case Kind::kPow: {
      const auto base = exact_value(view.child(0), budget),
                 exponent = exact_value(view.child(1), budget);
      if (base && exponent) result = exact_power(*base, *exponent);
      break;
    }
    case Kind::kFactorial: {
      const auto value = exact_value(view.child(0), budget);
      if (value && budget.spend(*value < 60 ? 20 : 500))
        result = exact_factorial(*value, node.name == "!!" ? 2 : 1);
      break;
    }
    case Kind::kBinomial: {
      const auto top = exact_value(view.child(0), budget),
                 bottom = exact_value(view.child(1), budget);
      if (top && bottom && budget.spend(*top < 60 ? 20 : 500))
        result = exact_binomial(*top, *bottom);
      break;
    }
    case Kind::kDegree:
      if (budget.radians) return std::nullopt;
      return exact_value(view.child(0), budget);
    case Kind::kPercent:
      result = exact_value(view.child(0), budget);
      if (result) *result /= 100;
      break;
    case Kind::kCall: {
      if (const auto whole = exact_call(view, budget)) return whole;
      if (node.name != "abs" && node.name != "floor" && node.name != "ceil" && node.name != "sign")
        return std::nullopt;
      result = exact_value(view.child(0), budget);
      if (!result) break;
      if (node.name == "sign") result = Rational(*result > 0 ? 1 : *result < 0 ? -1 : 0);
      if (node.name == "abs") result = mp::abs(*result);
      if (node.name == "floor") result = Rational(floor_of(*result));
      if (node.name == "ceil") result = Rational(-floor_of(-*result));
      break;
    }
    default:
      return std::nullopt;
  }
  if (!result || !fits(*result)) return std::nullopt;
  budget.spend(static_cast<int>(bits_of(*result)) / 64);
  return result;
}

std::optional<Complex> approximate_value(View view, int point, Budget& budget) {
  if (!budget.spend(10)) return std::nullopt;
  const Node& node = view.get();
  switch (node.kind) {
    case Kind::kNumber:
      return checked(to_complex(node.value));
    case Kind::kName:
      if (const Rational* value = bound_value(node, budget)) return checked(to_complex(*value));
      for (const NearBinding& near : budget.near) {
        if (*near.name == node.name) return near.value;
      }
      return test_value(node.name, point, budget.reach);
    case Kind::kConstant:
      if (const Rational* value = bound_value(node, budget)) return checked(to_complex(*value));
      return constant(node.name);
    case Kind::kSum:
    case Kind::kProduct: {
      const bool sum = node.kind == Kind::kSum;
      if (is_infinite_sum(view)) return approximate_infinite_sum(view, point, budget);
      std::optional<Complex> total = Complex{sum ? 0 : 1, 0, 0};
      const bool done = for_each_term(view, budget, [&] {
        const auto term = approximate_value(view.child(2), point, budget);
        if (term) total = checked(sum ? add(*total, *term) : multiply(*total, *term));
        return term && total;
      });
      return done ? total : std::nullopt;
    }
    case Kind::kAdd:
    case Kind::kMul: {
      std::optional<Complex> total;
      for (size_t i = 0; i < view.size(); ++i) {
        const auto part = approximate_value(view.child(i), point, budget);
        if (!part) return std::nullopt;
        total = !total ? part
                       : checked(node.kind == Kind::kAdd ? add(*total, *part)
                                                         : multiply(*total, *part));
        if (!total) return std::nullopt;
      }
      return total;
    }
    case Kind::kDiv: {
      const auto top = approximate_value(view.child(0), point, budget);
      const auto bottom = approximate_value(view.child(1), point, budget);
      return top && bottom ? divide(*top, *bottom) : std::nullopt;
    }
    case Kind::kNeg:
    case Kind::kPlusMinus: {
      auto value = approximate_value(view.child(0), point, budget);
      const bool negative = node.kind == Kind::kNeg || (view.sign < 0) == (node.name == "+");
      if (value && negative) value = Complex{-value->re, -value->im, value->error};
      return value;
    }
    case Kind::kPow:
      return approximate_power(view, point, budget);
    case Kind::kRoot: {
      const auto degree = exact_value(view.child(1), budget);
      const auto n = degree ? small_integer(*degree, 1000) : std::nullopt;
      const auto radicand = approximate_value(view.child(0), point, budget);
      if (!radicand) return std::nullopt;
      if (!n) {
        const auto any = approximate_value(view.child(1), point, budget);
        const auto power = any ? divide({1, 0, 0}, *any) : std::nullopt;
        return power ? positive_power(*radicand, *power) : std::nullopt;
      }
      const long root = n.value();
      if (outside_the_reals(*radicand, root, point)) return std::nullopt;
      return nth_root(*radicand, root);
    }
    case Kind::kCall:
      return approximate_call(view, point, budget);
    case Kind::kIntegral:
      return approximate_integral(view, point, budget);
    case Kind::kLimit:
      return approximate_limit(view, point, budget);
    case Kind::kDegree: {
      const auto value = approximate_value(view.child(0), point, budget);
      if (!value || !budget.radians) return value;
      return multiply(*value, *divide(*constant("pi"), {180, 0, 0}));
    }
    case Kind::kPercent: {
      const auto value = approximate_value(view.child(0), point, budget);
      return value ? divide(*value, {100, 0, 0}) : std::nullopt;
    }
    case Kind::kFactorial:
    case Kind::kBinomial: {
      const auto value = exact_value(view, budget);
      if (value) return checked(to_complex(*value));
      return node.kind == Kind::kFactorial ? large_factorial(view, budget) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace ponder::judge
