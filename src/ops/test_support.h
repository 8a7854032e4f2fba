// What the tests of kernels share: every machine they may run on, outputs with guards around them,
// random numbers, comparison of bits, and numeric derivatives. Test-only.
#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/philox.h"
#include "base/thread_pool.h"
#include "ops/bf16_matmul.h"
#include "tensor/precision.h"
#include "testing/same_bits.h"

namespace ponder::ops {

// Calls body(pool) with each instruction set this machine has in turn, each with 1, 2, 3
// and 4 threads; only with one unless `threads` (waking threads takes longer than a small size, so
// not every size needs them).
template <class Body>
void on_every_machine(bool threads, const Body& body) {
  static ThreadPool pools[] = {ThreadPool(1), ThreadPool(2), ThreadPool(3), ThreadPool(4)};
  struct Restore {
    ~Restore() { hwy::SetSupportedTargetsForTest(0); }
  } restore;
  hwy::SetSupportedTargetsForTest(0);
  const std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
  for (const int64_t target : targets) {
    hwy::SetSupportedTargetsForTest(target);
    for (ThreadPool& pool : pools) {
      if (pool.num_threads() > 1 && !threads) break;
      const ::testing::ScopedTrace trace(__FILE__, __LINE__,
                                         std::string(hwy::TargetName(target)) +
                                             ", threads: " + std::to_string(pool.num_threads()));
      body(pool);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

// The same, and there with each way to multiply bf16 that the machine has.
template <class Body>
void on_every_bf16_path(bool threads, const Body& body) {
  struct Restore {
    ~Restore() { force_bf16_path(std::nullopt); }
  } restore;
  on_every_machine(threads, [&](ThreadPool& pool) {
    for (const Bf16Path path : {Bf16Path::kFma, Bf16Path::kAvx512Bf16, Bf16Path::kAmx}) {
      force_bf16_path(path);
      if (bf16_support().path != path) continue;
      const ::testing::ScopedTrace trace(__FILE__, __LINE__, std::string(bf16_path_name(path)));
      body(pool);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

// Every way to compute in this arithmetic.
template <class Body>
void on_every_machine(tensor::Precision precision, bool threads, const Body& body) {
  precision == tensor::Precision::kBf16 ? on_every_bf16_path(threads, body)
                                        : on_every_machine(threads, body);
}

inline std::vector<float> random_floats(int64_t count, uint64_t stream, double scale = 1.0) {
  RandomSequence random(17, stream);
  std::vector<float> values;
  values.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(scale * random.normal()));
  return values;
}

inline std::vector<double> doubles(std::span<const float> values) {
  return {values.begin(), values.end()};
}

// A place for a kernel's result that notices a write before or behind it. Not aligned to anything.
class Output {
 public:
  explicit Output(const std::vector<float>& initial)
      : values_(initial.size() + 2 * kGuard, kUntouched) {
    std::copy(initial.begin(), initial.end(), values_.begin() + kGuard);
  }
  explicit Output(int64_t size)
      : Output(std::vector<float>(static_cast<size_t>(size), kUntouched)) {}

  float* data() { return values_.data() + kGuard; }
  std::span<const float> values() const {
    return {values_.data() + kGuard, values_.size() - 2 * kGuard};
  }
  bool intact() const {
    for (size_t i = 0; i < kGuard; ++i) {
      if (values_[i] != kUntouched || values_[values_.size() - 1 - i] != kUntouched) return false;
    }
    return true;
  }

  static constexpr float kUntouched =
      12345.678f;  // also between rows, in references of results with a row stride

 private:
  static constexpr size_t kGuard = 65;
  std::vector<float> values_;
};

inline ::testing::AssertionResult same_bits(std::span<const float> expected, const Output& found) {
  if (!found.intact()) return ::testing::AssertionFailure() << "written outside of the result";
  return testing::same_bits(expected, found.values());
}

// Bits, but any NaN for a NaN.
inline ::testing::AssertionResult same_values(std::span<const float> expected,
                                              const Output& found) {
  if (!found.intact()) return ::testing::AssertionFailure() << "written outside of the result";
  for (size_t i = 0; i < expected.size(); ++i) {
    const float e = expected[i], f = found.values()[i];
    if (std::isnan(e) && std::isnan(f)) continue;
    if (std::bit_cast<uint32_t>(e) == std::bit_cast<uint32_t>(f)) continue;
    return ::testing::AssertionFailure()
           << "element " << i << ": expected " << e << ", found " << f;
  }
  return ::testing::AssertionSuccess();
}

// |expected - found| <= tolerance * the largest |expected|, for every element.
inline ::testing::AssertionResult all_near(std::span<const double> expected,
                                           std::span<const float> found, double tolerance) {
  if (expected.size() != found.size()) {
    return ::testing::AssertionFailure() << "sizes " << expected.size() << " and " << found.size();
  }
  double largest = 0;
  for (const double x : expected) largest = std::max(largest, std::abs(x));
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::abs(expected[i] - found[i]) <= tolerance * largest) continue;
    return ::testing::AssertionFailure() << "element " << i << ": expected " << expected[i]
                                         << ", found " << found[i] << ", largest " << largest;
  }
  return ::testing::AssertionSuccess();
}

// Whether f() refuses what it is given, as an op does an impossible shape.
template <class F>
::testing::AssertionResult refused(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "another error: " << error.what();
  }
  return ::testing::AssertionFailure() << "accepted";
}

// The derivatives of f(), a function of the elements of x in double, by central differences (error
// about 1e-9 of values near 1).
template <class F>
std::vector<double> numeric_gradient(std::vector<double>& x, const F& f) {
  constexpr double h = 1e-5;
  std::vector<double> gradient;
  for (double& element : x) {
    const double before = element;
    element = before + h;
    const double up = f();
    element = before - h;
    const double down = f();
    element = before;
    gradient.push_back((up - down) / (2 * h));
  }
  return gradient;
}

}  // namespace ponder::ops
