#include "judge/read/complex.h"

#include <boost/math/constants/constants.hpp>
#include <cmath>
#include <utility>

namespace ponder::judge {
namespace {

// 60 decimal digits hold about 199 bits; one operation errs by less than this part of its result,
// 2 to the power kEpsilonBits.
constexpr int kEpsilonBits = -195;
const Float& epsilon() {
  static const Float value = mp::ldexp(Float(1), kEpsilonBits);
  return value;
}
const Float& largest() {
  static const Float value("1e1000000");
  return value;
}

// The square root of a number that is not negative, within a few units of the last place: Newton's
// iteration from the root of a double. The library's root is found bit by bit, which takes about ten
// times as long.
Float root_of(const Float& square) {
  if (square == 0) return 0;
  int exponent = 0;
  Float part = mp::frexp(square, &exponent);
  if (exponent % 2 != 0) {
    part = mp::ldexp(part, -1);
    ++exponent;
  }
  Float inverse = 1 / std::sqrt(static_cast<double>(part));
  for (int i = 0; i < 2; ++i)
    inverse += mp::ldexp(Float(inverse * (1 - part * inverse * inverse)), -1);
  Float root = part * inverse;
  root += mp::ldexp(Float(inverse * (part - root * root)), -1);
  return mp::ldexp(root, exponent / 2);
}

// Bounds of the magnitude that take no root: at most twice apart.
Float at_most(const Complex& v) {
  return v.im == 0 ? Float(mp::abs(v.re)) : Float(mp::abs(v.re) + mp::abs(v.im));
}
Float at_least(const Complex& v) {
  const Float re = mp::abs(v.re);
  if (v.im == 0) return re;
  const Float im = mp::abs(v.im);
  return re < im ? im : re;
}

Float magnitude(const Complex& v) {
  return v.im == 0 ? Float(mp::abs(v.re)) : root_of(v.re * v.re + v.im * v.im);
}

}  // namespace

std::optional<Complex> checked(Complex v) {
  const Float size = at_most(v);
  if (!(size < largest())) return std::nullopt;
  v.error += mp::ldexp(size, kEpsilonBits);
  return v;
}

Complex add(const Complex& a, const Complex& b) {
  return {a.re + b.re, a.im + b.im, a.error + b.error};
}

std::optional<Complex> divide(const Complex& a, const Complex& b) {
  const Float size = at_least(b);
  if (size <= b.error * 2) return std::nullopt;  // perhaps zero
  Complex q;
  if (b.im == 0) {
    q.re = a.re / b.re;
    q.im = a.im / b.re;
  } else {
    const Float square = b.re * b.re + b.im * b.im;
    q.re = (a.re * b.re + a.im * b.im) / square;
    q.im = (a.im * b.re - a.re * b.im) / square;
  }
  if (a.error != 0 || b.error != 0) q.error = (a.error + at_most(q) * b.error) * 2 / size;
  return checked(q);
}

std::optional<Complex> square_root(const Complex& a) {
  if (a.im != 0) return std::nullopt;
  Complex r;
  const Float root = root_of(mp::abs(a.re));
  (a.re < 0 ? r.im : r.re) = root;
  r.error = root * root > a.error ? Float(a.error / root) : root_of(a.error);
  return checked(r);
}

std::optional<Complex> positive_power(const Complex& base, const Complex& exponent) {
  if (base.im != 0 || base.re <= base.error) return std::nullopt;
  const Float log = mp::log(base.re), power = exponent.re * log;
  if (mp::abs(power) > 4000) return std::nullopt;
  const Float angle = exponent.im * log;
  if (mp::abs(angle) > 1000000) return std::nullopt;
  const Float size = mp::exp(power);
  Complex r{size, 0, 0};
  if (angle != 0) r = {size * mp::cos(angle), size * mp::sin(angle), 0};
  r.error = size * 2 *
            (exponent.error * mp::abs(log) + at_most(exponent) * base.error / base.re +
             (mp::abs(power) + mp::abs(angle) + 1) * epsilon());
  return checked(r);
}

std::optional<Complex> integer_power(Complex base, long exponent) {
  Complex result{1, 0, 0};
  for (unsigned long n = static_cast<unsigned long>(exponent < 0 ? -exponent : exponent); n;
       n >>= 1) {
    if (n & 1) result = multiply(result, base);
    if (n > 1) base = multiply(base, base);
    if (!checked(base) || !checked(result)) return std::nullopt;
  }
  return exponent < 0 ? divide({1, 0, 0}, result) : checked(result);
}

std::optional<Complex> nth_root(const Complex& a, long n) {
  if (n == 2) return square_root(a);
  if (n < 2 || a.im != 0) return std::nullopt;
  if (a.re == 0 && a.error == 0) return Complex{};
  const bool negative = a.re < 0;
  if (negative && n % 2 == 0) return std::nullopt;
  Complex positive{mp::abs(a.re), 0, a.error};
  auto inverse = divide({1, 0, 0}, {Float(n), 0, 0});
  auto root = positive_power(positive, *inverse);
  if (root && negative) root->re = -root->re;
  return root;
}

std::optional<Complex> part_of(const Complex& a, const std::string& part) {
  if (part == "re") return checked({a.re, 0, a.error});
  if (part == "im") return checked({a.im, 0, a.error});
  const Float size = magnitude(a);
  // On the negative half of the axis the argument jumps.
  if (size <= a.error * 4 || (a.re < 0 && a.im != 0 && mp::abs(a.im) <= a.error * 4))
    return std::nullopt;
  return checked({Float(mp::atan2(a.im, a.re)), 0, a.error * 2 / size});
}

std::optional<Complex> real_function(const std::string& name, const Complex& x) {
  if (name == "abs") {
    Complex r{magnitude(x), 0, x.error};
    return checked(r);
  }
  if (x.im != 0) return std::nullopt;
  if (name == "sign") {
    if (mp::abs(x.re) <= x.error * 4) return std::nullopt;
    return Complex{x.re > 0 ? 1 : -1, 0, 0};
  }
  for (const auto& [of_inverse, direct] : {std::pair{"arcsec", "arccos"},
                                           {"arccsc", "arcsin"},
                                           {"arccot", "arctan"},
                                           {"arcsech", "arccosh"},
                                           {"arccsch", "arcsinh"},
                                           {"arccoth", "arctanh"}}) {
    if (name != of_inverse) continue;
    const auto inverse = divide({1, 0, 0}, x);
    if (!inverse || (name == "arccot" && x.re < 0)) return std::nullopt;
    return real_function(direct, *inverse);
  }
  for (const auto& [inverted, direct] :
       {std::pair{"coth", "tanh"}, std::pair{"sech", "cosh"}, std::pair{"csch", "sinh"}}) {
    if (name != inverted) continue;
    const auto value = real_function(direct, x);
    return value ? divide({1, 0, 0}, *value) : std::nullopt;
  }
  const Float& v = x.re;
  if (name == "floor" || name == "ceil") {
    const Float slack = x.error * 4;
    const Float r = name == "floor" ? Float(mp::floor(v + slack)) : Float(mp::ceil(v - slack));
    return Complex{r, 0, 0};
  }
  // The error of a sine grows with its argument.
  if (name != "ln" && mp::abs(v) > 1000000) return std::nullopt;
  static const Float kTiny("1e-20");
  Complex r;
  Float slope = 1;
  if (name == "sin") {
    r.re = mp::sin(v);
  } else if (name == "cos") {
    r.re = mp::cos(v);
  } else if (name == "tan" || name == "sec") {
    const Float c = mp::cos(v);
    if (mp::abs(c) <= x.error * 4 + epsilon() * 16) return std::nullopt;
    r.re = name == "tan" ? Float(mp::sin(v) / c) : Float(1 / c);
    slope = 1 / (c * c);
  } else if (name == "cot" || name == "csc") {
    const Float s = mp::sin(v);
    if (mp::abs(s) <= x.error * 4 + epsilon() * 16) return std::nullopt;
    r.re = name == "cot" ? Float(mp::cos(v) / s) : Float(1 / s);
    slope = 1 / (s * s);
  } else if (name == "arcsin" || name == "arccos") {
    if (mp::abs(v) > 1) return std::nullopt;
    r.re = name == "arcsin" ? Float(mp::asin(v)) : Float(mp::acos(v));
    const Float rest = mp::sqrt(Float(1 - v * v));
    slope = rest > kTiny ? Float(1 / rest) : Float(1 / kTiny);
  } else if (name == "arctan") {
    r.re = mp::atan(v);
  } else if (name == "arcsinh") {
    const Float size = mp::abs(v);
    r.re = mp::log(Float(size + mp::sqrt(Float(size * size + 1))));
    if (v < 0) r.re = -r.re;
  } else if (name == "arccosh") {
    if (v < 1) return std::nullopt;
    const Float rest = mp::sqrt(Float(v * v - 1));
    r.re = mp::log(Float(v + rest));
    slope = rest > kTiny ? Float(1 / rest) : Float(1 / kTiny);
  } else if (name == "arctanh") {
    const Float rest = 1 - v * v;
    if (rest <= kTiny) return std::nullopt;
    r.re = mp::log(Float((1 + v) / (1 - v))) / 2;
    slope = 2 / rest;
  } else if (name == "exp" || name == "sinh" || name == "cosh") {
    if (mp::abs(v) > 4000) return std::nullopt;
    const Float up = mp::exp(v), down = 1 / up;
    r.re = name == "exp" ? up : name == "sinh" ? Float((up - down) / 2) : Float((up + down) / 2);
    slope = up + down;
  } else if (name == "tanh") {
    r.re = mp::tanh(v);
  } else if (name == "ln") {
    if (v <= x.error * 2) return std::nullopt;
    r.re = mp::log(v);
    slope = 1 / v;
  } else {
    return std::nullopt;
  }
  r.error = slope * (x.error * 2 + mp::abs(v) * epsilon()) + epsilon();
  return checked(r);
}

Complex multiply(const Complex& a, const Complex& b) {
  Complex r;
  if (a.im == 0 && b.im == 0) {
    r.re = a.re * b.re;
    r.error = mp::ldexp(Float(mp::abs(r.re)), kEpsilonBits + 2);
    if (a.error != 0) r.error += (mp::abs(b.re) + b.error) * a.error;
    if (b.error != 0) r.error += mp::abs(a.re) * b.error;
    return r;
  }
  r.re = a.re * b.re - a.im * b.im;
  r.im = a.re * b.im + a.im * b.re;
  const Float left = at_most(a), right = at_most(b);
  r.error = left * b.error + right * a.error + a.error * b.error +
            mp::ldexp(Float(left * right), kEpsilonBits + 2);
  return r;
}

Complex to_complex(const Rational& value) {
  Complex r;
  r.re = Float(numerator(value));
  if (!is_whole(value)) r.re /= Float(denominator(value));
  r.error = mp::ldexp(Float(mp::abs(r.re)), kEpsilonBits + 2);
  return r;
}

Closeness closeness(const Complex& a, const Complex& b) {
  const Float size = at_most(a) + at_most(b);
  const Float distance = at_least({a.re - b.re, a.im - b.im, 0});
  const Float bound = mp::ldexp(Float(a.error + b.error + mp::ldexp(size, kEpsilonBits)), 3);
  if (distance > bound) return Closeness::kUnequal;
  static const Float kNarrow("1e-30");
  return bound <= kNarrow * (size > 1 ? size : Float(1)) ? Closeness::kEqual : Closeness::kUnclear;
}

std::optional<Complex> even_zeta(long s) {
  static constexpr std::pair<long, int> kShares[] = {
      {2, 6}, {4, 90}, {6, 945}, {8, 9450}, {10, 93555}};  // of pi^s
  for (const auto& [power, share] : kShares) {
    if (s != power) continue;
    const auto pi = checked({boost::math::constants::pi<Float>(), 0, 0});
    const auto top = pi ? integer_power(*pi, s) : std::nullopt;
    return top ? divide(*top, {Float(share), 0, 0}) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace ponder::judge
