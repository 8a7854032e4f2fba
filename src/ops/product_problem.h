// Test-only: the operands of a matrix product and what it must be, in either arithmetic.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/matmul.h"
#include "ops/reference.h"
#include "ops/test_support.h"
#include "tensor/precision.h"

namespace ponder::ops {

struct ProductSize {
  int64_t M, N, K;
  bool threads = false;  // worth trying several
};

// A (M, K), weights W (N, K): C = A W^T. C's rows lie N + 3 apart and hold `before`.
struct ProductProblem {
  explicit ProductProblem(ProductSize s, tensor::Precision arithmetic = tensor::Precision::kF32)
      : size(s), precision(arithmetic) {
    const auto stream = static_cast<uint64_t>(s.M * 1000003 + s.N * 1009 + s.K);
    A = random_floats(s.M * s.K, stream);
    W = random_floats(s.N * s.K, stream + 1);
    bias = random_floats(s.N, stream + 2);
    before = random_floats(s.M * ldc(), stream + 3);
  }
  static size_t index(int64_t i) { return static_cast<size_t>(i); }
  int64_t ldc() const { return size.N + 3; }
  float a(int64_t m, int64_t k) const { return A[index(m * size.K + k)]; }
  float b(int64_t k, int64_t n) const { return W[index(n * size.K + k)]; }
  MatrixA rows() const { return {A.data(), size.K, 1}; }
  std::vector<float> A_transposed() const { return transposed(A, size.M, size.K); }
  std::vector<float> W_transposed() const { return transposed(W, size.N, size.K); }
  MatrixView weights() const {
    const MatrixView::Part part{W.data(), size.N};
    return MatrixView::weights({&part, 1}, size.K);
  }

  // C begun from zero, from the bias, and from what is there.
  std::vector<float> expected_plain() const {
    return expected([](int64_t, int64_t) { return 0.0f; });
  }
  std::vector<float> expected_biased() const {
    return expected([&](int64_t, int64_t n) { return bias[index(n)]; });
  }
  std::vector<float> expected_continued() const {
    return expected([&](int64_t m, int64_t n) { return before[index(m * ldc() + n)]; });
  }

  ProductSize size;
  tensor::Precision precision;
  std::vector<float> A, W, bias, before;

 private:
  static std::vector<float> transposed(const std::vector<float>& X, int64_t rows, int64_t columns) {
    std::vector<float> result(X.size());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) result[index(c * rows + r)] = X[index(r * columns + c)];
    }
    return result;
  }
  template <class Begin>
  std::vector<float> expected(const Begin& begin) const {
    std::vector<float> C = before;
    for (int64_t m = 0; m < size.M; ++m) {
      for (int64_t n = 0; n < size.N; ++n) {
        C[index(m * ldc() + n)] = reference::product(
            precision, begin(m, n), size.K, [&](int64_t k) { return a(m, k); },
            [&](int64_t k) { return b(k, n); });
      }
    }
    return C;
  }
};

// X (T, K), W (N, K) and dY (T, N): dX = dY W and dW = dY^T X are the derivatives of
// sum(dY * X W^T). With operands that bf16 holds, so that both arithmetics multiply the same.
struct ProductGradients {
  static constexpr int64_t T = 35, N = 7, K = 6;
  std::vector<float> X = operand(T * K, 1), W = operand(N * K, 2), dY = operand(T * N, 3);

  ::testing::AssertionResult are(std::span<const float> dX, std::span<const float> dW) const {
    std::vector<double> x = doubles(X), w = doubles(W);
    const auto at = ProductProblem::index;
    const auto loss = [&] {
      double sum = 0;
      for (int64_t t = 0; t < T; ++t) {
        for (int64_t n = 0; n < N; ++n) {
          for (int64_t k = 0; k < K; ++k)
            sum += dY[at(t * N + n)] * x[at(t * K + k)] * w[at(n * K + k)];
        }
      }
      return sum;
    };
    const auto found = all_near(numeric_gradient(x, loss), dX, 1e-6);
    return found ? all_near(numeric_gradient(w, loss), dW, 1e-6) : found;
  }

 private:
  static std::vector<float> operand(int64_t count, uint64_t stream) {
    std::vector<float> values = random_floats(count, stream);
    for (float& x : values) x = reference::to_bf16(x);
    return values;
  }
};

}  // namespace ponder::ops
