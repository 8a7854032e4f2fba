// y = x W^T + b: a matrix of the model, over weights that know their own layout and arithmetic. Up
// to three tensors that read the same input are stacked into one. In f32 they are borrowed from
// parameters (training), or packed in panels of f32 or bf16 (few rows at a time); the same values
// give the same bits either way (ops/matmul.h). Packed for bf16 arithmetic, one copy for both
// directions, they give its bits (ops/bf16_matmul.h). T rows, K inputs, N outputs; x, y and their
// gradients are dense.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "ops/bf16_matmul.h"
#include "ops/matmul.h"
#include "tensor/bf16.h"

namespace ponder::model {

// Where the gradients of a Linear's tensors accumulate, part by part; bias nullptr for none.
struct LinearGradients {
  struct Part {
    float *weight, *bias;
    int64_t rows;
  };
  std::vector<Part> parts;
};

// The tokens that a weight's gradient is a sum over.
struct GradientTokens {
  int64_t T;
  // In bf16 arithmetic: the blocks of the sum, which begin anew with each row of tokens, and room for
  // operand_floats().
  ops::Bf16Runs blocks = {};
  float* operand = nullptr;
};

class Linear {
 public:
  // Reads the parts, weights (rows, K) each, where they lie from now on.
  void borrow(std::span<const ops::MatrixView::Part> parts, int64_t K);
  // Room for panels of `storage`, kept if it is there already; the caller packs them.
  ops::PackedMatrix& panels(const char* name, int64_t K, int64_t N, tensor::DType storage);
  // The same for products in bf16 arithmetic.
  ops::Bf16Matrix& bf16_panels(const char* name, int64_t K, int64_t N);
  // The bias (N), its own copy; zeros until it is filled. Empty: none.
  std::span<float> make_bias();
  void drop_bias() { bias_.clear(); }

  int64_t K() const { return K_; }
  int64_t N() const { return N_; }
  int64_t size_bytes() const;
  bool has_gradients() const { return !parts_.empty() || computes_in_bf16(); }
  // w (K) = row n of W, widened.
  void read_row(int64_t n, float* w) const;

  // y (T, N) = x (T, K) W^T + b; overwritten.
  void forward(float* y, const float* x, int64_t T, ThreadPool& threads) const;
  // Of gate and up: y (T, N of down) = swiglu(x W^T + b) Wd^T + c in one go, in bf16 arithmetic, where that
  // is faster; kept (T, 2F) receives gate and up, unless it is null. False: nothing was computed.
  bool forward_gated(float* y, tensor::Bf16* kept, const float* x, const Linear& down, int64_t T,
                     ThreadPool& threads) const;
  // dx (T, K) = dy (T, N) W; overwritten. Where has_gradients(), as below.
  void input_gradient(float* dx, const float* dy, int64_t T, ThreadPool& threads) const;
  // dW += dy^T x and db += the sum of dy's rows, continuing their chains over t.
  void weight_gradient(const LinearGradients& gradients, const float* dy, const float* x,
                       const GradientTokens& tokens, ThreadPool& threads) const;
  static int64_t operand_floats(int64_t num_blocks, int64_t K) {
    return ops::Bf16Matrix::storage_floats(num_blocks * ops::Bf16Matrix::kBlock, K);
  }

 private:
  ops::MatrixB weights() const;
  bool computes_in_bf16() const { return bf16_panels_.N() > 0; }

  int64_t K_ = 0, N_ = 0;
  // One of these has the weights.
  ops::PackedMatrix panels_;
  ops::Bf16Matrix bf16_panels_;
  std::vector<ops::MatrixView::Part> parts_;  // borrowed
  std::vector<float> bias_;
};

}  // namespace ponder::model
