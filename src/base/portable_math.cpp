#include "base/portable_math.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
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

double portable_log(double x) {
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| <
  // 0.172.
  uint64_t bits = std::bit_cast<uint64_t>(x);
  int64_t e = static_cast<int64_t>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++e;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double sum = 0.0;
  for (int k = 19; k >= 1; k -= 2) sum = sum * z + 1.0 / k;
  return 2.0 * s * sum + static_cast<double>(e) * 0.6931471805599453;
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
