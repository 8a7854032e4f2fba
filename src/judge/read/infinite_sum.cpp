#include "judge/read/infinite_sum.h"

#include <algorithm>
#include <string>
#include <vector>

#include "judge/read/terms.h"

namespace ponder::judge {
namespace {

constexpr int kMostDegree = 4;

// The two kinds of numbers that sums are made of.
struct Exact {
  using Number = Rational;
  Budget& budget;
  std::optional<Number> value(View view) const { return exact_value(view, budget); }
  static std::optional<Number> sum(const Number& a, const Number& b) { return a + b; }
  static std::optional<Number> product(const Number& a, const Number& b) { return a * b; }
  static std::optional<Number> quotient(const Number& a, const Number& b) {
    return b == 0 ? std::nullopt : std::optional<Number>(a / b);
  }
  static Number whole(int n) { return n; }
  static bool is_small(const Number& ratio) { return mp::abs(ratio) < 1; }
};

struct Approximate {
  using Number = Complex;
  int point;
  Budget& budget;
  std::optional<Number> value(View view) const { return approximate_value(view, point, budget); }
  static std::optional<Number> sum(const Number& a, const Number& b) { return checked(add(a, b)); }
  static std::optional<Number> product(const Number& a, const Number& b) {
    return checked(multiply(a, b));
  }
  static std::optional<Number> quotient(const Number& a, const Number& b) { return divide(a, b); }
  static Number whole(int n) { return {n, 0, 0}; }
  static bool is_small(const Number& r) {
    return mp::sqrt(r.re * r.re + r.im * r.im) + r.error < 1;
  }
};

// p(k) r^k: the degree of p, and r where there is a power at all.
template <typename Number>
struct Growth {
  int degree = 0;
  std::optional<Number> ratio;
};

template <typename Field>
class Summation {
 public:
  using Number = typename Field::Number;

  Summation(View sum, Field field, Budget& budget)
      : index_(sum.get().name), sum_(sum), field_(field), budget_(budget) {}

  std::optional<Number> run() {
    const auto first = exact_value(sum_.child(0), budget_);
    if (!first || denominator(*first) != 1 || mp::abs(*first) > 1000000) return std::nullopt;
    first_ = *first;
    return sum_of(sum_.child(2));
  }

 private:
  template <typename What>
  auto at(const Rational& k, What what) {
    budget_.bound.push_back({&index_, k});
    auto result = what();
    budget_.bound.pop_back();
    return result;
  }

  std::optional<Number> sum_of(View term) {
    if (!budget_.spend(50)) return std::nullopt;
    if (term.get().kind == Kind::kAdd) {
      std::optional<Number> total = Field::whole(0);
      for (size_t i = 0; i < term.size() && total; ++i) {
        const auto part = sum_of(term.child(i));
        total = part ? Field::sum(*total, *part) : std::nullopt;
      }
      return total;
    }
    const auto growth = growth_of(term);
    if (!growth || !growth->ratio || growth->degree > kMostDegree ||
        !Field::is_small(*growth->ratio))
      return std::nullopt;
    return closed_form(term, growth->degree, *growth->ratio);
  }

  // With u_j = p(first + j) r^first, the sum of u_j r^j is that of D^i u_0 r^i / (1 - r)^(i + 1),
  // D^i the i-th difference.
  std::optional<Number> closed_form(View term, int degree, const Number& r) {
    std::vector<Number> u;
    Number power = Field::whole(1);
    for (int j = 0; j <= degree; ++j) {
      const auto value = at(first_ + j, [&] { return field_.value(term); });
      const auto scaled = value ? Field::quotient(*value, power) : std::nullopt;
      const auto next = Field::product(power, r);
      if (!scaled || !next) return std::nullopt;
      u.push_back(*scaled);
      power = *next;
    }
    const auto negative = Field::product(Field::whole(-1), r);
    const auto rest = negative ? Field::sum(Field::whole(1), *negative) : std::nullopt;
    const auto step = rest ? Field::quotient(r, *rest) : std::nullopt;
    auto factor = rest ? Field::quotient(Field::whole(1), *rest) : std::nullopt;
    std::optional<Number> total = Field::whole(0);
    for (int i = 0; i <= degree && total && factor && step; ++i) {
      const auto part = Field::product(u[0], *factor);
      total = part ? Field::sum(*total, *part) : std::nullopt;
      for (size_t j = 0; j + 1 < u.size(); ++j) {
        const auto less = Field::product(Field::whole(-1), u[j]);
        const auto difference = less ? Field::sum(u[j + 1], *less) : std::nullopt;
        if (!difference) return std::nullopt;
        u[j] = *difference;
      }
      u.pop_back();
      factor = Field::product(*factor, *step);
    }
    return factor && step ? total : std::nullopt;
  }

  std::optional<Growth<Number>> growth_of(View term) {
    if (!mentions(term, index_)) return Growth<Number>{};
    switch (term.get().kind) {
      case Kind::kName:
      case Kind::kConstant:
        return Growth<Number>{1, std::nullopt};
      case Kind::kNeg:
        return growth_of(term.child(0));
      case Kind::kAdd: {  // a polynomial
        Growth<Number> all;
        for (size_t i = 0; i < term.size(); ++i) {
          const auto part = growth_of(term.child(i));
          if (!part || part->ratio) return std::nullopt;
          all.degree = std::max(all.degree, part->degree);
        }
        return all;
      }
      case Kind::kMul: {
        Growth<Number> all;
        for (size_t i = 0; i < term.size(); ++i) {
          const auto part = growth_of(term.child(i));
          if (!part) return std::nullopt;
          all.degree += part->degree;
          if (!part->ratio) continue;
          all.ratio = all.ratio ? Field::product(*all.ratio, *part->ratio) : part->ratio;
          if (!all.ratio) return std::nullopt;
        }
        return all;
      }
      case Kind::kDiv: {
        auto top = growth_of(term.child(0));
        const auto bottom = growth_of(term.child(1));
        if (!top || !bottom || bottom->degree > 0) return std::nullopt;
        if (!bottom->ratio) return top;
        top->ratio = Field::quotient(top->ratio ? *top->ratio : Field::whole(1), *bottom->ratio);
        return top->ratio ? top : std::nullopt;
      }
      case Kind::kPow:
        return growth_of_power(term.child(0), term.child(1));
      default:
        return std::nullopt;
    }
  }

  std::optional<Growth<Number>> growth_of_power(View base, View exponent) {
    if (mentions(exponent, index_)) {  // 2^{2k+1}, its exponent whole at every k
      const auto power = growth_of(exponent);
      const auto exact = [&](int k) {
        return at(first_ + k, [&] { return exact_value(exponent, budget_); });
      };
      const auto low = exact(0), next = exact(1);
      if (mentions(base, index_) || !power || power->degree != 1 || power->ratio || !low || !next ||
          denominator(*low) != 1 || denominator(*next) != 1)
        return std::nullopt;
      const auto value = field_.value(base);
      return value ? to_power(0, *value, *next - *low) : std::nullopt;
    }
    const auto inner = growth_of(base);
    const auto power = exact_value(exponent, budget_);
    if (!inner || !power || *power < 0 || *power > kMostDegree || denominator(*power) != 1)
      return std::nullopt;
    const int n = static_cast<int>(numerator(*power));
    if (!inner->ratio) return Growth<Number>{inner->degree * n, std::nullopt};
    return to_power(inner->degree * n, *inner->ratio, *power);
  }

  std::optional<Growth<Number>> to_power(int degree, const Number& base, const Rational& exponent) {
    if (mp::abs(exponent) > 20) return std::nullopt;
    std::optional<Number> ratio = Field::whole(1);
    const int n = static_cast<int>(numerator(exponent));
    for (int i = 0; i < std::abs(n) && ratio; ++i)
      ratio = n > 0 ? Field::product(*ratio, base) : Field::quotient(*ratio, base);
    return ratio ? std::optional(Growth<Number>{degree, ratio}) : std::nullopt;
  }

  const std::string& index_;
  View sum_;
  Field field_;
  Budget& budget_;
  Rational first_;
};

}  // namespace

bool is_infinite_sum(View sum) {
  const Node& last = sum.child(1).get();
  return sum.get().kind == Kind::kSum && last.kind == Kind::kConstant && last.name == "inf";
}

std::optional<Rational> exact_infinite_sum(View sum, Budget& budget) {
  if (budget.bound.size() > 8) return std::nullopt;
  return Summation<Exact>(sum, Exact{budget}, budget).run();
}

namespace {

// The even s of \\sum_{n=1}^\\infty c / n^s; else 0.
long power_of_reciprocals(View sum, Budget& budget) {
  const View term = sum.child(2);
  const auto first = exact_value(sum.child(0), budget);
  if (!first || *first != 1 || term.get().kind != Kind::kDiv ||
      mentions(term.child(0), sum.get().name) || term.child(1).get().kind != Kind::kPow)
    return 0;
  const View power = term.child(1);
  const auto s = exact_value(power.child(1), budget);
  const bool of_index =
      power.child(0).get().kind == Kind::kName && power.child(0).get().name == sum.get().name;
  const auto whole = s && of_index ? small_integer(*s, kMostEvenZeta) : std::nullopt;
  return whole && *whole > 0 && *whole % 2 == 0 ? *whole : 0;
}

}  // namespace

std::optional<Complex> approximate_infinite_sum(View sum, int point, Budget& budget) {
  if (budget.bound.size() > 8) return std::nullopt;
  if (const long s = power_of_reciprocals(sum, budget)) {
    const auto factor = approximate_value(sum.child(2).child(0), point, budget);
    const auto zeta = even_zeta(s);
    return factor && zeta ? checked(multiply(*factor, *zeta)) : std::nullopt;
  }
  return Summation<Approximate>(sum, Approximate{point, budget}, budget).run();
}

}  // namespace ponder::judge
