#include "model/layer.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "ops/bf16_matmul.h"
#include "ops/bf16_rounding.h"
#include "ops/embedding.h"
#include "ops/rms_norm.h"
#include "ops/stored_rows.h"
#include "ops/swiglu.h"

namespace ponder::model {
namespace {

int64_t window_of(const LayerSpec& spec) { return spec.window > 0 ? spec.window : ops::kNoWindow; }

}  // namespace

LayerPass::LayerPass(const ModelConfig& config, tensor::Precision precision, const LayerRope& rope,
                     PassTokens tokens, KeyValueBlocks blocks, ThreadPool& threads)
    : config_(config),
      precision_(precision),
      rope_(rope),
      tokens_(std::move(tokens)),
      blocks_(std::move(blocks)),
      threads_(threads),
      T_(tokens_.size()),
      C_(config.hidden_size),
      F_(config.intermediate_size),
      D_(config.head_dim),
      heads_(config.num_attention_heads),
      kv_heads_(config.num_key_value_heads),
      Q_(config.q_size()),
      KV_(config.kv_size()),
      W_(Q_ + 2 * KV_),
      keys_(blocks_.keys),
      values_(blocks_.values) {}

void LayerPass::forward(int64_t index, const LayerWeights& weights, const float* x,
                        const float* delta, const LayerActivations& keep,
                        const LayerMemory& memory) {
  const LayerSpec& spec = config_.layer(index);
  const float* in = run_to_mlp(index, weights, x, delta, keep, memory);
  const bool norms_output = spec.branch_norm == BranchNorm::kOutput;
  float* out = norms_output ? keep.mlp_out : memory.delta;
  if (!weights.gate_up.forward_gated(out, keep.bf16.gate_up, in, weights.down, T_, threads_)) {
    weights.gate_up.forward(keep.gate_up, in, T_, threads_);
    return run_from_gates(spec, weights, keep, memory);
  }
  if (norms_output) norm_output({weights.mlp_norm, keep.inv_rms2}, out, memory);
}

void LayerPass::restore(int64_t index, const LayerWeights& weights, const LayerActivations& keep,
                        const LayerMemory& memory) {
  const LayerSpec& spec = config_.layer(index);
  const float* in = run_to_mlp(index, weights, keep.x_in, nullptr, keep, memory);
  weights.gate_up.forward(keep.gate_up, in, T_, threads_);
  if (spec.branch_norm == BranchNorm::kOutput) run_from_gates(spec, weights, keep, memory);
  if (precision_ == tensor::Precision::kF32) return;
  ops::round_to_bf16({keep.att, Q_}, nullptr, {T_, Q_}, threads_);
  ops::round_to_bf16({keep.gate_up, 2 * F_}, nullptr, {T_, 2 * F_}, threads_);
}

const float* LayerPass::run_to_mlp(int64_t index, const LayerWeights& weights, const float* x,
                                   const float* delta, const LayerActivations& keep,
                                   const LayerMemory& memory) {
  const LayerSpec& spec = config_.layer(index);
  const Norm attention_norm{weights.attention_norm, keep.inv_rms1},
      mlp_norm{weights.mlp_norm, keep.inv_rms2};
  const float* in = enter(spec, attention_norm, keep.x_in, x, delta, memory);
  weights.qkv.forward(keep.qkv, in, T_, threads_);
  norm_and_rotate(spec, weights, keep);
  attend(index, spec, keep);
  leave(spec, attention_norm, weights.out, keep.att, keep.attention_out, memory);

  return enter(spec, mlp_norm, keep.x_mid, keep.x_in, memory.delta, memory);
}

void LayerPass::run_from_gates(const LayerSpec& spec, const LayerWeights& weights,
                               const LayerActivations& keep, const LayerMemory& memory) {
  precision_ == tensor::Precision::kBf16
      ? ops::bf16_swiglu(memory.act, keep.bf16.gate_up, keep.gate_up, {T_, F_}, threads_)
      : ops::swiglu(memory.act, keep.gate_up, {T_, F_}, threads_);
  leave(spec, {weights.mlp_norm, keep.inv_rms2}, weights.down, memory.act, keep.mlp_out, memory);
}

void LayerPass::restore_mid(const LayerSpec& spec, const LayerWeights& weights,
                            const LayerActivations& kept, const LayerMemory& memory) {
  ops::widen_bf16(kept.att, kept.bf16.att, {T_, Q_}, threads_);
  if (spec.branch_norm == BranchNorm::kInput) {
    weights.out.forward(memory.delta, kept.att, T_, threads_);
  } else {
    ops::rms_norm_apply(memory.delta, {kept.attention_out, kept.inv_rms1, weights.attention_norm},
                        {T_, C_}, threads_);
  }
  ops::add(kept.x_mid, kept.x_in, memory.delta, {T_, C_}, threads_);
}

void LayerPass::backward(int64_t index, const LayerWeights& weights, const LayerActivations& kept,
                         const LayerMemory& memory, const LayerGradients& gradients) {
  const LayerSpec& spec = config_.layer(index);
  const Norm attention_norm{weights.attention_norm, kept.inv_rms1},
      mlp_norm{weights.mlp_norm, kept.inv_rms2};
  if (precision_ == tensor::Precision::kBf16 && sum_blocks_.empty())
    sum_blocks_ = tokens_.sum_blocks();
  const GradientTokens tokens{T_, sum_blocks_, memory.operand};
  if (kept.bf16.att) restore_mid(spec, weights, kept, memory);
  // MLP. The gradient of the activation makes way for the activation, gate and up for their
  // gradients; the residual's gradient stays in dx.
  const float* dy = leave_backward(spec, mlp_norm, gradients.mlp_norm, kept.mlp_out, memory);
  weights.down.input_gradient(memory.act, dy, T_, threads_);
  float* dgate_up = kept.gate_up;
  kept.bf16.gate_up
      ? ops::swiglu_backward(dgate_up, memory.act, memory.act, kept.bf16.gate_up, {T_, F_},
                             threads_)
      : ops::swiglu_backward(dgate_up, memory.act, memory.act, kept.gate_up, {T_, F_}, threads_);
  weights.down.weight_gradient(gradients.down, dy, memory.act, tokens, threads_);
  const float* in = entered(spec, mlp_norm, kept.x_mid, memory);
  weights.gate_up.weight_gradient(gradients.gate_up, dgate_up, in, tokens, threads_);
  weights.gate_up.input_gradient(memory.dh, dgate_up, T_, threads_);
  enter_backward(spec, mlp_norm, gradients.mlp_norm, kept.x_mid, memory);

  // Attention, values unturned.
  dy = leave_backward(spec, attention_norm, gradients.attention_norm, kept.attention_out, memory);
  weights.out.weight_gradient(gradients.out, dy, kept.att, tokens, threads_);
  weights.out.input_gradient(memory.datt, dy, T_, threads_);
  attend_backward(spec, kept, memory);
  norm_and_rotate_backward(spec, weights, kept, memory, gradients);
  in = entered(spec, attention_norm, kept.x_in, memory);
  weights.qkv.weight_gradient(gradients.qkv, memory.dqkv, in, tokens, threads_);
  weights.qkv.input_gradient(memory.dh, memory.dqkv, T_, threads_);
  enter_backward(spec, attention_norm, gradients.attention_norm, kept.x_in, memory);
}

const float* LayerPass::enter(const LayerSpec& spec, const Norm& norm, float* sum, const float* x,
                              const float* delta, const LayerMemory& memory) {
  if (spec.branch_norm == BranchNorm::kOutput) {
    if (delta || sum != x) ops::add(sum, x, delta, {T_, C_}, threads_);
    return sum;
  }
  ops::add_rms_norm(memory.h, norm.inv_rms, {sum, x, delta}, norm.weight, {T_, C_},
                    static_cast<float>(config_.rms_norm_eps), threads_);
  return memory.h;
}

void LayerPass::leave(const LayerSpec& spec, const Norm& norm, const Linear& linear, const float* x,
                      float* raw, const LayerMemory& memory) {
  if (spec.branch_norm == BranchNorm::kInput) return linear.forward(memory.delta, x, T_, threads_);
  linear.forward(raw, x, T_, threads_);
  norm_output(norm, raw, memory);
}

void LayerPass::norm_output(const Norm& norm, const float* raw, const LayerMemory& memory) {
  ops::rms_norm(memory.delta, norm.inv_rms, raw, norm.weight, {T_, C_},
                static_cast<float>(config_.rms_norm_eps), threads_);
}

const float* LayerPass::leave_backward(const LayerSpec& spec, const Norm& norm, float* dnorm,
                                       const float* raw, const LayerMemory& memory) {
  if (spec.branch_norm == BranchNorm::kInput) return memory.dx;
  ops::add(memory.dh, memory.dx, nullptr, {T_, C_}, threads_);
  ops::head_norm_backward({memory.dh, C_}, dnorm, {raw, C_}, norm.inv_rms, norm.weight, {T_, 1, C_},
                          threads_);
  return memory.dh;
}

const float* LayerPass::entered(const LayerSpec& spec, const Norm& norm, const float* x,
                                const LayerMemory& memory) {
  if (spec.branch_norm == BranchNorm::kOutput) return x;
  ops::rms_norm_apply(memory.h, {x, norm.inv_rms, norm.weight}, {T_, C_}, threads_);
  return memory.h;
}

void LayerPass::enter_backward(const LayerSpec& spec, const Norm& norm, float* dnorm,
                               const float* x, const LayerMemory& memory) {
  if (spec.branch_norm == BranchNorm::kOutput)
    return ops::add(memory.dx, memory.dx, memory.dh, {T_, C_}, threads_);
  ops::rms_norm_backward(memory.dx, dnorm, memory.dh, {x, norm.inv_rms, norm.weight}, {T_, C_},
                         threads_);
}

LayerPass::QkHeads LayerPass::qk_heads(const LayerSpec& spec) const {
  if (spec.qk_norm == QkNorm::kWhole) return {{T_, 1, Q_}, {T_, 1, KV_}};
  return {{T_, heads_, D_}, {T_, kv_heads_, D_}};
}

void LayerPass::norm_and_rotate(const LayerSpec& spec, const LayerWeights& weights,
                                const LayerActivations& keep) {
  if (spec.qk_norm != QkNorm::kNone) {
    const QkHeads n = qk_heads(spec);
    const float eps = static_cast<float>(config_.rms_norm_eps);
    float* raw_k = keep.raw_qk ? keep.raw_qk + Q_ : nullptr;
    ops::head_norm({keep.qkv, W_}, {keep.raw_qk, Q_ + KV_}, keep.inv_rms_qk, weights.q_norm, n.q,
                   eps, threads_);
    ops::head_norm({keep.qkv + Q_, W_}, {raw_k, Q_ + KV_}, keep.inv_rms_qk + T_ * n.q.heads,
                   weights.k_norm, n.k, eps, threads_);
  }
  if (spec.rotates) {
    ops::rope({keep.qkv, W_}, tokens_.positions().data(), rope_.of(spec),
              {T_, heads_ + kv_heads_, D_}, ops::RopeDirection::kForward, threads_);
  }
  if (precision_ == tensor::Precision::kBf16)
    ops::round_to_bf16({keep.qkv, W_}, keep.bf16.qkv, {T_, W_}, threads_);
}

void LayerPass::norm_and_rotate_backward(const LayerSpec& spec, const LayerWeights& weights,
                                         const LayerActivations& kept, const LayerMemory& memory,
                                         const LayerGradients& gradients) {
  if (spec.rotates) {
    ops::rope({memory.dqkv, W_}, tokens_.positions().data(), rope_.of(spec),
              {T_, heads_ + kv_heads_, D_}, ops::RopeDirection::kBackward, threads_);
  }
  if (spec.qk_norm == QkNorm::kNone) return;
  const QkHeads n = qk_heads(spec);
  ops::head_norm_backward({memory.dqkv, W_}, gradients.q_norm, {kept.raw_qk, Q_ + KV_},
                          kept.inv_rms_qk, weights.q_norm, n.q, threads_);
  ops::head_norm_backward({memory.dqkv + Q_, W_}, gradients.k_norm, {kept.raw_qk + Q_, Q_ + KV_},
                          kept.inv_rms_qk + T_ * n.q.heads, weights.k_norm, n.k, threads_);
}

void LayerPass::store_keys_and_values(int64_t index, const float* qkv) {
  const auto of_layer = [&](void* block) -> void* {
    return static_cast<std::byte*>(block) + index * blocks_.layer_stride;
  };
  for (size_t i = 0; blocks_.layer_stride != 0 && i < keys_.size(); ++i) {
    keys_[i] = of_layer(blocks_.keys[i]);
    values_[i] = of_layer(blocks_.values[i]);
  }
  const auto pieces = static_cast<int64_t>(tokens_.slices().size()) * kv_heads_;
  threads_.parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const TokenSlice& slice = tokens_.slices()[static_cast<size_t>(piece / kv_heads_)];
      const size_t first = blocks_.first[static_cast<size_t>(piece)];
      const float* row = qkv + slice.begin * W_ + Q_ + piece % kv_heads_ * D_;
      const int64_t last = slice.first_position + slice.count;
      for (int64_t position = slice.first_position, n = 0; position < last; position += n) {
        const size_t block = first + static_cast<size_t>(position / ops::kKeyBlock);
        const int64_t at = position % ops::kKeyBlock;
        n = std::min(ops::kKeyBlock - at, last - position);
        ops::store_keys(keys_[block], precision_, at, {row, W_}, n, D_);
        ops::store_values(values_[block], precision_, at, {row + KV_, W_}, n, D_);
        row += n * W_;
      }
    }
  });
}

void LayerPass::attend(int64_t index, const LayerSpec& spec, const LayerActivations& keep) {
  store_keys_and_values(index, keep.qkv);
  const int64_t group = heads_ / kv_heads_;
  sequences_.clear();
  size_t piece = 0;
  for (const TokenSlice& slice : tokens_.slices()) {
    for (int64_t h = 0; h < heads_; h += group, ++piece) {
      const size_t first = blocks_.first[piece];
      sequences_.push_back({{keep.qkv + slice.begin * W_ + h * D_, W_},
                            {keep.att + slice.begin * Q_ + h * D_, Q_},
                            {keep.lse ? keep.lse + slice.begin * heads_ + h : nullptr, heads_},
                            keys_.data() + first,
                            values_.data() + first,
                            slice.count,
                            slice.first_position,
                            group,
                            window_of(spec),
                            precision_});
    }
  }
  ops::attention(sequences_, D_, threads_);
  if (keep.bf16.att) ops::round_to_bf16({keep.att, Q_}, keep.bf16.att, {T_, Q_}, threads_);
}

void LayerPass::attend_backward(const LayerSpec& spec, const LayerActivations& kept,
                                const LayerMemory& memory) {
  const int64_t group = heads_ / kv_heads_;
  std::vector<ops::AttentionBackwardSequence> sequences;
  for (const TokenSlice& slice : tokens_.slices()) {
    for (int64_t kv = 0; kv < kv_heads_; ++kv) {
      const auto rows = [&](int64_t column) -> ops::StoredRows {
        const int64_t at = slice.begin * W_ + column;
        if (kept.bf16.qkv) return {kept.bf16.qkv + at, W_};
        return {kept.qkv + at, W_};
      };
      float* dqkv = memory.dqkv + slice.begin * W_;
      const int64_t q = kv * group * D_, k = Q_ + kv * D_, v = k + KV_;
      sequences.push_back({rows(q),
                           rows(k),
                           rows(v),
                           {kept.att + slice.begin * Q_ + q, Q_},
                           {memory.datt + slice.begin * Q_ + q, Q_},
                           {kept.lse + slice.begin * heads_ + kv * group, heads_},
                           {dqkv + q, W_},
                           {dqkv + k, W_},
                           {dqkv + v, W_},
                           slice.count,
                           group,
                           window_of(spec),
                           precision_});
    }
  }
  ops::attention_backward(sequences, D_, memory.attention_backward,
                          ops::attention_backward_scratch(tokens_.longest(), D_, precision_),
                          threads_);
}

}  // namespace ponder::model
