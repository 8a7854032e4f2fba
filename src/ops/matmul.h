// Matrix product on packed weights. Definition: every element of the result is one chain of fused
// multiply-adds over k in ascending order, c = fma(a[k], b[k], c), begun from zero, from a bias or
// from what is already there. Blocking, vector width, row count and threads cannot change a bit.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "tensor/buffer.h"
#include "tensor/dtype.h"

namespace ponder {

// B (K, N) in panels of kPanel columns; columns past N are zero. Stored as f32, element (k, n) at
// [n / kPanel][k][n % kPanel], or as bf16 (half the memory and, where memory is what a product
// waits for, half the time), widened in registers: arithmetic is f32 either way, and bf16 panels
// give the bits that f32 panels of the same values give. The two halves of a bf16 panel's row are
// interleaved, column j beside column j + 16, so that a shift and a mask widen 32 of them.
class PackedMatrix {
 public:
  static constexpr int64_t kPanel = 32;

  PackedMatrix() = default;
  // `storage`: kF32 or kBF16.
  PackedMatrix(const char* name, int64_t K, int64_t N, DType storage = DType::kF32);
  // Changes the shape, keeping the memory if it is large enough; contents are undefined until
  // packed.
  void reshape(int64_t K, int64_t N);

  // Columns [first_column, first_column + rows) from a weight W (rows, K), row-major, any
  // alignment: B[k][n] = W[n][k]. Exact where the storage holds every value of `dtype`, else
  // rounded to nearest, ties to even.
  void pack_weight(const void* W, DType dtype, int64_t rows, int64_t first_column,
                   ThreadPool& pool);
  void pack_weight(const float* W, int64_t rows, int64_t first_column, ThreadPool& pool) {
    pack_weight(W, DType::kF32, rows, first_column, pool);
  }
  // The same on the calling thread alone; threads may pack different columns at once.
  void pack_weight(const void* W, DType dtype, int64_t rows, int64_t first_column);
  // Rows [first_k, first_k + count) of B from rows of X (count, N), row stride ld: B[first_k +
  // k][n] = X[k][n]. For f32 storage only.
  void pack_rows(const float* X, int64_t ld, int64_t first_k, int64_t count, ThreadPool& pool);
  // to (K) = column n of B, widened: a weight's row back.
  void read_column(int64_t n, float* to) const;

  int64_t K() const { return K_; }
  int64_t N() const { return N_; }
  DType storage() const { return storage_; }
  int64_t num_panels() const { return (N_ + kPanel - 1) / kPanel; }
  int64_t size_bytes() const { return num_panels() * K_ * kPanel * ponder::size_bytes(storage_); }
  const float* panel(int64_t p) const { return data_.data() + p * K_ * kPanel; }
  const uint16_t* bf16_panel(int64_t p) const { return narrow() + p * K_ * kPanel; }
  const float* zeros() const {
    return zeros_.data();
  }  // N of them: where chains without a bias begin

 private:
  uint16_t* narrow() { return reinterpret_cast<uint16_t*>(data_.data()); }
  const uint16_t* narrow() const { return reinterpret_cast<const uint16_t*>(data_.data()); }

  int64_t K_ = 0, N_ = 0;
  DType storage_ = DType::kF32;
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
