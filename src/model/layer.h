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
#include "ops/attention.h"
#include "ops/rope.h"
#include "tensor/buffer.h"

namespace ponder {

// What backward needs of one layer; with recomputation only `x` is kept, and the rest is one shared
// set.
struct LayerActivations {
  Buffer x_in{"layer input", 0};                // (T, C) residual stream at the layer's start
  Buffer x_mid{"residual after attention", 0};  // (T, C)
  Buffer qkv{"queries, keys, values", 0};       // (T, Q + 2KV), normed and rotated
  Buffer att{"attention output", 0};            // (T, Q)
  Buffer lse{"attention log-sum-exp", 0};       // (T, heads)
  Buffer gate_up{"gate and up", 0};             // (T, 2F)
  Buffer inv_rms1{"1/rms before attention", 0}, inv_rms2{"1/rms before MLP", 0};  // (T)
  // With norms of heads only: what they were given (T, Q + KV), and for queries (T, heads), then
  // for keys (T, key-value heads), what they divided by.
  Buffer raw_qk{"queries and keys before their norms", 0};
  Buffer inv_rms_qk{"1/rms of query and key heads", 0};
};

// Scratch of a pass, shared by all layers.
struct LayerScratch {
  Buffer x{"residual stream", 0}, h{"normed", 0}, delta{"branch output", 0};  // (T, C)
  Buffer act{"MLP activation", 0};                                            // (T, F)
  Buffer keys{"keys and values in blocks", 0};
  Buffer dx{"dx", 0}, dh{"dh", 0};       // (T, C)
  Buffer dqkv{"dqkv", 0};                // (T, Q + 2KV)
  Buffer datt{"d attention output", 0};  // (T, Q)
  Buffer dact{"d MLP activation", 0};    // (T, F)
  Buffer attention_backward{"attention backward", 0};
};

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

  // scratch.x (T, C) += delta (the previous layer's MLP output; nullptr for the first layer), then
  // the layer; its own MLP output is left in scratch.delta. Everything that backward needs is in
  // `keep`.
  void forward(const LayerWeights& weights, const float* delta, LayerActivations& keep,
               LayerScratch& scratch);

  // scratch.dx (T, C): in, the gradient of the layer's output; out, of its input. Parameter
  // gradients accumulate.
  void backward(const LayerWeights& weights, const LayerActivations& kept, LayerScratch& scratch,
                const LayerGradients& gradients);

 private:
  void attention_forward(LayerActivations& keep, LayerScratch& scratch);
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
