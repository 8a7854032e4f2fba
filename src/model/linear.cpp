#include "model/linear.h"

#include <algorithm>
#include <optional>

#include "ops/bf16_mlp.h"
#include "ops/embedding.h"

namespace ponder::model {

void Linear::borrow(std::span<const ops::MatrixView::Part> parts, int64_t K) {
  panels_ = ops::PackedMatrix();
  bf16_panels_ = ops::Bf16Matrix();
  parts_.assign(parts.begin(), parts.end());
  K_ = K;
  N_ = 0;
  for (const ops::MatrixView::Part& part : parts) N_ += part.rows;
}

ops::PackedMatrix& Linear::panels(const char* name, int64_t K, int64_t N, tensor::DType storage) {
  parts_.clear();
  bf16_panels_ = ops::Bf16Matrix();
  K_ = K;
  N_ = N;
  if (panels_.N() == N && panels_.K() == K && panels_.storage() == storage) return panels_;
  panels_ = ops::PackedMatrix();  // what is there goes first
  return panels_ = ops::PackedMatrix(name, K, N, storage);
}

ops::Bf16Matrix& Linear::bf16_panels(const char* name, int64_t K, int64_t N) {
  parts_.clear();
  panels_ = ops::PackedMatrix();
  K_ = K;
  N_ = N;
  if (bf16_panels_.N() == N && bf16_panels_.K() == K) return bf16_panels_;
  bf16_panels_ = ops::Bf16Matrix();  // what is there goes first
  return bf16_panels_ = ops::Bf16Matrix(name, K, N);
}

std::span<float> Linear::make_bias() {
  bias_.resize(static_cast<size_t>(N_));
  return bias_;
}

int64_t Linear::size_bytes() const {
  if (computes_in_bf16()) return bf16_panels_.size_bytes();
  return parts_.empty() ? panels_.size_bytes() : N_ * K_ * int64_t{sizeof(float)};
}

void Linear::read_row(int64_t n, float* w) const {
  if (computes_in_bf16()) return bf16_panels_.read_column(n, w);
  if (parts_.empty()) return panels_.read_column(n, w);
  std::copy_n(ops::MatrixView::weights(parts_, K_).row(n), K_, w);
}

ops::MatrixB Linear::weights() const {
  return parts_.empty() ? ops::MatrixB(panels_)
                        : ops::MatrixB(ops::MatrixView::weights(parts_, K_));
}

void Linear::forward(float* y, const float* x, int64_t T, ThreadPool& threads) const {
  const float* bias = bias_.empty() ? nullptr : bias_.data();
  if (computes_in_bf16())
    return ops::bf16_matmul({y, N_}, {x, K_, 1}, bf16_panels_, bias, T, threads);
  ops::matmul({y, N_}, {x, K_, 1}, weights(), bias, T, threads);
}

bool Linear::forward_gated(float* y, tensor::Bf16* kept, const float* x, const Linear& down,
                           int64_t T, ThreadPool& threads) const {
  if (!computes_in_bf16()) return false;
  const auto bias = [](const Linear& linear) {
    return linear.bias_.empty() ? nullptr : linear.bias_.data();
  };
  const ops::Bf16Mlp mlp{&bf16_panels_, bias(*this), &down.bf16_panels_, bias(down)};
  if (!ops::has_bf16_mlp(mlp, T, threads)) return false;
  ops::bf16_mlp({y, down.N_}, kept, {x, K_}, mlp, T, threads);
  return true;
}

void Linear::input_gradient(float* dx, const float* dy, int64_t T, ThreadPool& threads) const {
  if (computes_in_bf16())
    return ops::bf16_matmul_transposed({dx, K_}, {dy, N_, 1}, bf16_panels_, T, threads);
  ops::matmul({dx, K_}, {dy, N_, 1}, ops::MatrixView::rows(parts_, K_), nullptr, T, threads);
}

void Linear::weight_gradient(const LinearGradients& gradients, const float* dy, const float* x,
                             const GradientTokens& tokens, ThreadPool& threads) const {
  const int64_t T = tokens.T;
  std::optional<ops::Bf16Matrix> inputs;
  if (computes_in_bf16()) {
    const auto blocks = static_cast<int64_t>(tokens.blocks.size());
    inputs.emplace(tokens.operand, blocks * ops::Bf16Matrix::kBlock, K_);
    inputs->pack_runs(x, tokens.blocks, threads);
  }
  for (const LinearGradients::Part& part : gradients.parts) {
    const ops::Rows dw{part.weight, K_};
    const ops::MatrixA dy_transposed{dy, 1, N_};
    if (inputs) {
      ops::bf16_matmul_continue(dw, dy_transposed, tokens.blocks, *inputs, part.rows, threads);
    } else {
      ops::matmul_continue(dw, dy_transposed, ops::MatrixView::rows(x, T, K_), part.rows, threads);
    }
    if (part.bias) ops::bias_backward(part.bias, {dy, N_}, {T, part.rows}, threads);
    dy += part.rows;
  }
}

}  // namespace ponder::model
