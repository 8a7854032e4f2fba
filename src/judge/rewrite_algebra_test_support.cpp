// Rewrites of numbers and formulas: the same value in another form.
#include <cstdlib>
#include <numeric>

#include "judge/rewrite_test_support.h"

namespace ponder::judge::testing {
namespace {

using Terms = std::pair<Term, Term>;

Rewrite terms(std::string name, std::function<std::optional<Terms>(Draw&)> make,
              bool both_ways = true) {
  return {std::move(name),
          [make](Draw& draw) -> std::optional<Written> {
            const auto pair = make(draw);
            if (!pair) return std::nullopt;
            return Written{print(pair->first), print(pair->second)};
          },
          both_ways};
}

Rewrite texts(std::string name, std::function<std::optional<Written>(Draw&)> make,
              bool both_ways = true) {
  return {std::move(name), std::move(make), both_ways};
}

Term variable(Draw& draw) { return name(draw.one_of<std::string>({"x", "y", "z", "a", "b"})); }

Term scaled(long k, const Term& t) {
  if (k < 0) return negate(scaled(-k, t));
  return k == 1 ? t : multiply(number(k), t);
}

// Signs are written as a sum has them: 3x - 2, not 3x + -2.
Term sum_of(std::vector<std::pair<long, Term>> parts) {
  std::optional<Term> sum;
  for (auto& [k, t] : parts) {
    if (k == 0) continue;
    const Term part =
        t.op == Op::kNumber && t.number == 1 ? number(std::abs(k)) : scaled(std::abs(k), t);
    if (!sum)
      sum = k < 0 ? negate(part) : part;
    else
      sum = k < 0 ? subtract(*sum, part) : add(*sum, part);
  }
  return sum ? *sum : number(0);
}

Term linear(long a, const Term& x, long b) { return sum_of({{a, x}, {b, number(1)}}); }

Term quadratic(long a, long b, long c, const Term& x) {
  return sum_of({{a, power(x, number(2))}, {b, x}, {c, number(1)}});
}

// The same tree with every sum's (or product's) two sides exchanged.
Term commuted(const Term& t, Op op) {
  Term out = t;
  for (Term& kid : out.kids) kid = commuted(kid, op);
  if (t.op != op) return out;
  std::swap(out.kids[0], out.kids[1]);
  return out;
}

Term number_or_formula(Draw& draw) {
  return draw.coin() ? random_number(draw) : random_formula(draw);
}

std::optional<Terms> commuted_pair(Draw& draw, Op op) {
  const Term t = number_or_formula(draw);
  const Term other = commuted(t, op);
  if (print(t) == print(other)) return std::nullopt;
  return Terms{t, other};
}

std::string grouped(long n, const std::string& separator) {
  std::string digits = std::to_string(n);
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, separator);
  }
  return digits;
}

std::string decimal_text(long thousandths) {
  std::string rest = std::to_string(thousandths % 1000);
  rest.insert(0, 3 - rest.size(), '0');
  while (!rest.empty() && rest.back() == '0') rest.pop_back();
  return std::to_string(thousandths / 1000) + (rest.empty() ? "" : "." + rest);
}

long not_square(Draw& draw) { return draw.one_of<long>({2, 3, 5, 6, 7, 10, 11, 13}); }

Rewrite thousands(std::string name, std::string separator) {
  return texts(std::move(name), [separator](Draw& draw) -> std::optional<Written> {
    const long n = 1000 + draw.below(9000000);
    return Written{std::to_string(n), grouped(n, separator)};
  });
}

}  // namespace

std::vector<Rewrite> algebra_rewrites() {
  return {
      terms("sums commuted", [](Draw& draw) { return commuted_pair(draw, Op::kAdd); }),
      terms("products commuted", [](Draw& draw) { return commuted_pair(draw, Op::kMul); }),
      terms("expanded",
            [](Draw& draw) -> std::optional<Terms> {
              const Term x = variable(draw);
              const long a = draw.between(1, 6), b = draw.between(1, 9), c = draw.between(1, 6),
                         d = draw.between(-9, 9);
              return Terms{multiply(linear(a, x, b), linear(c, x, d)),
                           quadratic(a * c, a * d + b * c, b * d, x)};
            }),
      terms(
          "square factored",
          [](Draw& draw) -> std::optional<Terms> {
            const Term x = variable(draw);
            const long a = draw.between(1, 6), b = draw.between(1, 9) * (draw.coin() ? 1 : -1);
            return Terms{quadratic(a * a, 2 * a * b, b * b, x), power(linear(a, x, b), number(2))};
          }),
      terms("difference of squares",
            [](Draw& draw) -> std::optional<Terms> {
              const Term x = variable(draw);
              const long b = draw.between(1, 12);
              return Terms{quadratic(1, 0, -b * b, x), multiply(linear(1, x, b), linear(1, x, -b))};
            }),
      terms("distributed",
            [](Draw& draw) -> std::optional<Terms> {
              const long k = draw.between(2, 9), a = draw.between(1, 9), b = draw.between(-9, 9);
              const Term x = variable(draw);
              return Terms{multiply(number(k), linear(a, x, b)), linear(k * a, x, k * b)};
            }),
      terms("cube expanded",
            [](Draw& draw) -> std::optional<Terms> {
              const Term x = variable(draw);
              const long b = draw.between(1, 6);
              return Terms{power(linear(1, x, b), number(3)), sum_of({{1, power(x, number(3))},
                                                                      {3 * b, power(x, number(2))},
                                                                      {3 * b * b, x},
                                                                      {b * b * b, number(1)}})};
            }),
      terms("fraction of sum split",
            [](Draw& draw) -> std::optional<Terms> {
              const Term x = variable(draw);
              const long c = draw.between(2, 9), a = draw.between(1, 9);
              return Terms{divide(linear(1, x, a), number(c)),
                           add(divide(x, number(c)), fraction(a, c))};
            }),
      terms("common factor cancelled",
            [](Draw& draw) -> std::optional<Terms> {
              const Term x = variable(draw);
              const long a = draw.between(1, 9), b = draw.between(1, 9);
              return Terms{divide(quadratic(1, a + b, a * b, x), linear(1, x, a)), linear(1, x, b)};
            }),
      terms("double negation",
            [](Draw& draw) -> std::optional<Terms> {
              const Term t = number_or_formula(draw);
              return Terms{t, negate(negate(t))};
            }),
      texts("subtraction as negative summand",
            [](Draw& draw) -> std::optional<Written> {
              const Term a = random_formula(draw), b = scaled(draw.between(1, 9), variable(draw));
              return Written{print(subtract(a, b)), print(a) + " + (-" + print(b) + ")"};
            }),
      terms("sign into numerator",
            [](Draw& draw) -> std::optional<Terms> {
              const long n = draw.between(1, 60), d = draw.between(2, 40);
              return Terms{fraction(-n, d), divide(number(-n), number(d))};
            }),
      terms("fraction scaled",
            [](Draw& draw) -> std::optional<Terms> {
              const long n = draw.between(1, 60), d = draw.between(2, 40), k = draw.between(2, 9);
              return Terms{fraction(n, d), fraction(k * n, k * d)};
            }),
      terms("fraction as quotient of fractions",
            [](Draw& draw) -> std::optional<Terms> {
              const long n = draw.between(1, 60), d = draw.between(2, 40), k = draw.between(2, 9);
              return Terms{fraction(n * k, d), divide(number(n), fraction(d, k))};
            }),
      terms("denominator rationalised",
            [](Draw& draw) -> std::optional<Terms> {
              const long a = draw.between(1, 20), b = not_square(draw);
              return Terms{divide(number(a), root(number(b))),
                           divide(scaled(a, root(number(b))), number(b))};
            }),
      terms("conjugate",
            [](Draw& draw) -> std::optional<Terms> {
              const long a = draw.between(4, 12), b = not_square(draw);
              if (a * a <= b) return std::nullopt;
              return Terms{divide(number(1), add(number(a), root(number(b)))),
                           divide(subtract(number(a), root(number(b))), number(a * a - b))};
            }),
      terms("radical simplified",
            [](Draw& draw) -> std::optional<Terms> {
              const long k = draw.between(2, 12), m = not_square(draw);
              return Terms{root(number(k * k * m)), scaled(k, root(number(m)))};
            }),
      terms("product of radicals",
            [](Draw& draw) -> std::optional<Terms> {
              const long a = not_square(draw), b = not_square(draw);
              if (a == b) return std::nullopt;
              return Terms{root(number(a * b)), multiply(root(number(a)), root(number(b)))};
            }),
      terms("radical of fraction",
            [](Draw& draw) -> std::optional<Terms> {
              const long a = not_square(draw), b = draw.between(2, 12);
              return Terms{root(fraction(a, b * b)), divide(root(number(a)), number(b))};
            }),
      terms("cube root as power",
            [](Draw& draw) -> std::optional<Terms> {
              const Term x = draw.coin() ? variable(draw) : number(draw.between(2, 30));
              const long d = draw.between(3, 5);
              return Terms{root(x, d), power(x, fraction(1, d))};
            }),
      texts(
          "trailing zeros",
          [](Draw& draw) -> std::optional<Written> {
            const std::string text =
                decimal_text(1000L * draw.below(50) + 100 * draw.between(1, 9) + draw.below(100));
            return Written{text, text + std::string(static_cast<size_t>(draw.between(1, 3)), '0')};
          }),
      texts("whole number with a point",
            [](Draw& draw) -> std::optional<Written> {
              const std::string text = std::to_string(draw.below(5000));
              return Written{text, text + (draw.coin() ? ".0" : ".00")};
            }),
      texts("leading zero dropped",
            [](Draw& draw) -> std::optional<Written> {
              const std::string text = decimal_text(draw.between(1, 999));
              return Written{text, text.substr(1)};
            }),
      texts("plus sign",
            [](Draw& draw) -> std::optional<Written> {
              const std::string text = print(random_number(draw));
              if (text[0] == '-') return std::nullopt;
              return Written{text, "+" + text};
            }),
      thousands("thousands by comma", ","),
      thousands("thousands by braced comma", "{,}"),
      thousands("thousands by thin space", "\\,"),
      thousands("thousands by comma and negative space", ",\\!"),
      texts("percent as decimal",
            [](Draw& draw) -> std::optional<Written> {
              const long n = draw.between(1, 99);
              return Written{decimal_text(10 * n), std::to_string(n) + "\\%"};
            }),
      texts("percent sign dropped",
            [](Draw& draw) -> std::optional<Written> {
              const std::string n = decimal_text(draw.between(1, 99999));
              return Written{n + "\\%", n};
            }),
      texts("decimal as fraction",
            [](Draw& draw) -> std::optional<Written> {
              const long n = draw.between(1, 9999), g = std::gcd(n, 1000L);
              if (n % 1000 == 0) return std::nullopt;
              return Written{decimal_text(n), print(fraction(n / g, 1000 / g))};
            }),
      texts("mixed as improper",
            [](Draw& draw) -> std::optional<Written> {
              const long d = draw.between(3, 20), n = draw.between(1, static_cast<int>(d) - 1),
                         w = draw.between(1, 20);
              return Written{std::to_string(w) + print(fraction(n, d)),
                             print(fraction(w * d + n, d))};
            }),
      texts("mixed by slash as improper",
            [](Draw& draw) -> std::optional<Written> {
              const long d = draw.between(3, 20), n = draw.between(1, static_cast<int>(d) - 1),
                         w = draw.between(1, 20);
              return Written{print(fraction(w * d + n, d)),
                             std::to_string(w) + " " + std::to_string(n) + "/" + std::to_string(d)};
            }),
      texts("scientific",
            [](Draw& draw) -> std::optional<Written> {
              const long n = draw.between(11, 99), zeros = draw.between(1, 8);
              if (n % 10 == 0) return std::nullopt;
              return Written{
                  std::to_string(n) + std::string(static_cast<size_t>(zeros), '0'),
                  decimal_text(n * 100) + " \\times 10^{" + std::to_string(zeros + 1) + "}"};
            }),
      texts("scientific with negative exponent",
            [](Draw& draw) -> std::optional<Written> {
              const long n = draw.between(11, 99), zeros = draw.between(0, 6);
              if (n % 10 == 0) return std::nullopt;
              return Written{
                  decimal_text(n * 100) + " \\times 10^{-" + std::to_string(zeros + 1) + "}",
                  "0." + std::string(static_cast<size_t>(zeros), '0') + std::to_string(n)};
            }),
      terms("powers combined",
            [](Draw& draw) -> std::optional<Terms> {
              const Term x = variable(draw);
              const long a = draw.between(1, 9), b = draw.between(2, 9);
              return Terms{multiply(power(x, number(a)), power(x, number(b))),
                           power(x, number(a + b))};
            }),
      terms("power of power",
            [](Draw& draw) -> std::optional<Terms> {
              const Term x = variable(draw);
              const long a = draw.between(2, 5), b = draw.between(2, 5);
              return Terms{power(power(x, number(a)), number(b)), power(x, number(a * b))};
            }),
      terms("negative exponent as quotient",
            [](Draw& draw) -> std::optional<Terms> {
              const Term x = draw.coin() ? variable(draw) : number(draw.between(2, 12));
              const long a = draw.between(1, 6);
              return Terms{power(x, number(-a)), divide(number(1), power(x, number(a)))};
            }),
      terms("power evaluated",
            [](Draw& draw) -> std::optional<Terms> {
              const long a = draw.between(2, 9), b = draw.between(2, 9);
              long n = 1;
              for (long i = 0; i < b; ++i) n *= a;
              return Terms{power(number(a), number(b)), number(n)};
            }),
      texts("logarithm by another base",
            [](Draw& draw) -> std::optional<Written> {
              const std::string a = std::to_string(draw.between(2, 12)),
                                b = std::to_string(draw.between(2, 90));
              return Written{"\\log_{" + a + "} " + b, "\\frac{\\ln " + b + "}{\\ln " + a + "}"};
            }),
      texts("logarithm of product",
            [](Draw& draw) -> std::optional<Written> {
              const int a = draw.between(2, 40), b = draw.between(2, 40);
              return Written{"\\ln " + std::to_string(a) + " + \\ln " + std::to_string(b),
                             "\\ln " + std::to_string(a * b)};
            }),
      texts("logarithm of power",
            [](Draw& draw) -> std::optional<Written> {
              const int a = draw.between(2, 12), b = draw.between(2, 9);
              return Written{"\\ln(" + std::to_string(a) + "^{" + std::to_string(b) + "})",
                             std::to_string(b) + "\\ln " + std::to_string(a)};
            }),
      texts("double angle",
            [](Draw& draw) -> std::optional<Written> {
              const std::string x = variable(draw).text, k = std::to_string(draw.between(2, 9));
              if (draw.coin())
                return Written{k + "\\sin(2" + x + ")",
                               std::to_string(2 * std::stoi(k)) + "\\sin " + x + "\\cos " + x};
              return Written{"\\cos(2" + x + ")",
                             draw.coin() ? "1 - 2\\sin^2 " + x : "2\\cos^2(" + x + ") - 1"};
            }),
      texts("sine and cosine squared",
            [](Draw& draw) -> std::optional<Written> {
              const std::string x = variable(draw).text, k = std::to_string(draw.between(2, 9));
              return Written{k + "\\cos^2 " + x, k + " - " + k + "\\sin^2 " + x};
            }),
      texts("sine of degrees",
            [](Draw& draw) -> std::optional<Written> {
              const int angle = 15 * draw.between(1, 5);
              return Written{"\\sin " + std::to_string(angle) + "^\\circ",
                             "\\cos " + std::to_string(90 - angle) + "^\\circ"};
            }),
      texts("complex parts exchanged",
            [](Draw& draw) -> std::optional<Written> {
              const std::string a = std::to_string(draw.between(1, 20)),
                                b = std::to_string(draw.between(2, 20));
              return Written{a + " + " + b + "i", draw.coin() ? b + "i + " + a : a + " + i" + b};
            }),
      texts("complex product",
            [](Draw& draw) -> std::optional<Written> {
              const int a = draw.between(1, 9), b = draw.between(1, 9);
              return Written{"(" + std::to_string(a) + " + " + std::to_string(b) + "i)(" +
                                 std::to_string(a) + " - " + std::to_string(b) + "i)",
                             std::to_string(a * a + b * b)};
            }),
      texts("factorial and binomial evaluated",
            [](Draw& draw) -> std::optional<Written> {
              const int n = draw.between(3, 12);
              if (draw.coin())
                return Written{"\\binom{" + std::to_string(n) + "}{2}",
                               std::to_string(n * (n - 1) / 2)};
              long f = 1;
              for (int i = 2; i <= n; ++i) f *= i;
              return Written{std::to_string(n) + "!", std::to_string(f)};
            }),
  };
}

}  // namespace ponder::judge::testing
