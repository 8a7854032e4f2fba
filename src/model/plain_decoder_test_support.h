// Test-only: a whole decoder as plain loops over ops/reference.h, a row at a time: what Decoder
// must equal bit for bit, in either arithmetic. docs/arithmetic.md says the same in words.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "model/layer_rope.h"
#include "model/parameters.h"
#include "ops/reference.h"

namespace ponder::model {

class PlainDecoder {
 public:
  // Borrows both.
  PlainDecoder(const ModelConfig& config, const Parameters& parameters, tensor::Precision precision)
      : config_(config), parameters_(parameters), precision_(precision), rope_(config) {
    rope_.extend(config.max_position_embeddings);
  }

  // Of each token but the first, after those before it.
  std::vector<float> logprobs(std::span<const int32_t> row) const {
    Matrix x;
    for (const int32_t token : row) {
      const float* from = weight(TensorRole::kEmbedding) + token * config_.hidden_size;
      x.emplace_back(from, from + config_.hidden_size);
      for (float& value : x.back()) value = rounded(value);
    }
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
      branch(x, i, TensorRole::kAttentionNorm, [&](const Matrix& in) { return attention(in, i); });
      branch(x, i, TensorRole::kMlpNorm, [&](const Matrix& in) { return mlp(in, i); });
    }
    for (Row& hidden : x) norm(hidden, 0, config_.hidden_size, weight(TensorRole::kFinalNorm));
    const Matrix logits = linear(FusedMatrix::kHead, -1, x);
    std::vector<float> result;
    for (size_t t = 0; t + 1 < row.size(); ++t) {
      const Row& z = logits[t];
      result.push_back(z[static_cast<size_t>(row[t + 1])] -
                       ops::reference::log_sum_exp(z.data(), config_.vocab_size));
    }
    return result;
  }

 protected:
  using Row = std::vector<float>;
  using Matrix = std::vector<Row>;  // a row a token

  float rounded(float x) const {
    return precision_ == tensor::Precision::kBf16 ? ops::reference::to_bf16(x) : x;
  }
  Matrix rounded(Matrix rows) const {
    for (Row& row : rows) {
      for (float& x : row) x = rounded(x);
    }
    return rows;
  }
  const float* weight(TensorRole role, int64_t layer = -1) const {
    return parameters_.find(role, layer);
  }

  // y = x W^T + b.
  Matrix linear(FusedMatrix matrix, int64_t layer, const Matrix& x) const {
    const auto weights = parameters_.layout().weights_of(matrix, layer);
    const auto biases = parameters_.layout().biases_of(matrix, layer);
    Matrix y(x.size());
    for (size_t t = 0; t < x.size(); ++t) {
      for (size_t part = 0; part < weights.size(); ++part) {
        const int64_t K = weights[part]->shape[1];
        for (int64_t n = 0; n < weights[part]->shape[0]; ++n) {
          const float* w = parameters_.at(*weights[part]).data() + n * K;
          const float begin =
              biases.empty() ? 0.0f : parameters_.at(*biases[part])[static_cast<size_t>(n)];
          y[t].push_back(ops::reference::product(
              precision_, begin, K, [&](int64_t k) { return x[t][static_cast<size_t>(k)]; },
              [&](int64_t k) { return w[k]; }));
        }
      }
    }
    return y;
  }

  // `count` elements from `first` on, in place.
  void norm(Row& row, int64_t first, int64_t count, const float* weight) const {
    Row y(static_cast<size_t>(count));
    float inv_rms = 0;
    ops::reference::rms_norm(y.data(), inv_rms, row.data() + first, weight, count,
                             static_cast<float>(config_.rms_norm_eps));
    std::copy(y.begin(), y.end(), row.begin() + first);
  }

  template <class Run>
  void branch(Matrix& x, int64_t layer, TensorRole role, const Run& run) const {
    const bool norms_input = config_.layer(layer).branch_norm == BranchNorm::kInput;
    const auto norm_all = [&](Matrix& rows) {
      for (Row& row : rows) norm(row, 0, config_.hidden_size, weight(role, layer));
    };
    Matrix in = x;
    if (norms_input) norm_all(in);
    Matrix out = run(in);
    if (!norms_input) norm_all(out);
    for (size_t t = 0; t < x.size(); ++t) {
      for (size_t c = 0; c < x[t].size(); ++c) x[t][c] = x[t][c] + out[t][c];
    }
  }

  Matrix mlp(const Matrix& in, int64_t layer) const {
    const auto F = static_cast<size_t>(config_.intermediate_size);
    const Matrix gate_up = rounded(linear(FusedMatrix::kGateUp, layer, in));
    Matrix act(in.size(), Row(F));
    for (size_t t = 0; t < in.size(); ++t) {
      for (size_t f = 0; f < F; ++f)
        act[t][f] = ops::reference::swiglu(gate_up[t][f], gate_up[t][F + f]);
    }
    return linear(FusedMatrix::kMlpDown, layer, act);
  }

  Matrix attention(const Matrix& in, int64_t layer) const {
    const LayerSpec& spec = config_.layer(layer);
    const int64_t D = config_.head_dim, heads = config_.num_attention_heads,
                  kv_heads = config_.num_key_value_heads, Q = config_.q_size(),
                  KV = config_.kv_size(), W = Q + 2 * KV, T = static_cast<int64_t>(in.size());
    Row qkv;  // (T, W)
    for (Row& row : linear(FusedMatrix::kQkv, layer, in)) {
      const auto t = static_cast<int64_t>(qkv.size()) / W;
      const float *q_norm = weight(TensorRole::kQNorm, layer),
                  *k_norm = weight(TensorRole::kKNorm, layer);
      if (spec.qk_norm == QkNorm::kWhole) {
        norm(row, 0, Q, q_norm);
        norm(row, Q, KV, k_norm);
      }
      for (int64_t h = 0; h < heads + kv_heads; ++h) {
        if (spec.qk_norm == QkNorm::kHead) norm(row, h * D, D, h < heads ? q_norm : k_norm);
        const ops::RopeTable& table = rope_.of(spec);
        for (int64_t d = 0; spec.rotates && d < D / 2; ++d) {
          float* pair = row.data() + h * D + d;
          ops::reference::rope(pair[0], pair[D / 2], table.cos(t)[d], table.sin(t)[d], 1);
        }
      }
      for (const float value : row) qkv.push_back(rounded(value));
    }
    Matrix out(in.size(), Row(static_cast<size_t>(Q)));
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        const float* keys = qkv.data() + Q + h / (heads / kv_heads) * D;
        float lse = 0;
        ops::reference::attention(out[static_cast<size_t>(t)].data() + h * D, lse,
                                  qkv.data() + t * W + h * D,
                                  {{keys, W},
                                   {keys + KV, W},
                                   t + 1,
                                   D,
                                   spec.window > 0 ? spec.window : ops::kNoWindow,
                                   precision_});
      }
    }
    return linear(FusedMatrix::kAttentionOut, layer, out);
  }

  const ModelConfig& config_;
  const Parameters& parameters_;
  const tensor::Precision precision_;
  LayerRope rope_;
};

}  // namespace ponder::model
