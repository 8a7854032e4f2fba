#include "train/portable_math.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ponder {

double portable_exp(double x) {
  if (!(x >= -708.0)) return x < -708.0 ? 0.0 : x;  // NaN stays NaN
  x = std::min(x, 708.0);
  // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first short enough for n * high to
  // be exact.
  constexpr double kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;
  const double n = std::floor(x * std::numbers::log2e + 0.5);
  const double r = (x - n * kLn2High) - n * kLn2Low;
  double sum = 1.0;  // Taylor to r^14 / 14!, from the smallest term
  for (int k = 14; k >= 1; --k) sum = 1.0 + sum * r / k;
  return std::ldexp(sum, static_cast<int>(n));
}

double portable_cos_pi(double x) {
  // cos(pi x) = -cos(pi (1 - x)) brings the argument into [0, pi / 2], where Taylor to the 24th
  // power is exact enough.
  const bool flip = x > 0.5;
  const double angle = std::numbers::pi * (flip ? 1.0 - x : x);
  const double square = angle * angle;
  double sum = 1.0;
  for (int k = 24; k >= 2; k -= 2) sum = 1.0 - sum * square / (k * (k - 1));
  return flip ? -sum : sum;
}

double portable_power(double base, long exponent) {
  double result = 1.0;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result *= base;
    base *= base;
  }
  return result;
}

}  // namespace ponder
