// y = x W^T + b: a matrix of the model, over weights that know their own layout. Up to three
// tensors that read the same input are stacked into one. Borrowed from f32 parameters (training),
// or packed in panels of f32 or bf16 (few rows at a time); the same values give the same bits
// either way (ops/matmul.h). T rows, K inputs, N outputs; x, y and their gradients are dense.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "ops/matmul.h"

namespace ponder::model {

// Where the gradients of a Linear's tensors accumulate, part by part; bias nullptr for none.
struct LinearGradients {
  struct Part {
    float *weight, *bias;
    int64_t rows;
  };
  std::vector<Part> parts;
};

class Linear {
 public:
  // Reads the parts, weights (rows, K) each, where they lie from now on.
  void borrow(std::span<const ops::MatrixView::Part> parts, int64_t K);
  // Room for panels of `storage`, kept if it is there already; the caller packs them.
  ops::PackedMatrix& panels(const char* name, int64_t K, int64_t N, tensor::DType storage);
  // The bias (N), its own copy; zeros until it is filled. Empty: none.
  std::span<float> make_bias();
  void drop_bias() { bias_.clear(); }

  int64_t K() const { return K_; }
  int64_t N() const { return N_; }
  int64_t size_bytes() const;
  bool trainable() const { return !parts_.empty(); }
  // w (K) = row n of W, widened.
  void read_row(int64_t n, float* w) const;

  // y (T, N) = x (T, K) W^T + b; overwritten.
  void forward(float* y, const float* x, int64_t T, ThreadPool& threads) const;
  // dx (T, K) = dy (T, N) W; overwritten. Borrowed weights only.
  void input_gradient(float* dx, const float* dy, int64_t T, ThreadPool& threads) const;
  // dW += dy^T x and db += the sum of dy's rows, continuing their chains over t.
  void weight_gradient(const LinearGradients& gradients, const float* dy, const float* x, int64_t T,
                       ThreadPool& threads) const;

 private:
  ops::MatrixB weights() const;

  int64_t K_ = 0, N_ = 0;
  ops::PackedMatrix panels_;                  // empty where the weights are borrowed
  std::vector<ops::MatrixView::Part> parts_;  // empty where they are packed
  std::vector<float> bias_;
};

}  // namespace ponder::model
