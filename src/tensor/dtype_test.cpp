#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace ponder::tensor {
namespace {

uint16_t narrow(float value, DType dtype) {
  uint16_t bits = 0;
  from_f32(&bits, {&value, 1}, dtype);
  return bits;
}

float widen(uint16_t bits, DType dtype) {
  float value = 0;
  to_f32({&value, 1}, &bits, dtype);
  return value;
}

// The value of a 16-bit float by its definition, in double.
double value_of(uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double scale = std::ldexp(1.0, std::max(exponent, 1) - bias - mantissa_bits);
  const double magnitude = (mantissa + (exponent ? 1 << mantissa_bits : 0)) * scale;
  return bits & 0x8000 ? -magnitude : magnitude;
}

struct Half {
  DType dtype;
  int exponent_bits, mantissa_bits;
};
constexpr Half kHalves[] = {{DType::kBF16, 8, 7}, {DType::kF16, 5, 10}};

TEST(DType, Names) {
  EXPECT_EQ(dtype_from_name("BF16"), DType::kBF16);
  EXPECT_EQ(dtype_from_name("bfloat16"), DType::kBF16);
  EXPECT_EQ(dtype_from_name("f16"), DType::kF16);
  EXPECT_EQ(dtype_from_name("float32"), DType::kF32);
  EXPECT_EQ(dtype_from_name("int8"), std::nullopt);
  EXPECT_EQ(size_bytes(DType::kF32), 4);
  EXPECT_EQ(config_name(DType::kBF16), "bfloat16");
}

TEST(DType, EveryHalfWidensExactlyAndReturns) {
  for (const auto& [dtype, exponent_bits, mantissa_bits] : kHalves) {
    const int infinity = ((1 << exponent_bits) - 1) << mantissa_bits;
    for (int i = 0; i < 65536; ++i) {
      const auto bits = static_cast<uint16_t>(i);
      const float value = widen(bits, dtype);
      if ((bits & 0x7FFF) > infinity) {
        ASSERT_TRUE(std::isnan(value)) << i;
        ASSERT_TRUE(std::isnan(widen(narrow(value, dtype), dtype))) << i;
        continue;
      }
      if ((bits & 0x7FFF) == infinity) {
        ASSERT_EQ(value, bits & 0x8000 ? -INFINITY : INFINITY);
      } else {
        ASSERT_EQ(static_cast<double>(value), value_of(bits, exponent_bits, mantissa_bits)) << i;
      }
      ASSERT_EQ(narrow(value, dtype), bits) << i;
    }
  }
}

// Between any two neighbours: below the middle down, above it up, the middle to the even one.
TEST(DType, RoundsToNearestTiesToEven) {
  for (const auto& [dtype, exponent_bits, mantissa_bits] : kHalves) {
    const int infinity = ((1 << exponent_bits) - 1) << mantissa_bits;
    for (int i = 0; i + 1 < infinity; ++i) {
      const auto low = static_cast<uint16_t>(i), high = static_cast<uint16_t>(i + 1);
      const double middle = (value_of(low, exponent_bits, mantissa_bits) +
                             value_of(high, exponent_bits, mantissa_bits)) /
                            2;
      const auto tie = static_cast<float>(middle);
      ASSERT_EQ(static_cast<double>(tie), middle) << "f32 holds every middle";
      ASSERT_EQ(narrow(tie, dtype), i % 2 == 0 ? low : high) << i;
      ASSERT_EQ(narrow(std::nextafter(tie, 0.0f), dtype), low) << i;
      ASSERT_EQ(narrow(std::nextafter(tie, INFINITY), dtype), high) << i;
      ASSERT_EQ(narrow(-tie, dtype), (i % 2 == 0 ? low : high) | 0x8000) << i;
    }
  }
}

TEST(DType, OverflowBecomesInfinityAndNaNStays) {
  EXPECT_EQ(narrow(65519.0f, DType::kF16), 0x7BFF);
  EXPECT_EQ(narrow(65520.0f, DType::kF16), 0x7C00);
  EXPECT_EQ(narrow(1e10f, DType::kF16), 0x7C00);
  EXPECT_EQ(narrow(-std::numeric_limits<float>::max(), DType::kBF16), 0xFF80);
  EXPECT_EQ(narrow(INFINITY, DType::kBF16), 0x7F80);
  // A NaN whose payload sits in the bits that are cut.
  EXPECT_TRUE(
      std::isnan(widen(narrow(std::bit_cast<float>(0x7F800001u), DType::kBF16), DType::kBF16)));
  EXPECT_TRUE(
      std::isnan(widen(narrow(std::bit_cast<float>(0x7FFFFFFFu), DType::kBF16), DType::kBF16)));
  EXPECT_TRUE(
      std::isnan(widen(narrow(std::bit_cast<float>(0xFF800001u), DType::kF16), DType::kF16)));
}

TEST(DType, UnalignedBytes) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    const std::vector<float> values = {0.0f, -1.5f, 2.0f, 0.25f, 1024.0f};
    std::vector<char> bytes(values.size() * static_cast<size_t>(size_bytes(dtype)) + 1);
    from_f32(bytes.data() + 1, values, dtype);
    std::vector<float> back(values.size());
    to_f32(back, bytes.data() + 1, dtype);
    EXPECT_EQ(back, values);
  }
}

}  // namespace
}  // namespace ponder::tensor
