// One transformer layer over a packed batch, forward and backward.
// T tokens, C hidden_size, F intermediate_size, Q = heads * head_dim, KV = key-value heads *
// head_dim.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/decoder_weights.h"
#include "model/pass_memory.h"
#include "ops/rope.h"

namespace ponder {

// What stands between a layer's projections and its attention, in place in qkv (T, Q + 2KV): the
// norms of query and key heads where the architecture has them, then RoPE. One for training,
// scoring and sampling. raw_qk (T, Q + KV) receives the queries and keys before their norms unless
// null; inv_rms_qk is room for T * (heads + key-value heads).
void norm_and_rotate(float* qkv, float* raw_qk, float* inv_rms_qk, const LayerWeights& weights,
                     const int32_t* positions, const RopeTable& rope_table, int64_t T,
                     const ModelConfig& config, ThreadPool& pool);

class LayerPass {
 public:
  LayerPass(const ModelConfig& config, const RopeTable& rope, ThreadPool& pool)
      : config_(config), rope_(rope), pool_(pool) {}

  // Fixes the batch for the calls that follow: positions and row borders.
  void set_batch(const PackedBatch& batch);
  const std::vector<int32_t>& positions() const { return positions_; }

  // The layer over the residual stream x (T, C) + delta (T, C; the previous layer's MLP output;
  // nullptr for none); its own MLP output is left in memory.delta, the residual stream before it in
  // keep.x_mid. x may be keep.x_in, or what that shares its memory with.
  void forward(const LayerWeights& weights, const float* x, const float* delta,
               const LayerActivations& keep, const PassMemory& memory);

  // memory.dx (T, C): in, the gradient of the layer's output; out, of its input. Parameter
  // gradients accumulate. What is kept of gate and up is lost.
  void backward(const LayerWeights& weights, const LayerActivations& kept, const PassMemory& memory,
                const LayerGradients& gradients);

 private:
  void attention_forward(const LayerActivations& keep, const PassMemory& memory);
  void attention_backward_pass(const LayerActivations& kept, const PassMemory& memory);
  // dW (N, K) += dY (T, N; stride ld)^T X (T, K).
  void weight_gradient(float* dW, const float* dY, int64_t ld, int64_t N, const float* X,
                       int64_t K);
  // dX (T, K) = dY (T, N; stride ld) W.
  void input_gradient(float* dX, const float* dY, int64_t ld, const Projection& weights);

  const ModelConfig& config_;
  const RopeTable& rope_;
  ThreadPool& pool_;
  std::vector<int32_t> positions_;  // (T)
  std::vector<int64_t> row_begin_;
  int64_t T_ = 0;
  int64_t longest_row_ = 0;
};

}  // namespace ponder
