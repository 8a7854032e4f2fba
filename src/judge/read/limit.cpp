#include "judge/read/limit.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::judge {
namespace {

constexpr int kTerms = 8;
constexpr unsigned kMostSeriesBits = 300;  // of a coefficient

// t^order (c_0 + c_1 t + ...), known up to the last coefficient, c_0 not 0; no coefficients: 0.
struct Series {
  int order = 0;
  std::vector<Rational> c;

  bool is_zero() const { return c.empty(); }
  Rational at(size_t i) const { return i < c.size() ? c[i] : Rational(0); }
};
using MaybeSeries = std::optional<Series>;

Series constant(const Rational& value) {
  Series series;
  if (value != 0) {
    series.c.assign(kTerms, 0);
    series.c[0] = value;
  }
  return series;
}

// Nothing where no known coefficient is left: it may be 0 or not.
MaybeSeries normalized(Series series) {
  size_t zeros = 0;
  while (zeros < series.c.size() && series.c[zeros] == 0) ++zeros;
  if (zeros == series.c.size()) return std::nullopt;
  series.c.erase(series.c.begin(), series.c.begin() + static_cast<std::ptrdiff_t>(zeros));
  series.order += static_cast<int>(zeros);
  for (const Rational& value : series.c) {
    if (bits(numerator(value)) > kMostSeriesBits || bits(denominator(value)) > kMostSeriesBits)
      return std::nullopt;
  }
  return series;
}

MaybeSeries sum(const Series& a, const Series& b) {
  if (a.is_zero()) return b;
  if (b.is_zero()) return a;
  Series total;
  total.order = std::min(a.order, b.order);
  const int end =
      std::min(a.order + static_cast<int>(a.c.size()), b.order + static_cast<int>(b.c.size()));
  for (int k = total.order; k < end; ++k) {
    Rational value = 0;
    if (k >= a.order) value += a.at(static_cast<size_t>(k - a.order));
    if (k >= b.order) value += b.at(static_cast<size_t>(k - b.order));
    total.c.push_back(value);
  }
  return normalized(std::move(total));
}

MaybeSeries product(const Series& a, const Series& b) {
  if (a.is_zero() || b.is_zero()) return Series{};
  Series total;
  total.order = a.order + b.order;
  total.c.assign(std::min(a.c.size(), b.c.size()), 0);
  for (size_t i = 0; i < total.c.size(); ++i) {
    for (size_t j = 0; j <= i; ++j) total.c[i] += a.c[j] * b.c[i - j];
  }
  return normalized(std::move(total));
}

// The root with the sign of the radicand, where it is rational.
std::optional<Rational> exact_root(const Rational& value, unsigned degree) {
  const auto of_whole = [&](const BigInt& whole) -> std::optional<BigInt> {
    BigInt low = 0, high = BigInt(1) << (bits(whole) / degree + 1);
    while (low < high) {
      const BigInt middle = (low + high + 1) / 2;
      if (mp::pow(middle, degree) <= whole)
        low = middle;
      else
        high = middle - 1;
    }
    return mp::pow(low, degree) == whole ? std::optional(low) : std::nullopt;
  };
  const auto top = of_whole(BigInt(mp::abs(numerator(value)))),
             bottom = of_whole(BigInt(denominator(value)));
  if (!top || !bottom) return std::nullopt;
  return Rational(value < 0 ? BigInt(-*top) : *top, *bottom);
}

class Expansion {
 public:
  // x = target + t, or x = 1/t or -1/t with t above 0 where `infinite` is its sign.
  Expansion(const std::string& name, const Rational& target, int infinite, bool from_above,
            Budget& budget)
      : name_(name), positive_(from_above || infinite != 0), budget_(budget) {
    if (infinite != 0) {
      x_ = constant(infinite);
      x_.order = -1;
    } else {
      x_.order = target == 0 ? 1 : 0;
      x_.c.assign(kTerms, 0);
      x_.c[0] = target == 0 ? Rational(1) : target;
      if (target != 0) x_.c[1] = 1;
    }
  }

  MaybeSeries of(View view) {
    if (!budget_.spend(300)) return std::nullopt;
    if (!mentions(view, name_)) {
      const auto value = exact_value(view, budget_);
      return value ? std::optional(constant(*value)) : std::nullopt;
    }
    switch (view.get().kind) {
      case Kind::kName:
        return x_;
      case Kind::kNeg:
        return negative(of(view.child(0)));
      case Kind::kAdd:
      case Kind::kMul: {
        MaybeSeries total;
        for (size_t i = 0; i < view.size(); ++i) {
          const auto part = of(view.child(i));
          if (!part) return std::nullopt;
          total = !total                          ? part
                  : view.get().kind == Kind::kAdd ? sum(*total, *part)
                                                  : product(*total, *part);
          if (!total) return std::nullopt;
        }
        return total;
      }
      case Kind::kDiv: {
        const auto top = of(view.child(0)), inverse = power(of(view.child(1)), -1);
        return top && inverse ? product(*top, *inverse) : std::nullopt;
      }
      case Kind::kRoot: {
        const auto degree = exact_value(view.child(1), budget_);
        return degree && *degree >= 2 && is_whole(*degree)
                   ? power(of(view.child(0)), Rational(1) / *degree)
                   : std::nullopt;
      }
      case Kind::kPow:
        if (!mentions(view.child(1), name_)) {
          const auto exponent = exact_value(view.child(1), budget_);
          return exponent ? power(of(view.child(0)), *exponent) : std::nullopt;
        }
        return exponential(exponent_of(view));
      case Kind::kCall:
        return call(view);
      default:
        return std::nullopt;
    }
  }

  // The exponent of e that a power stands for: v of e^v, v ln u of u^v.
  MaybeSeries exponent_of(View power) {
    const Node& base = power.child(0).get();
    const auto exponent = of(power.child(1));
    if (!exponent || (base.kind == Kind::kConstant && base.name == "e")) return exponent;
    const auto log = logarithm(of(power.child(0)));
    return log ? product(*exponent, *log) : std::nullopt;
  }

 private:
  static MaybeSeries negative(MaybeSeries series) {
    if (series) {
      for (Rational& value : series->c) value = -value;
    }
    return series;
  }

  MaybeSeries power(const MaybeSeries& base, const Rational& exponent) const {
    if (!base || mp::abs(exponent) > 50) return std::nullopt;
    if (exponent == 0) return constant(1);
    if (base->is_zero()) return exponent > 0 ? base : std::nullopt;
    if (denominator(exponent) > 12) return std::nullopt;
    const Rational order = exponent * base->order;
    const unsigned degree = static_cast<unsigned>(denominator(exponent));
    // Roots of t^k: of t above 0 alone.
    if (!is_whole(order) || (degree != 1 && base->order != 0 && !positive_)) return std::nullopt;
    if (base->c[0] < 0 && degree % 2 == 0) return std::nullopt;
    const auto root = exact_root(base->c[0], degree);
    if (!root) return std::nullopt;
    Series result;
    result.order = static_cast<int>(numerator(order));
    result.c = {1};
    const long times = static_cast<long>(numerator(exponent));
    for (long i = 0; i < std::abs(times); ++i)
      result.c[0] = times > 0 ? Rational(result.c[0] * *root) : Rational(result.c[0] / *root);
    for (size_t n = 1; n < base->c.size(); ++n) {
      Rational value = 0;
      for (size_t k = 1; k <= n; ++k)
        value += (exponent * static_cast<int>(k) - static_cast<int>(n - k)) * base->c[k] *
                 result.c[n - k];
      result.c.push_back(value / (base->c[0] * static_cast<int>(n)));
    }
    return normalized(std::move(result));
  }

  // The coefficients from t^0 on of a series that is 0 at t = 0.
  static std::optional<std::vector<Rational>> without_constant(const MaybeSeries& u) {
    if (!u || (!u->is_zero() && u->order < 1)) return std::nullopt;
    std::vector<Rational> all(u->is_zero() ? kTerms : u->c.size() + static_cast<size_t>(u->order));
    for (size_t i = 0; i < u->c.size(); ++i) all[i + static_cast<size_t>(u->order)] = u->c[i];
    if (all.size() > kTerms) all.resize(kTerms);
    return all;
  }

  static MaybeSeries exponential(const MaybeSeries& exponent) {
    const auto u = without_constant(exponent);
    if (!u) return std::nullopt;
    std::vector<Rational> e = {1};
    for (size_t n = 1; n < u->size(); ++n) e.push_back(convolution(*u, e, n));
    return normalized({0, std::move(e)});
  }

  // The sum of k u_k v_(n-k), over n: the n-th coefficient of what has the derivative u' v.
  static Rational convolution(const std::vector<Rational>& u, const std::vector<Rational>& v,
                              size_t n) {
    Rational value = 0;
    for (size_t k = 1; k <= n; ++k) value += u[k] * v[n - k] * static_cast<int>(k);
    return value / static_cast<int>(n);
  }

  static MaybeSeries logarithm(const MaybeSeries& u) {
    if (!u || u->is_zero() || u->order != 0 || u->c[0] != 1) return std::nullopt;
    std::vector<Rational> log = {0};
    for (size_t n = 1; n < u->c.size(); ++n) {
      Rational value = u->c[n] * static_cast<int>(n);
      for (size_t k = 1; k < n; ++k) value -= log[k] * u->c[n - k] * static_cast<int>(k);
      log.push_back(value / static_cast<int>(n));
    }
    if (std::all_of(u->c.begin() + 1, u->c.end(), [](const Rational& v) { return v == 0; }))
      return std::nullopt;
    return normalized({0, std::move(log)});
  }

  MaybeSeries call(View view) {
    const std::string& name = view.get().name;
    if (view.size() != 1 || contains(view, Kind::kDegree)) return std::nullopt;
    const auto inside = of(view.child(0));
    if (name == "ln" || (name == "log" && budget_.natural_logs)) return logarithm(inside);
    if (name == "exp") return exponential(inside);
    if (name == "abs") {
      if (!inside || inside->is_zero() || (inside->order != 0 && !positive_)) return std::nullopt;
      return inside->c[0] < 0 ? negative(inside) : inside;
    }
    if (name != "sin" && name != "cos" && name != "tan") return std::nullopt;
    const auto u = without_constant(inside);
    if (!u) return std::nullopt;
    std::vector<Rational> sine = {0}, cosine = {1};
    for (size_t n = 1; n < u->size(); ++n) {
      const Rational next = convolution(*u, cosine, n);
      cosine.push_back(-convolution(*u, sine, n));
      sine.push_back(next);
    }
    if (name == "cos") return normalized({0, std::move(cosine)});
    const auto top = inside->is_zero() ? MaybeSeries(Series{}) : normalized({0, std::move(sine)});
    if (name == "sin") return top;
    const auto below = power(normalized({0, std::move(cosine)}), -1);
    return top && below ? product(*top, *below) : std::nullopt;
  }

  const std::string& name_;
  bool positive_;
  Budget& budget_;
  Series x_;
};

// The value at t = 0.
std::optional<Rational> limit_of(const MaybeSeries& series) {
  if (!series || (!series->is_zero() && series->order < 0)) return std::nullopt;
  return series->is_zero() || series->order > 0 ? Rational(0) : series->c[0];
}

// Made of functions that are continuous wherever they have a value near their argument.
bool is_continuous(View view) {
  static constexpr std::array<std::string_view, 12> kFunctions = {
      "sin", "cos", "tan", "exp", "ln", "log", "abs", "arctan", "sinh", "cosh", "tanh", "sec"};
  switch (view.get().kind) {
    case Kind::kNumber:
    case Kind::kName:
    case Kind::kConstant:
    case Kind::kAdd:
    case Kind::kMul:
    case Kind::kDiv:
    case Kind::kNeg:
    case Kind::kPow:
    case Kind::kRoot:
      break;
    case Kind::kCall:
      if (std::find(kFunctions.begin(), kFunctions.end(), view.get().name) == kFunctions.end())
        return false;
      break;
    default:
      return false;
  }
  for (size_t i = 0; i < view.size(); ++i) {
    if (!is_continuous(view.child(i))) return false;
  }
  return true;
}

}  // namespace

std::optional<Complex> approximate_limit(View limit, int point, Budget& budget) {
  const std::string& name = limit.get().name;
  if (budget.binds(name) || budget.near.size() > 4 || !budget.spend(200)) return std::nullopt;
  View target = limit.child(0);
  const View body = limit.child(1);
  if (!mentions(body, name)) return approximate_value(body, point, budget);
  int infinite = 0;
  const bool negative = target.get().kind == Kind::kNeg;
  const Node& end = negative ? target.child(0).get() : target.get();
  if (end.kind == Kind::kConstant && end.name == "inf") infinite = negative ? -1 : 1;
  if (infinite == 0) {
    const auto place = approximate_value(target, point, budget);
    if (!place) return std::nullopt;
    if (is_continuous(body)) {
      budget.near.push_back({&name, *place});
      auto value = approximate_value(body, point, budget);
      budget.near.pop_back();
      if (value) return value;
    }
  }
  const auto exact = infinite ? std::optional(Rational(0)) : exact_value(target, budget);
  if (!exact) return std::nullopt;
  Expansion expansion(name, *exact, infinite, limit.get().value > 0, budget);
  if (body.get().kind == Kind::kPow && mentions(body.child(1), name)) {
    const auto exponent = limit_of(expansion.exponent_of(body));
    return exponent ? real_function("exp", to_complex(*exponent)) : std::nullopt;
  }
  const auto value = limit_of(expansion.of(body));
  return value ? std::optional(to_complex(*value)) : std::nullopt;
}

}  // namespace ponder::judge
