// The decoder layer, forward and backward: the one that training, scoring, prefill and decode run.
// What it consists of stands in its LayerSpec.
// T tokens, C hidden_size, F intermediate_size, Q = heads * head_dim, KV = key-value heads *
// head_dim.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/decoder_weights.h"
#include "model/layer_rope.h"
#include "model/pass_memory.h"
#include "model/pass_tokens.h"
#include "ops/attention.h"
#include "tensor/precision.h"

namespace ponder::model {

// One pass of tokens through the layers of a model. Borrows what it is given.
class LayerPass {
 public:
  // The table must reach the tokens' positions.
  LayerPass(const ModelConfig& config, tensor::Precision precision, const LayerRope& rope,
            PassTokens tokens, KeyValueBlocks blocks, ThreadPool& threads);

  // Layer `index` over the residual stream x (T, C) + delta (T, C; what the previous layer left in
  // memory.delta; nullptr for none). It leaves its own last branch's output in memory.delta and the
  // residual stream before it in keep.x_mid. x may be keep.x_in, or what that shares its memory
  // with. Keys and values of the tokens are written to their blocks.
  void forward(int64_t index, const LayerWeights& weights, const float* x, const float* delta,
               const LayerActivations& keep, const LayerMemory& memory);

  // What backward needs of a forward that kept its input alone, again, from keep.x_in: all of it but
  // what only the next layer reads, so the last product is left out where nothing asks for it.
  void restore(int64_t index, const LayerWeights& weights, const LayerActivations& keep,
               const LayerMemory& memory);

  // memory.dx (T, C): in, the gradient of the layer's output; out, of its input. Parameter
  // gradients accumulate. What is kept of gate and up in f32 is lost. Whole rows only.
  void backward(int64_t index, const LayerWeights& weights, const LayerActivations& kept,
                const LayerMemory& memory, const LayerGradients& gradients);

  const PassTokens& tokens() const { return tokens_; }

 private:
  // A branch's norm: its weight, and what it divided by.
  struct Norm {
    const float* weight;
    float* inv_rms;
  };

  // The layer's forward as far as the MLP, whose input is the result.
  const float* run_to_mlp(int64_t index, const LayerWeights& weights, const float* x,
                          const float* delta, const LayerActivations& keep,
                          const LayerMemory& memory);
  // memory.act, then memory.delta, from keep.gate_up.
  void run_from_gates(const LayerSpec& spec, const LayerWeights& weights,
                      const LayerActivations& keep, const LayerMemory& memory);
  // kept.att, widened, and kept.x_mid, which the layers share in bf16: both follow from what is kept.
  void restore_mid(const LayerSpec& spec, const LayerWeights& weights, const LayerActivations& kept,
                   const LayerMemory& memory);
  // sum = x + delta; returns what the branch reads: sum, or in memory.h its norm.
  const float* enter(const LayerSpec& spec, const Norm& norm, float* sum, const float* x,
                     const float* delta, const LayerMemory& memory);
  // memory.delta = linear(x), or its norm; `raw` is then room for what it was before.
  void leave(const LayerSpec& spec, const Norm& norm, const Linear& linear, const float* x,
             float* raw, const LayerMemory& memory);
  // memory.delta from what a branch gave.
  void norm_output(const Norm& norm, const float* raw, const LayerMemory& memory);
  // The gradient of the branch's last Linear, of memory.dx.
  const float* leave_backward(const LayerSpec& spec, const Norm& norm, float* dnorm,
                              const float* raw, const LayerMemory& memory);
  // What the branch read, again.
  const float* entered(const LayerSpec& spec, const Norm& norm, const float* x,
                       const LayerMemory& memory);
  // memory.dx, the residual stream's gradient, gains what comes through the branch in memory.dh.
  void enter_backward(const LayerSpec& spec, const Norm& norm, float* dnorm, const float* x,
                      const LayerMemory& memory);

  // In place in keep.qkv (T, Q + 2KV), between projection and attention; in bf16 rounded too.
  void norm_and_rotate(const LayerSpec& spec, const LayerWeights& weights,
                       const LayerActivations& keep);
  void norm_and_rotate_backward(const LayerSpec& spec, const LayerWeights& weights,
                                const LayerActivations& kept, const LayerMemory& memory,
                                const LayerGradients& gradients);
  // What the norm of queries, and that of keys, treats one by one.
  struct QkHeads {
    ops::HeadShape q, k;
  };
  QkHeads qk_heads(const LayerSpec& spec) const;

  void store_keys_and_values(int64_t index, const float* qkv);
  void attend(int64_t index, const LayerSpec& spec, const LayerActivations& keep);
  void attend_backward(const LayerSpec& spec, const LayerActivations& kept,
                       const LayerMemory& memory);

  const ModelConfig& config_;
  const tensor::Precision precision_;
  const LayerRope& rope_;
  const PassTokens tokens_;
  std::vector<ops::Bf16Run> sum_blocks_;  // of tokens_, once backward needs them
  const KeyValueBlocks blocks_;
  ThreadPool& threads_;
  const int64_t T_, C_, F_, D_, heads_, kv_heads_, Q_, KV_,
      W_;                             // W: a row of queries, keys, values
  std::vector<void*> keys_, values_;  // blocks of the layer that runs
  std::vector<ops::AttentionSequence> sequences_;
};

}  // namespace ponder::model
