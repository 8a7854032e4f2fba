// Matrix product on packed weights. Definition: every element of the result is one chain of fused
// multiply-adds over k in ascending order, c = fma(a[k], b[k], c), begun from zero, from a bias or
// from what is already there. Blocking, vector width, row count and threads cannot change a bit.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "tensor/buffer.h"

namespace ponder {

// B (K, N) in panels of kPanel columns: element (k, n) at [n / kPanel][k][n % kPanel]; columns past
// N are zero.
class PackedMatrix {
 public:
  static constexpr int64_t kPanel = 32;

  PackedMatrix() = default;
  PackedMatrix(const char* name, int64_t K, int64_t N);
  // Changes the shape, keeping the memory if it is large enough; contents are undefined until
  // packed.
  void reshape(int64_t K, int64_t N);

  // Columns [first_column, first_column + rows) from a weight W (rows, K), row-major: B[k][n] =
  // W[n][k].
  void pack_weight(const float* W, int64_t rows, int64_t first_column, ThreadPool& pool);
  // Rows [first_k, first_k + count) of B from rows of X (count, N), row stride ld: B[first_k +
  // k][n] = X[k][n].
  void pack_rows(const float* X, int64_t ld, int64_t first_k, int64_t count, ThreadPool& pool);

  int64_t K() const { return K_; }
  int64_t N() const { return N_; }
  const float* panel(int64_t p) const { return data_.data() + p * K_ * kPanel; }
  int64_t num_panels() const { return (N_ + kPanel - 1) / kPanel; }
  const float* zeros() const {
    return zeros_.data();
  }  // N of them: where chains without a bias begin

 private:
  int64_t K_ = 0, N_ = 0;
  Buffer data_, zeros_;
};

// A (M, K) with element (m, k) at data[m * row_stride + k * column_stride].
struct MatrixA {
  const float* data;
  int64_t row_stride;
  int64_t column_stride;
};

// C (M, N), row stride ldc, overwritten; bias (N) or nullptr for zero begins each chain.
void matmul(float* C, int64_t ldc, MatrixA A, const PackedMatrix& B, const float* bias, int64_t M,
            ThreadPool& pool);
// C (M, N) continues the chains it holds.
void matmul_continue(float* C, int64_t ldc, MatrixA A, const PackedMatrix& B, int64_t M,
                     ThreadPool& pool);

}  // namespace ponder
