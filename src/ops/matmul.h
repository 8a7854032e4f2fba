// Matrix product. Definition: every element of the result is one chain of fused
// multiply-adds over k in ascending order, c = fma(a[k], b[k], c), begun from zero, from a bias or
// from what is already there. Blocking, vector width, row count and threads cannot change a bit.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/thread_pool.h"
#include "ops/view.h"
#include "tensor/buffer.h"
#include "tensor/dtype.h"

namespace ponder::ops {

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
  PackedMatrix(const char* name, int64_t K, int64_t N, tensor::DType storage = tensor::DType::kF32);
  // Columns [first_column, first_column + rows) from a weight W (rows, K), row-major, any
  // alignment: B[k][n] = W[n][k]. Exact where the storage holds every value of `dtype`, else
  // rounded to nearest, ties to even.
  void pack_weight(const void* W, tensor::DType dtype, int64_t rows, int64_t first_column,
                   ThreadPool& threads);
  void pack_weight(const float* W, int64_t rows, int64_t first_column, ThreadPool& threads) {
    pack_weight(W, tensor::DType::kF32, rows, first_column, threads);
  }
  // The same on the calling thread alone; threads may pack different columns at once.
  void pack_weight(const void* W, tensor::DType dtype, int64_t rows, int64_t first_column);
  // to (K) = column n of B, widened: a weight's row back.
  void read_column(int64_t n, float* to) const;

  int64_t K() const { return K_; }
  int64_t N() const { return N_; }
  tensor::DType storage() const { return storage_; }
  int64_t num_panels() const { return (N_ + kPanel - 1) / kPanel; }
  int64_t size_bytes() const {
    return num_panels() * K_ * kPanel * ponder::tensor::size_bytes(storage_);
  }
  const float* panel(int64_t p) const { return data_.data() + p * K_ * kPanel; }
  const uint16_t* bf16_panel(int64_t p) const { return narrow() + p * K_ * kPanel; }

 private:
  uint16_t* narrow() { return reinterpret_cast<uint16_t*>(data_.data()); }
  const uint16_t* narrow() const { return reinterpret_cast<const uint16_t*>(data_.data()); }

  int64_t K_ = 0, N_ = 0;
  tensor::DType storage_ = tensor::DType::kF32;
  tensor::Buffer data_;
};

// Row-major f32 matrices of equal width, one below the other, read where they lie: B for products
// of many rows (training), which pack a block of it into the cache as they go.
class MatrixView {
 public:
  struct Part {
    const float* data;
    int64_t rows;
  };
  static constexpr size_t kMaxParts = 3;

  // Weights W_i (N_i, K): B (K, N) is the transposed, B[k][n] = W[n][k].
  static MatrixView weights(std::span<const Part> parts, int64_t K) {
    return {Direction::kAlongN, parts, K};
  }
  // X_i (K_i, N): B[k][n] = X[k][n].
  static MatrixView rows(std::span<const Part> parts, int64_t N) {
    return {Direction::kAlongK, parts, N};
  }
  static MatrixView rows(const float* X, int64_t K, int64_t N) {
    const Part part{X, K};
    return rows(std::span(&part, 1), N);
  }

  bool transposed() const { return direction_ == Direction::kAlongN; }
  int64_t K() const { return transposed() ? width_ : rows_; }
  int64_t N() const { return transposed() ? rows_ : width_; }
  // Row i of all parts together.
  const float* row(int64_t i) const {
    size_t p = 0;
    for (; i >= parts_[p].rows; ++p) i -= parts_[p].rows;
    return parts_[p].data + i * width_;
  }

 private:
  enum class Direction { kAlongN, kAlongK };
  MatrixView(Direction direction, std::span<const Part> parts, int64_t width);

  Direction direction_;
  size_t num_parts_ = 0;
  Part parts_[kMaxParts] = {};
  int64_t rows_ = 0, width_;
};

// The right operand: panels (borrowed) or a view. Panels and views of the same values give the same
// bits.
class MatrixB {
 public:
  MatrixB(const PackedMatrix& panels) : panels_(&panels) {}
  MatrixB(const MatrixView& view) : view_(view) {}

  const PackedMatrix* panels() const { return panels_; }  // nullptr where it is a view
  const MatrixView& view() const { return *view_; }
  int64_t K() const { return panels_ ? panels_->K() : view_->K(); }
  int64_t N() const { return panels_ ? panels_->N() : view_->N(); }

 private:
  const PackedMatrix* panels_ = nullptr;
  std::optional<MatrixView> view_;
};

// A (M, K) with element (m, k) at data[m * row_stride + k * column_stride].
struct MatrixA {
  const float* data;
  int64_t row_stride;
  int64_t column_stride;
};

// C (M, N), overwritten; bias (N) or nullptr for zero begins each chain. Impossible shapes are an
// Error, here and above.
void matmul(Rows C, MatrixA A, const MatrixB& B, const float* bias, int64_t M, ThreadPool& threads);
// C (M, N) continues the chains it holds.
void matmul_continue(Rows C, MatrixA A, const MatrixB& B, int64_t M, ThreadPool& threads);

}  // namespace ponder::ops
