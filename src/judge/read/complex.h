// Complex numbers of 60 decimal digits, each with a bound of its error: what is unequal is
// certainly unequal. Software arithmetic, the same on every machine. Functions give nothing where
// they are undefined, ambiguous or too large to be held.
#pragma once

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <optional>
#include <string>

#include "judge/read/expression.h"

namespace ponder::judge {

using Float = mp::number<mp::cpp_bin_float<60>, mp::et_off>;

struct Complex {
  Float re = 0, im = 0;
  Float error = 0;  // |true value - (re, im)| is at most this
};

Complex to_complex(const Rational& value);

// `v` with the rounding of one more operation in its error.
std::optional<Complex> checked(Complex v);

Complex add(const Complex& a, const Complex& b);
Complex multiply(const Complex& a, const Complex& b);
std::optional<Complex> divide(const Complex& a, const Complex& b);

std::optional<Complex> integer_power(Complex base, long exponent);
std::optional<Complex> positive_power(const Complex& base,
                                      const Complex& exponent);  // base above 0, any exponent
std::optional<Complex> nth_root(const Complex& a,
                                long n);  // the real one of a negative number where n is odd

// "re", "im" or "arg".
std::optional<Complex> part_of(const Complex& a, const std::string& part);

// Trigonometric and hyperbolic functions, their inverses (of cot, of positive numbers alone), exp,
// ln, abs, sign, floor and ceil of a real number.
std::optional<Complex> real_function(const std::string& name, const Complex& x);

// The zeta function at 2, 4, ... 10.
inline constexpr long kMostEvenZeta = 10;
std::optional<Complex> even_zeta(long s);

enum class Closeness { kEqual, kUnequal, kUnclear };
// kUnequal is certain; kEqual means equal in at least 30 digits.
Closeness closeness(const Complex& a, const Complex& b);

}  // namespace ponder::judge
