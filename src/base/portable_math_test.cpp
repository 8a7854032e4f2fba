#include "base/portable_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace ponder {
namespace {

TEST(PortableMath, ExpCosineAndPowerAgreeWithTheLibrary) {
  for (double x = -700; x <= 700; x += 0.913)
    EXPECT_NEAR(portable_exp(x) / std::exp(x), 1.0, 2e-15) << x;
  EXPECT_EQ(portable_exp(0.0), 1.0);
  EXPECT_EQ(portable_exp(-1e9), 0.0);
  EXPECT_TRUE(std::isnan(portable_exp(std::nan(""))));
  for (int i = 0; i <= 1000; ++i) {
    const double x = i / 1000.0;
    EXPECT_NEAR(portable_cos_pi(x), std::cos(std::numbers::pi * x), 1e-15) << x;
  }
  EXPECT_EQ(portable_cos_pi(0.0), 1.0);
  EXPECT_EQ(portable_cos_pi(1.0), -1.0);
  EXPECT_NEAR(portable_power(0.999, 12345), std::pow(0.999, 12345), 1e-17);
  EXPECT_EQ(portable_power(0.9, 0), 1.0);
}

TEST(PortableMath, LogAgreesWithTheLibrary) {
  const auto check = [](double x) {
    const double expected = std::log(x);
    EXPECT_NEAR(portable_log(x), expected, 1e-14 * std::abs(expected)) << x;
  };
  for (double x = 1e-30; x < 1e30; x *= 1.0317) check(x);
  for (int e = -52; e < 0; ++e) {  // around 1, where the result is small
    check(1 + std::ldexp(1.0, e));
    check(1 - std::ldexp(1.0, e));
  }
  for (const double x : {std::sqrt(0.5), std::sqrt(2.0), 0.5, 2.0, 1e6, 1e-300, 1e300}) {
    check(x);
    check(std::nextafter(x, 0.0));
  }
  EXPECT_EQ(portable_log(1.0), 0.0);
}

}  // namespace
}  // namespace ponder
