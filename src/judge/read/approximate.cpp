// Values in 60 digits: approximate_value of evaluate.h.
#include <boost/math/constants/constants.hpp>

#include "judge/read/evaluate.h"
#include "judge/read/infinite_sum.h"
#include "judge/read/integral.h"
#include "judge/read/limit.h"
#include "judge/read/terms.h"

namespace ponder::judge {
namespace {

// Variables are tried at points between 0.6 and 2.6: positive, away from 0 and 1 with certainty
// enough.
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

// f(x) has one test value for each value of x, told apart by 30 digits.
std::optional<Complex> value_of_function(View view, int point, Budget& budget) {
  const auto x = approximate_value(view.child(1), point, budget);
  if (!x || x->error > Float("1e-40")) return std::nullopt;
  static const Float kDigits("1e30");
  const auto rounded = [](const Float& part) {
    const Float whole = mp::round(Float(part * kDigits));
    return (whole == 0 ? Float(0) : whole).str(40, std::ios_base::scientific);
  };
  return test_value(view.child(0).get().name + '(' + rounded(x->re) + ',' + rounded(x->im), point,
                    budget.reach);
}

std::optional<Complex> constant(const std::string& name) {
  if (name == "pi") return checked({boost::math::constants::pi<Float>(), 0, 0});
  if (name == "e") return checked({boost::math::constants::e<Float>(), 0, 0});
  if (name == "i") return Complex{0, 1, 0};
  return std::nullopt;
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

// x - y floor(x / y), where the quotient is certainly not whole.
std::optional<Complex> approximate_remainder(View view, int point, Budget& budget) {
  const auto x = approximate_value(view.child(0), point, budget),
             y = approximate_value(view.child(1), point, budget);
  const auto quotient = x && y ? divide(*x, *y) : std::nullopt;
  if (!quotient || quotient->im != 0) return std::nullopt;
  const Float whole = mp::floor(quotient->re), rest = quotient->re - whole;
  if (rest <= quotient->error * 4 || 1 - rest <= quotient->error * 4) return std::nullopt;
  return checked(add(*x, multiply(*y, {-whole, 0, 0})));
}

// The gamma function at whole and half numbers up to 30, zeta at 2, 4, ... 10.
std::optional<Complex> special_value(const std::string& name, View argument, Budget& budget) {
  const auto x = exact_value(argument, budget);
  if (!x) return std::nullopt;
  if (name == "zeta") {
    const auto s = small_integer(*x, kMostEvenZeta);
    return s ? even_zeta(*s) : std::nullopt;
  }
  if (*x <= 0 || *x > 30 || denominator(*x) > 2) return std::nullopt;
  Rational factors = 1, rest = *x;
  for (; rest > 1; rest -= 1) factors *= rest - 1;
  const auto whole = to_complex(factors);
  if (is_whole(rest)) return whole;
  const auto root = nth_root(*constant("pi"), 2);
  return root ? checked(multiply(whole, *root)) : std::nullopt;
}

std::optional<Complex> approximate_call(View view, int point, Budget& budget) {
  const std::string& name = view.get().name;
  if (!budget.spend(90)) return std::nullopt;
  if (name == "Gamma" || name == "zeta") return special_value(name, view.child(0), budget);
  if (name == "phi") {
    const auto exact = exact_value(view, budget);
    return exact ? std::optional(to_complex(*exact)) : std::nullopt;
  }
  if (name == "max" || name == "min") return approximate_extreme(view, point, budget);
  if (name == "gcd" || name == "lcm" || name == "mod") {
    if (const auto exact = exact_value(view, budget)) return to_complex(*exact);
    return name == "mod" ? approximate_remainder(view, point, budget) : std::nullopt;
  }
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
    case Kind::kApply:
      return value_of_function(view, point, budget);
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
