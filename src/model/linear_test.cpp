#include "model/linear.h"

#include <gtest/gtest.h>

#include "base/philox.h"
#include "ops/reference.h"
#include "tensor/buffer.h"

namespace ponder::model {
namespace {

constexpr int64_t kT = 5, kK = 21;
constexpr int64_t kRows[] = {33, 16, 7};  // of the parts
constexpr int64_t kN = 33 + 16 + 7;

// With 64 exact in bf16, so that every layout holds the same weights.
std::vector<float> random_values(int64_t count, uint64_t stream, float divisor = 64.0f) {
  RandomSequence random(17, stream);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(static_cast<int64_t>(random.below(255)) - 127) / divisor);
  return values;
}

struct Layout {
  const char* name;
  bool packed;
  tensor::DType storage;
  bool bias;
  tensor::Precision precision = tensor::Precision::kF32;
};

class LinearTest : public ::testing::TestWithParam<Layout> {
 protected:
  LinearTest() {
    std::vector<ops::MatrixView::Part> parts;
    const float* from = weight_.data();
    for (const int64_t rows : kRows) {
      parts.push_back({from, rows});
      from += rows * kK;
    }
    if (GetParam().packed) {
      const auto fill = [&](auto& panels) {
        int64_t row = 0;
        for (const ops::MatrixView::Part& part : parts) {
          panels.pack_weight(part.data, tensor::DType::kF32, part.rows, row, threads_);
          row += part.rows;
        }
      };
      GetParam().precision == tensor::Precision::kBf16
          ? fill(linear_.bf16_panels("test", kK, kN))
          : fill(linear_.panels("test", kK, kN, GetParam().storage));
    } else {
      linear_.borrow(parts, kK);
    }
    if (GetParam().bias) std::copy(bias_.begin(), bias_.end(), linear_.make_bias().begin());
  }

  float weight(int64_t n, int64_t k) const { return weight_[static_cast<size_t>(n * kK + k)]; }

  const std::vector<float> weight_ = random_values(kN * kK, 1), bias_ = random_values(kN, 2),
                           x_ = random_values(kT * kK, 3, 61.0f), dy_ = random_values(kT * kN, 4);
  ThreadPool threads_{2};
  Linear linear_;
};

INSTANTIATE_TEST_SUITE_P(
    , LinearTest,
    ::testing::Values(Layout{"borrowed", false, tensor::DType::kF32, true},
                      Layout{"f32_panels", true, tensor::DType::kF32, true},
                      Layout{"bf16_panels", true, tensor::DType::kBF16, true},
                      Layout{"bf16", true, tensor::DType::kBF16, true, tensor::Precision::kBf16},
                      Layout{"without_bias", false, tensor::DType::kF32, false}),
    [](const auto& layout) { return std::string(layout.param.name); });

TEST_P(LinearTest, ForwardIsTheDefinition) {
  ASSERT_EQ(linear_.K(), kK);
  ASSERT_EQ(linear_.N(), kN);
  std::vector<float> y(kT * kN), row(kK);
  linear_.forward(y.data(), x_.data(), kT, threads_);
  for (int64_t t = 0; t < kT; ++t) {
    for (int64_t n = 0; n < kN; ++n) {
      const float expected = ops::reference::product(
          GetParam().precision, GetParam().bias ? bias_[static_cast<size_t>(n)] : 0.0f, kK,
          [&](int64_t k) { return x_[static_cast<size_t>(t * kK + k)]; },
          [&](int64_t k) { return weight(n, k); });
      ASSERT_EQ(y[static_cast<size_t>(t * kN + n)], expected) << t << ", " << n;
    }
  }
  for (int64_t n = 0; n < kN; ++n) {
    linear_.read_row(n, row.data());
    for (int64_t k = 0; k < kK; ++k) ASSERT_EQ(row[static_cast<size_t>(k)], weight(n, k)) << n;
  }
}

TEST_P(LinearTest, GradientsAreTheDefinition) {
  const tensor::Precision precision = GetParam().precision;
  const bool bf16 = precision == tensor::Precision::kBf16;
  EXPECT_EQ(linear_.has_gradients(), !GetParam().packed || bf16);
  if (!linear_.has_gradients()) return;
  const auto at = [](int64_t i) { return static_cast<size_t>(i); };
  std::vector<float> dx(kT * kK);
  linear_.input_gradient(dx.data(), dy_.data(), kT, threads_);
  for (int64_t t = 0; t < kT; ++t) {
    for (int64_t k = 0; k < kK; ++k) {
      const float chain = ops::reference::product(
          precision, 0.0f, kN, [&](int64_t n) { return dy_[at(t * kN + n)]; },
          [&](int64_t n) { return weight(n, k); });
      ASSERT_EQ(dx[at(t * kK + k)], chain) << t << ", " << k;
    }
  }
  // Gradients continue what is there; in bf16 a block begins with each row of tokens, here of 2 and 3.
  const std::vector<ops::Bf16Run> rows = {{0, 2}, {2, 3}};
  const std::vector<float> dw_before = random_values(kN * kK, 5), db_before = random_values(kN, 6);
  std::vector<float> dw = dw_before, db = db_before;
  LinearGradients gradients;
  int64_t row = 0;
  for (const int64_t count : kRows) {
    gradients.parts.push_back(
        {dw.data() + row * kK, GetParam().bias ? db.data() + row : nullptr, count});
    row += count;
  }
  tensor::Buffer operand("operand", Linear::operand_floats(2, kK));
  linear_.weight_gradient(gradients, dy_.data(), x_.data(), {kT, rows, operand.data()}, threads_);
  for (int64_t n = 0; n < kN; ++n) {
    float sum = db_before[at(n)];
    for (int64_t t = 0; GetParam().bias && t < kT; ++t) sum += dy_[at(t * kN + n)];
    ASSERT_EQ(db[at(n)], sum) << n;
    for (int64_t k = 0; k < kK; ++k) {
      float chain = dw_before[at(n * kK + k)];
      for (const ops::Bf16Run& part : rows) {
        chain = ops::reference::product(
            precision, chain, part.count,
            [&](int64_t t) { return dy_[at((part.begin + t) * kN + n)]; },
            [&](int64_t t) { return x_[at((part.begin + t) * kK + k)]; });
      }
      ASSERT_EQ(dw[at(n * kK + k)], chain) << n << ", " << k;
    }
  }
}

}  // namespace
}  // namespace ponder::model
