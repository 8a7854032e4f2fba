#include "judge/read/evaluate.h"

#include <algorithm>

#include "judge/read/infinite_sum.h"
#include "judge/read/terms.h"

namespace ponder::judge {
namespace {

unsigned bits_of(const Rational& value) {
  return bits(numerator(value)) + (is_whole(value) ? 1 : bits(denominator(value)));
}

bool fits(const Rational& value) {
  return bits(numerator(value)) <= kMaxBits &&
         (is_whole(value) || bits(denominator(value)) <= kMaxBits);
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

BigInt floor_of(const Rational& value) {
  BigInt quotient, remainder;
  mp::divide_qr(numerator(value), denominator(value), quotient, remainder);
  return remainder < 0 ? BigInt(quotient - 1) : quotient;
}

// Euler's totient, of whole numbers up to a billion.
std::optional<Rational> totient(const Rational& value, Budget& budget) {
  const auto whole = small_integer(value, 1000000000);
  if (!whole || *whole < 1) return std::nullopt;
  long rest = *whole, count = *whole;
  for (long p = 2; p * p <= rest; ++p) {
    if (!budget.spend(1)) return std::nullopt;
    if (rest % p != 0) continue;
    count -= count / p;
    while (rest % p == 0) rest /= p;
  }
  return Rational(rest > 1 ? count - count / rest : count);
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
      if (node.name == "phi" || node.name == "Gamma") {
        const auto argument = exact_value(view.child(0), budget);
        if (!argument || !is_whole(*argument) || !budget.spend(200)) return std::nullopt;
        result =
            node.name == "phi" ? totient(*argument, budget) : exact_factorial(*argument - 1, 1);
        break;
      }
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

}  // namespace ponder::judge
