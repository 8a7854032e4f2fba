#include "model/layer.h"

#include <algorithm>
#include <cstring>

#include "ops/attention.h"
#include "ops/embedding.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"

namespace ponder {

void norm_and_rotate(float* qkv, float* raw_qk, float* inv_rms_qk, const LayerWeights& weights,
                     const int32_t* positions, const RopeTable& rope_table, int64_t T,
                     const ModelConfig& config, ThreadPool& pool) {
  const int64_t heads = config.num_attention_heads, kv_heads = config.num_key_value_heads;
  const int64_t D = config.head_dim, Q = config.q_size(), KV = config.kv_size(), W = Q + 2 * KV;
  if (weights.q_norm) {
    const float eps = static_cast<float>(config.rms_norm_eps);
    head_norm(qkv, W, raw_qk, Q + KV, inv_rms_qk, weights.q_norm, T, heads, D, eps, pool);
    head_norm(qkv + Q, W, raw_qk ? raw_qk + Q : nullptr, Q + KV, inv_rms_qk + T * heads,
              weights.k_norm, T, kv_heads, D, eps, pool);
  }
  rope(qkv, W, positions, rope_table, T, heads + kv_heads, D, RopeDirection::kForward, pool);
}

void LayerPass::set_batch(const PackedBatch& batch) {
  T_ = batch.num_tokens();
  row_begin_ = batch.row_begin;
  positions_.resize(static_cast<size_t>(T_));
  longest_row_ = 0;
  for (int64_t r = 0; r < batch.num_rows(); ++r) {
    const int64_t begin = row_begin_[static_cast<size_t>(r)],
                  end = row_begin_[static_cast<size_t>(r) + 1];
    for (int64_t t = begin; t < end; ++t)
      positions_[static_cast<size_t>(t)] = static_cast<int32_t>(t - begin);
    longest_row_ = std::max(longest_row_, end - begin);
  }
}

void LayerPass::forward(const LayerWeights& weights, const float* x, const float* delta,
                        const LayerActivations& keep, const PassMemory& s) {
  const int64_t C = config_.hidden_size, F = config_.intermediate_size;
  const int64_t Q = config_.q_size(), KV = config_.kv_size(), W = Q + 2 * KV;
  const float eps = static_cast<float>(config_.rms_norm_eps);
  add_rms_norm(s.h, keep.inv_rms1, keep.x_in, x, delta, weights.input_norm, T_, C, eps, pool_);
  matmul(keep.qkv, W, {s.h, C, 1}, weights.qkv.forward(), weights.bias(), T_, pool_);
  norm_and_rotate(keep.qkv, keep.raw_qk, keep.inv_rms_qk, weights, positions_.data(), rope_, T_,
                  config_, pool_);
  attention_forward(keep, s);
  matmul(s.delta, C, {keep.att, Q, 1}, weights.out.forward(), nullptr, T_, pool_);
  add_rms_norm(s.h, keep.inv_rms2, keep.x_mid, keep.x_in, s.delta, weights.post_norm, T_, C, eps,
               pool_);
  matmul(keep.gate_up, 2 * F, {s.h, C, 1}, weights.gate_up.forward(), nullptr, T_, pool_);
  swiglu(s.act, keep.gate_up, T_, F, pool_);
  matmul(s.delta, C, {s.act, F, 1}, weights.down.forward(), nullptr, T_, pool_);
}

void LayerPass::attention_forward(const LayerActivations& keep, const PassMemory& s) {
  const int64_t D = config_.head_dim, heads = config_.num_attention_heads,
                kv_heads = config_.num_key_value_heads;
  const int64_t Q = config_.q_size(), KV = config_.kv_size(), W = Q + 2 * KV,
                group = heads / kv_heads;
  const int64_t rows = static_cast<int64_t>(row_begin_.size()) - 1;
  // Blocks of keys, then of values, of every (row, key-value head), rows padded to whole blocks.
  std::vector<int64_t> first_block(static_cast<size_t>(rows) + 1, 0);
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
    first_block[r + 1] =
        first_block[r] + (row_begin_[r + 1] - row_begin_[r] + kKeyBlock - 1) / kKeyBlock;
  }
  const int64_t blocks = first_block.back();
  std::vector<const float*> key_blocks(static_cast<size_t>(blocks * kv_heads)),
      value_blocks(static_cast<size_t>(blocks * kv_heads));
  std::vector<AttentionWork> works;
  works.reserve(static_cast<size_t>(rows * kv_heads));
  pool_.parallel_for(rows * kv_heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto r = static_cast<size_t>(i / kv_heads);
      const int64_t kv = i % kv_heads, t0 = row_begin_[r], count = row_begin_[r + 1] - t0;
      const int64_t slot = first_block[r] * kv_heads + kv * (first_block[r + 1] - first_block[r]);
      float* keys = s.keys + slot * kKeyBlock * D;
      float* values = keys + blocks * kKeyBlock * KV;
      const float* k = keep.qkv + t0 * W + Q + kv * D;
      transpose_keys(keys, k, W, count, D);
      copy_values(values, k + KV, W, count, D);
      for (int64_t b = 0; b * kKeyBlock < count; ++b) {
        key_blocks[static_cast<size_t>(slot + b)] = keys + b * kKeyBlock * D;
        value_blocks[static_cast<size_t>(slot + b)] = values + b * kKeyBlock * D;
      }
    }
  });
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
    const int64_t t0 = row_begin_[r], count = row_begin_[r + 1] - t0;
    for (int64_t kv = 0; kv < kv_heads; ++kv) {
      const auto slot = static_cast<size_t>(first_block[r] * kv_heads +
                                            kv * (first_block[r + 1] - first_block[r]));
      const int64_t h = kv * group;
      works.push_back({keep.qkv + t0 * W + h * D, keep.att + t0 * Q + h * D,
                       keep.lse + t0 * heads + h, key_blocks.data() + slot,
                       value_blocks.data() + slot, W, Q, heads, count, 0, group});
    }
  }
  attention(works, D, pool_);
}

void LayerPass::weight_gradient(float* dW, const float* dY, int64_t ld, int64_t N, const float* X,
                                int64_t K) {
  matmul_continue(dW, K, {dY, 1, ld}, MatrixView::rows(X, T_, K), N, pool_);
}

void LayerPass::input_gradient(float* dX, const float* dY, int64_t ld, const Projection& weights) {
  matmul(dX, weights.K, {dY, ld, 1}, weights.backward(), nullptr, T_, pool_);
}

void LayerPass::attention_backward_pass(const LayerActivations& kept, const PassMemory& s) {
  const int64_t D = config_.head_dim, heads = config_.num_attention_heads,
                kv_heads = config_.num_key_value_heads, group = heads / kv_heads;
  const int64_t Q = config_.q_size(), KV = config_.kv_size(), W = Q + 2 * KV;
  const int64_t scratch = attention_backward_scratch(longest_row_, D);
  std::vector<AttentionBackwardWork> works;
  for (size_t r = 0; r + 1 < row_begin_.size(); ++r) {
    const int64_t t0 = row_begin_[r], count = row_begin_[r + 1] - t0;
    for (int64_t kv = 0; kv < kv_heads; ++kv) {
      const float* qkv = kept.qkv + t0 * W;
      float* dqkv = s.dqkv + t0 * W;
      const int64_t q = kv * group * D, k = Q + kv * D, v = Q + KV + kv * D;
      works.push_back({qkv + q, qkv + k, qkv + v, kept.att + t0 * Q + q, s.datt + t0 * Q + q,
                       kept.lse + t0 * heads + kv * group, dqkv + q, dqkv + k, dqkv + v, W, Q,
                       heads, count, group});
    }
  }
  attention_backward(works, D, s.attention_backward, scratch, pool_);
}

void LayerPass::backward(const LayerWeights& weights, const LayerActivations& kept,
                         const PassMemory& s, const LayerGradients& g) {
  const int64_t C = config_.hidden_size, F = config_.intermediate_size, D = config_.head_dim;
  const int64_t heads = config_.num_attention_heads, kv_heads = config_.num_key_value_heads;
  const int64_t Q = config_.q_size(), KV = config_.kv_size(), W = Q + 2 * KV;

  // MLP: delta = down(swiglu(gate_up(norm(x_mid)))); the residual's gradient stays in dx. The
  // gradient of the activation makes way for the activation, gate and up for their gradients.
  input_gradient(s.act, s.dx, C, weights.down);
  float* dgate_up = kept.gate_up;
  swiglu_backward(dgate_up, s.act, s.act, kept.gate_up, T_, F, pool_);
  weight_gradient(g.down_weight, s.dx, C, C, s.act, F);
  rms_norm_apply(s.h, kept.x_mid, kept.inv_rms2, weights.post_norm, T_, C, pool_);
  weight_gradient(g.gate_weight, dgate_up, 2 * F, F, s.h, C);
  weight_gradient(g.up_weight, dgate_up + F, 2 * F, F, s.h, C);
  input_gradient(s.dh, dgate_up, 2 * F, weights.gate_up);
  rms_norm_backward(s.dx, g.post_norm, s.dh, kept.x_mid, kept.inv_rms2, weights.post_norm, T_, C,
                    pool_);

  // Attention: delta = o(attention(rope(head_norm(qkv(norm(x_in)))))), values unturned.
  weight_gradient(g.o_weight, s.dx, C, C, kept.att, Q);
  input_gradient(s.datt, s.dx, C, weights.out);
  attention_backward_pass(kept, s);
  rope(s.dqkv, W, positions_.data(), rope_, T_, heads + kv_heads, D, RopeDirection::kBackward,
       pool_);
  if (weights.q_norm) {
    head_norm_backward(s.dqkv, W, g.q_norm, kept.raw_qk, Q + KV, kept.inv_rms_qk, weights.q_norm,
                       T_, heads, D, pool_);
    head_norm_backward(s.dqkv + Q, W, g.k_norm, kept.raw_qk + Q, Q + KV,
                       kept.inv_rms_qk + T_ * heads, weights.k_norm, T_, kv_heads, D, pool_);
  }
  rms_norm_apply(s.h, kept.x_in, kept.inv_rms1, weights.input_norm, T_, C, pool_);
  weight_gradient(g.q_weight, s.dqkv, W, Q, s.h, C);
  weight_gradient(g.k_weight, s.dqkv + Q, W, KV, s.h, C);
  weight_gradient(g.v_weight, s.dqkv + Q + KV, W, KV, s.h, C);
  if (g.q_bias) {
    bias_backward(g.q_bias, s.dqkv, W, T_, Q, pool_);
    bias_backward(g.k_bias, s.dqkv + Q, W, T_, KV, pool_);
    bias_backward(g.v_bias, s.dqkv + Q + KV, W, T_, KV, pool_);
  }
  input_gradient(s.dh, s.dqkv, W, weights.qkv);
  rms_norm_backward(s.dx, g.input_norm, s.dh, kept.x_in, kept.inv_rms1, weights.input_norm, T_, C,
                    pool_);
}

}  // namespace ponder
