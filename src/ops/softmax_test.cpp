#include "ops/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/reference.h"
#include "ops/test_support.h"

namespace ponder::ops {
namespace {

using reference::kMinusInfinity;

std::vector<int64_t> row_sizes() {
  std::vector<int64_t> all;
  for (int64_t n = 1; n <= 70; ++n) all.push_back(n);
  for (const int64_t n : {255, 256, 257, 1000}) all.push_back(n);
  return all;
}

std::vector<float> logits(int64_t size) {
  return random_floats(size, static_cast<uint64_t>(size), 5.0);
}

// Floats from 0 to below 2^limit on both sides, dense in every binade; infinities; the borders of
// exp.
std::vector<float> arguments_of_exp() {
  std::vector<float> all = {0.0f,  -0.0f,  kMinusInfinity, -kMinusInfinity, -87.3f,
                            88.3f, -1e30f, 1e30f,          1e-40f,          -1e-40f};
  for (const float border : {-87.3f, 88.3f}) {
    all.push_back(std::nextafter(border, -1000.0f));
    all.push_back(std::nextafter(border, 1000.0f));
  }
  for (double x = -90; x < 90; x += 0.01301) all.push_back(static_cast<float>(x));
  for (int exponent = -30; exponent < 0; ++exponent) {
    for (const double f : {1.0, 1.3, 1.7}) {
      all.push_back(static_cast<float>(std::ldexp(f, exponent)));
      all.push_back(static_cast<float>(-std::ldexp(f, exponent)));
    }
  }
  return all;
}

TEST(Exp, EqualsTheDefinitionOnEveryMachine) {
  const auto x = arguments_of_exp();
  std::vector<float> expected;
  for (const float v : x) expected.push_back(reference::exp(v));
  on_every_machine(false, [&](ThreadPool&) {
    Output y(static_cast<int64_t>(x.size()));
    exp_shifted(y.data(), x.data(), static_cast<int64_t>(x.size()), 0.0f, 1.0f);
    ASSERT_TRUE(same_bits(expected, y));
  });
}

TEST(Exp, IsCloseToDoublePrecision) {
  double worst = 0;
  for (const float x : arguments_of_exp()) {
    if (x > 88.3f) {
      EXPECT_EQ(reference::exp(x), reference::exp(88.3f));
    } else if (x < -87.3f) {
      EXPECT_EQ(reference::exp(x), 0.0f);  // the true value is below 1.3e-38
    } else {
      worst = std::max(worst, std::abs(reference::exp(x) / std::exp(double{x}) - 1));
    }
  }
  EXPECT_LT(worst, 9e-8);
  EXPECT_EQ(reference::exp(0.0f), 1.0f);
  EXPECT_EQ(reference::exp(-0.0f), 1.0f);
}

TEST(Softmax, EqualsTheDefinitionOnEveryMachine) {
  for (const int64_t size : row_sizes()) {
    const auto z = logits(size);
    auto masked = z;  // -inf counts as zero; the largest stays
    for (size_t i = 0; i < masked.size(); i += 3)
      masked[i] = i == 0 && size < 3 ? masked[i] : kMinusInfinity;
    const float lse = reference::log_sum_exp(z.data(), size),
                lse_masked = reference::log_sum_exp(masked.data(), size);
    const float max = *std::max_element(z.begin(), z.end());
    std::vector<float> probabilities, gradient = z, gradient2 = z;
    for (const float v : z) probabilities.push_back(reference::exp((v - max) * 0.7f));
    reference::log_softmax_backward(gradient.data(), size, size / 2, lse, 0.37f);
    reference::log_softmax_backward(gradient2.data(), size, 0, lse, -1.25f);
    SCOPED_TRACE(::testing::Message() << "size " << size);
    on_every_machine(false, [&](ThreadPool&) {
      ASSERT_EQ(max_value(z.data(), size), max);
      ASSERT_EQ(log_sum_exp(z.data(), size), lse);
      ASSERT_EQ(log_sum_exp(masked.data(), size), lse_masked);
      Output p(size), in_place(z), d(z), d2(z);
      exp_shifted(p.data(), z.data(), size, max, 0.7f);
      ASSERT_TRUE(same_bits(probabilities, p));
      exp_shifted(in_place.data(), in_place.data(), size, max, 0.7f);
      ASSERT_TRUE(same_bits(probabilities, in_place));
      log_softmax_backward(d.data(), size, size / 2, lse, 0.37f);
      ASSERT_TRUE(same_bits(gradient, d));
      log_softmax_backward(d2.data(), size, 0, lse, -1.25f);
      ASSERT_TRUE(same_bits(gradient2, d2));
    });
    if (HasFatalFailure()) return;
  }
}

TEST(Softmax, WhatIsNotFiniteIsSeen) {
  const float infinity = -kMinusInfinity, nan = std::numeric_limits<float>::quiet_NaN();
  for (const int64_t size : {1, 5, 16, 17, 40}) {
    on_every_machine(false, [&](ThreadPool&) {
      for (int64_t i = 0; i < size; ++i) {
        for (const float bad : {nan, -nan, infinity}) {
          auto z = logits(size);
          z[static_cast<size_t>(i)] = bad;
          EXPECT_TRUE(std::isnan(log_sum_exp(z.data(), size))) << bad << " at " << i;
        }
      }
      const std::vector<float> none(static_cast<size_t>(size), kMinusInfinity);
      EXPECT_TRUE(std::isnan(log_sum_exp(none.data(), size)));
    });
  }
}

double log_sum_exp_double(const std::vector<double>& z) {
  const double max = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (const double v : z) sum += std::exp(v - max);
  return max + std::log(sum);
}

TEST(Softmax, DefinitionIsCloseToDoublePrecision) {
  for (const int64_t size : {1, 2, 17, 1000, 30000}) {
    for (const float offset : {0.0f, 80.0f, -500.0f}) {
      auto z = logits(size);
      for (float& v : z) v += offset;
      const double expected = log_sum_exp_double(doubles(z));
      // Roundings of the result and of exp, and of size / 16 sums per lane, which mostly cancel.
      const double tolerance =
          6e-8 * std::abs(expected) + 2e-7 + 3e-8 * std::sqrt(static_cast<double>(size));
      EXPECT_NEAR(reference::log_sum_exp(z.data(), size), expected, tolerance) << size;
    }
  }
}

TEST(Softmax, ImpossibleShapesAreRefused) {
  std::vector<float> z(8, 1.0f);
  EXPECT_TRUE(refused([&] { max_value(z.data(), 0); }));
  EXPECT_TRUE(refused([&] { log_sum_exp(z.data(), 0); }));
  EXPECT_TRUE(refused([&] { exp_shifted(z.data(), z.data(), 0, 0.0f, 1.0f); }));
  EXPECT_TRUE(refused([&] { log_softmax_backward(z.data(), 0, 0, 0.0f, 1.0f); }));
  EXPECT_TRUE(refused([&] { log_softmax_backward(z.data(), 8, 8, 0.0f, 1.0f); }));
  EXPECT_TRUE(refused([&] { log_softmax_backward(z.data(), 8, -1, 0.0f, 1.0f); }));
  EXPECT_EQ(z, std::vector<float>(8, 1.0f));
}

TEST(Softmax, BackwardEqualsFiniteDifferences) {
  for (const int64_t size : {1, 9, 40}) {
    const auto z = logits(size);
    const auto target = static_cast<size_t>(size / 3);
    std::vector<double> x = doubles(z);
    const auto logprob = [&] { return -2.5 * (x[target] - log_sum_exp_double(x)); };
    const auto expected = numeric_gradient(x, logprob);
    Output gradient(z);
    log_softmax_backward(gradient.data(), size, size / 3, reference::log_sum_exp(z.data(), size),
                         -2.5f);
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(gradient.values()[i], expected[i], 3e-6) << size;
  }
}

}  // namespace
}  // namespace ponder::ops
