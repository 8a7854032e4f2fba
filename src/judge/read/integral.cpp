#include "judge/read/integral.h"

#include <algorithm>
#include <string>
#include <vector>

namespace ponder::judge {
namespace {

constexpr int kHighestPower = 20;

std::optional<Complex> sum(const std::optional<Complex>& a, const std::optional<Complex>& b) {
  return a && b ? checked(add(*a, *b)) : std::nullopt;
}
std::optional<Complex> product(const std::optional<Complex>& a, const std::optional<Complex>& b) {
  return a && b ? checked(multiply(*a, *b)) : std::nullopt;
}
std::optional<Complex> quotient(const std::optional<Complex>& a, const std::optional<Complex>& b) {
  return a && b ? divide(*a, *b) : std::nullopt;
}
std::optional<Complex> difference(const std::optional<Complex>& a,
                                  const std::optional<Complex>& b) {
  return sum(a, product(b, Complex{-1, 0, 0}));
}

class Integration {
 public:
  Integration(View integral, int point, Budget& budget)
      : integral_(integral), name_(integral.get().name), point_(point), budget_(budget) {}

  std::optional<Complex> run() {
    low_ = approximate_value(integral_.child(0), point_, budget_);
    high_ = approximate_value(integral_.child(1), point_, budget_);
    if (!low_ || !high_ || low_->im != 0 || high_->im != 0) return std::nullopt;
    return of(integral_.child(2));
  }

 private:
  std::optional<Complex> at(View view, const Complex& x) {
    budget_.near.push_back({&name_, x});
    auto value = approximate_value(view, point_, budget_);
    budget_.near.pop_back();
    return value;
  }
  // At a bound, where an exact zero is seen as such.
  std::optional<Complex> at_bound(View view, size_t bound) {
    if (const auto exact = exact_value(integral_.child(bound), budget_)) {
      budget_.bound.push_back({&name_, *exact});
      const auto value = exact_value(view, budget_);
      budget_.bound.pop_back();
      if (value) return to_complex(*value);
    }
    return at(view, bound == 0 ? *low_ : *high_);
  }
  std::optional<Complex> constant(View view) { return approximate_value(view, point_, budget_); }

  std::optional<Complex> of(View term) {
    if (!budget_.spend(20)) return std::nullopt;
    if (!mentions(term, name_)) return product(constant(term), difference(high_, low_));
    if (const auto degree = degree_of(term)) return of_polynomial(term, *degree);
    switch (term.get().kind) {
      case Kind::kNeg:
        return product(of(term.child(0)), Complex{-1, 0, 0});
      case Kind::kAdd: {
        std::optional<Complex> total = Complex{};
        for (size_t i = 0; i < term.size() && total; ++i) total = sum(total, of(term.child(i)));
        return total;
      }
      case Kind::kMul: {
        std::optional<Complex> factor = Complex{1, 0, 0};
        std::optional<View> rest;
        for (size_t i = 0; i < term.size(); ++i) {
          if (!mentions(term.child(i), name_)) {
            factor = product(factor, constant(term.child(i)));
          } else if (rest) {
            return std::nullopt;
          } else {
            rest = term.child(i);
          }
        }
        return product(factor, of(*rest));
      }
      case Kind::kDiv:
        if (!mentions(term.child(1), name_))
          return quotient(of(term.child(0)), constant(term.child(1)));
        if (mentions(term.child(0), name_)) return std::nullopt;
        return product(constant(term.child(0)), of_reciprocal(term.child(1)));
      case Kind::kPow:
        if (mentions(term.child(0), name_))
          return of_power(term.child(0), exact_value(term.child(1), budget_));
        return of_exponential(constant(term.child(0)), term.child(1));
      case Kind::kRoot: {
        const auto degree = exact_value(term.child(1), budget_);
        if (!degree || *degree == 0) return std::nullopt;
        return of_power(term.child(0), Rational(1) / *degree);
      }
      case Kind::kCall:
        return of_call(term);
      default:
        return std::nullopt;
    }
  }

  // 1 / x^2 and 1 / sqrt x are powers too.
  std::optional<Complex> of_reciprocal(View below) {
    View base = below;
    Rational exponent = 1;
    if (below.get().kind == Kind::kPow || below.get().kind == Kind::kRoot) {
      const auto given = exact_value(below.child(1), budget_);
      if (!given || *given == 0) return std::nullopt;
      exponent = below.get().kind == Kind::kPow ? *given : Rational(1) / *given;
      base = below.child(0);
    }
    return of_power(base, -exponent);
  }

  std::optional<int> degree_of(View term) {
    if (!mentions(term, name_)) return 0;
    switch (term.get().kind) {
      case Kind::kName:
        return 1;
      case Kind::kNeg:
        return degree_of(term.child(0));
      case Kind::kAdd:
      case Kind::kMul: {
        int degree = 0;
        for (size_t i = 0; i < term.size(); ++i) {
          const auto part = degree_of(term.child(i));
          if (!part) return std::nullopt;
          degree = term.get().kind == Kind::kMul ? degree + *part : std::max(degree, *part);
          if (degree > kHighestPower) return std::nullopt;
        }
        return degree;
      }
      case Kind::kDiv:
        return mentions(term.child(1), name_) ? std::nullopt : degree_of(term.child(0));
      case Kind::kPow: {
        const auto power = exact_value(term.child(1), budget_);
        const auto base = degree_of(term.child(0));
        if (!power || !base || !is_whole(*power) || *power < 0 || *power > kHighestPower)
          return std::nullopt;
        const int degree = *base * static_cast<int>(numerator(*power));
        return degree > kHighestPower ? std::nullopt : std::optional(degree);
      }
      default:
        return std::nullopt;
    }
  }

  // Exact for a polynomial of degree d: with x = low + t (high - low) / d, the integral over t of
  // the sum of binom(t, k) D^k f(0), D^k the k-th difference.
  std::optional<Complex> of_polynomial(View term, int degree) {
    const auto width = difference(high_, low_);
    const auto step = quotient(width, Complex{degree, 0, 0});
    std::vector<Complex> values;
    for (int j = 0; j <= degree; ++j) {
      const auto x = sum(low_, product(step, Complex{j, 0, 0}));
      const auto value = x ? at(term, *x) : std::nullopt;
      if (!value) return std::nullopt;
      values.push_back(*value);
    }
    std::optional<Complex> total = Complex{};
    std::vector<Rational> binomial = {1};  // coefficients of binom(t, k)
    for (int k = 0; k <= degree && total; ++k) {
      Rational weight = 0, power = 1;
      for (size_t i = 0; i < binomial.size(); ++i) {
        power *= degree;
        weight += binomial[i] * power / static_cast<int>(i + 1);
      }
      total = sum(total, product(values[0], to_complex(weight)));
      for (size_t j = 0; j + 1 < values.size(); ++j) {
        const auto next = difference(values[j + 1], values[j]);
        if (!next) return std::nullopt;
        values[j] = *next;
      }
      values.pop_back();
      binomial.push_back(0);
      for (size_t i = binomial.size(); i-- > 0;)
        binomial[i] = ((i > 0 ? binomial[i - 1] : Rational(0)) - binomial[i] * k) / (k + 1);
    }
    return product(total, step);
  }

  // What is linear in the variable: its slope and its values at the bounds.
  struct Linear {
    Complex slope, low, high;
  };
  std::optional<Linear> linear(View inside) {
    if (degree_of(inside) != 1) return std::nullopt;
    const auto zero = at(inside, Complex{}), one = at(inside, Complex{1, 0, 0});
    const auto slope = difference(one, zero);
    const auto low = at_bound(inside, 0), high = at_bound(inside, 1);
    if (!slope || !low || !high || slope->im != 0 || low->im != 0 || high->im != 0)
      return std::nullopt;
    return Linear{*slope, *low, *high};
  }

  // u^p, u linear and above 0 between the bounds, or 0 at one of them where p is above 0; 1/u where
  // u keeps its sign.
  std::optional<Complex> of_power(View base, const std::optional<Rational>& exponent) {
    const auto u = exponent ? linear(base) : std::nullopt;
    if (!u) return std::nullopt;
    if (*exponent == -1) {
      if ((u->low.re < 0) != (u->high.re < 0)) return std::nullopt;
      const Complex low{mp::abs(u->low.re), 0, u->low.error};
      const Complex high{mp::abs(u->high.re), 0, u->high.error};
      return quotient(difference(real_function("ln", high), real_function("ln", low)), u->slope);
    }
    const bool whole = is_whole(*exponent);
    if (whole && (u->low.re < 0) != (u->high.re < 0)) return std::nullopt;
    const Complex power = to_complex(*exponent + 1);
    const auto raised = [&](const Complex& x) -> std::optional<Complex> {
      if (whole) {
        if (mp::abs(*exponent) > 1000 || mp::abs(x.re) <= x.error * 4) return std::nullopt;
        return integer_power(x, static_cast<long>(numerator(*exponent)) + 1);
      }
      if (x.re == 0 && *exponent > 0 && x.error == 0) return Complex{};
      return positive_power(x, power);
    };
    return quotient(difference(raised(u->high), raised(u->low)), product(u->slope, power));
  }

  // b^u, u linear.
  std::optional<Complex> of_exponential(const std::optional<Complex>& base, View exponent) {
    const auto u = base ? linear(exponent) : std::nullopt;
    const auto log = u ? real_function("ln", *base) : std::nullopt;
    if (!log) return std::nullopt;
    return quotient(difference(positive_power(*base, u->high), positive_power(*base, u->low)),
                    product(u->slope, log));
  }

  std::optional<Complex> of_call(View call) {
    const std::string& name = call.get().name;
    if (call.size() != 1 || contains(call, Kind::kDegree)) return std::nullopt;
    const bool sine = name == "sin";
    if (!sine && name != "cos" && name != "exp") return std::nullopt;
    const auto u = linear(call.child(0));
    if (!u) return std::nullopt;
    const std::string integral = name == "exp" ? "exp" : sine ? "cos" : "sin";
    const auto change =
        difference(real_function(integral, u->high), real_function(integral, u->low));
    const auto value = quotient(change, u->slope);
    return sine ? product(value, Complex{-1, 0, 0}) : value;
  }

  View integral_;
  const std::string& name_;
  int point_;
  Budget& budget_;
  std::optional<Complex> low_, high_;
};

}  // namespace

std::optional<Complex> approximate_integral(View integral, int point, Budget& budget) {
  if (integral.size() != 3 || budget.binds(integral.get().name) || budget.near.size() > 4 ||
      !budget.spend(100))
    return std::nullopt;
  return Integration(integral, point, budget).run();
}

}  // namespace ponder::judge
