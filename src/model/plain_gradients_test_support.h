// Test-only: the gradients of a whole decoder as plain loops over ops/reference.h, a row at a time:
// what Decoder's backward must equal bit for bit, in either arithmetic.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "model/plain_decoder_test_support.h"

namespace ponder::model {

// Sums over the rows that it is given, in order; the loss is sum(weight * logprob) over the targets.
class PlainGradients : public PlainDecoder {
 public:
  PlainGradients(const ModelConfig& config, const Parameters& parameters,
                 tensor::Precision precision)
      : PlainDecoder(config, parameters, precision), sums_(config, "gradients") {
    head_.assign(parameters_of(FusedMatrix::kHead, -1)[0].size(), 0.0f);
  }

  // weights[i]: of target i, tokens[i] after position targets[i] of the row.
  void add(std::span<const int32_t> row, const std::vector<int64_t>& targets,
           const std::vector<float>& weights) {
    Tape tape = forward(row);
    const auto C = static_cast<size_t>(config_.hidden_size);
    Matrix hidden, dz;
    for (size_t i = 0; i < targets.size(); ++i)
      hidden.push_back(tape.final_normed[static_cast<size_t>(targets[i])]);
    dz = linear(FusedMatrix::kHead, -1, hidden);
    for (size_t i = 0; i < targets.size(); ++i) {
      Row& z = dz[i];
      const float lse = ops::reference::log_sum_exp(z.data(), config_.vocab_size);
      ops::reference::log_softmax_backward(
          z.data(), config_.vocab_size, row[static_cast<size_t>(targets[i]) + 1], lse, weights[i]);
    }
    sum_weight(head_.data(), dz, 0, config_.vocab_size, hidden);
    const Matrix dhidden = input_gradient(FusedMatrix::kHead, -1, dz);
    Matrix dx(row.size(), Row(C)), dnormed = dx;
    for (size_t i = 0; i < targets.size(); ++i)
      dnormed[static_cast<size_t>(targets[i])] = dhidden[i];
    norms_backward(dx, dnormed, tape.final_in, TensorRole::kFinalNorm, -1);
    for (int64_t i = config_.num_hidden_layers; i-- > 0;) {
      const LayerTape& layer = tape.layers[static_cast<size_t>(i)];
      branch_backward(
          dx, layer.mlp, i, TensorRole::kMlpNorm,
          [&](const Matrix& dy, const Matrix& in) { return mlp_backward(dy, in, i, layer); });
      branch_backward(
          dx, layer.attention, i, TensorRole::kAttentionNorm,
          [&](const Matrix& dy, const Matrix& in) { return attention_backward(dy, in, i, layer); });
    }
    for (size_t t = 0; t < row.size(); ++t) {
      Row& sum = embedding_[row[t]];
      sum.resize(C);
      for (size_t c = 0; c < C; ++c) sum[c] = sum[c] + dx[t][c];
    }
  }

  // Of all rows so far.
  Parameters result() const {
    Parameters all(config_, "gradients");
    std::copy(sums_.flat().begin(), sums_.flat().end(), all.flat().begin());
    const auto head = all.layout().weights_of(FusedMatrix::kHead)[0];
    std::copy(head_.begin(), head_.end(), all.at(*head).begin());
    float* table = all.find(TensorRole::kEmbedding);
    for (const auto& [token, row] : embedding_) {
      for (size_t c = 0; c < row.size(); ++c) {
        float& x = table[token * config_.hidden_size + static_cast<int64_t>(c)];
        x = config_.tie_word_embeddings ? x + row[c] : row[c];
      }
    }
    return all;
  }

 private:
  // What a branch read of the residual stream (or its norm), and gave before a norm of its own.
  struct BranchTape {
    Matrix x, in, out;
  };
  struct LayerTape {
    BranchTape attention, mlp;
    Matrix raw_qkv, qkv, att, lse, gate_up, act;
  };
  struct Tape {
    std::vector<LayerTape> layers;
    Matrix final_in, final_normed;
  };

  std::vector<std::span<const float>> parameters_of(FusedMatrix matrix, int64_t layer) const {
    std::vector<std::span<const float>> all;
    for (const ParameterInfo* info : parameters_.layout().weights_of(matrix, layer))
      all.push_back(parameters_.at(*info));
    return all;
  }

  Matrix normed(Matrix x, TensorRole role, int64_t layer) const {
    for (Row& row : x) norm(row, 0, static_cast<int64_t>(row.size()), weight(role, layer));
    return x;
  }

  template <class Run>
  void run_branch(Matrix& x, BranchTape& tape, int64_t layer, TensorRole role,
                  const Run& run) const {
    const bool norms_input = config_.layer(layer).branch_norm == BranchNorm::kInput;
    tape.x = x;
    tape.in = norms_input ? normed(x, role, layer) : x;
    tape.out = run(tape.in);
    const Matrix delta = norms_input ? tape.out : normed(tape.out, role, layer);
    for (size_t t = 0; t < x.size(); ++t) {
      for (size_t c = 0; c < x[t].size(); ++c) x[t][c] = x[t][c] + delta[t][c];
    }
  }

  Tape forward(std::span<const int32_t> row) const {
    Tape tape;
    tape.layers.resize(static_cast<size_t>(config_.num_hidden_layers));
    Matrix x;
    for (const int32_t token : row) {
      const float* from = weight(TensorRole::kEmbedding) + token * config_.hidden_size;
      x.emplace_back(from, from + config_.hidden_size);
      for (float& value : x.back()) value = rounded(value);
    }
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
      LayerTape& layer = tape.layers[static_cast<size_t>(i)];
      run_branch(x, layer.attention, i, TensorRole::kAttentionNorm, [&](const Matrix& in) {
        layer.raw_qkv = linear(FusedMatrix::kQkv, i, in);
        attend(layer, i);
        return linear(FusedMatrix::kAttentionOut, i, layer.att);
      });
      run_branch(x, layer.mlp, i, TensorRole::kMlpNorm, [&](const Matrix& in) {
        layer.gate_up = rounded(linear(FusedMatrix::kGateUp, i, in));
        const auto F = static_cast<size_t>(config_.intermediate_size);
        layer.act.assign(in.size(), Row(F));
        for (size_t t = 0; t < in.size(); ++t) {
          for (size_t f = 0; f < F; ++f) {
            const Row& gate_up = layer.gate_up[t];
            layer.act[t][f] = ops::reference::swiglu(gate_up[f], gate_up[F + f]);
          }
        }
        return linear(FusedMatrix::kMlpDown, i, layer.act);
      });
    }
    tape.final_in = x;
    tape.final_normed = normed(x, TensorRole::kFinalNorm, -1);
    return tape;
  }

  // f(first element, elements, is it a key's, weight) for what a norm of queries and keys treats alone.
  template <class F>
  void for_each_qk_norm(int64_t layer, const F& f) const {
    const int64_t D = config_.head_dim, heads = config_.num_attention_heads,
                  kv_heads = config_.num_key_value_heads;
    const float* weights[] = {weight(TensorRole::kQNorm, layer), weight(TensorRole::kKNorm, layer)};
    switch (config_.layer(layer).qk_norm) {
      case QkNorm::kNone:
        return;
      case QkNorm::kWhole:
        f(0, heads * D, false, weights[0]);
        f(heads * D, kv_heads * D, true, weights[1]);
        return;
      case QkNorm::kHead:
        for (int64_t h = 0; h < heads + kv_heads; ++h) f(h * D, D, h >= heads, weights[h >= heads]);
    }
  }

  void turn(Row& row, int64_t t, int64_t layer, float direction) const {
    const LayerSpec& spec = config_.layer(layer);
    if (!spec.rotates) return;
    const int64_t D = config_.head_dim;
    const ops::RopeTable& table = rope_.of(spec);
    for (int64_t h = 0; h < config_.num_attention_heads + config_.num_key_value_heads; ++h) {
      for (int64_t d = 0; d < D / 2; ++d) {
        float* pair = row.data() + h * D + d;
        ops::reference::rope(pair[0], pair[D / 2], table.cos(t)[d], table.sin(t)[d], direction);
      }
    }
  }

  ops::reference::Seen seen(const Row& joined, int64_t t, int64_t h, int64_t layer) const {
    const int64_t D = config_.head_dim, W = config_.q_size() + 2 * config_.kv_size(),
                  group = config_.num_attention_heads / config_.num_key_value_heads,
                  window = config_.layer(layer).window;
    const float* keys = joined.data() + config_.q_size() + h / group * D;
    return {{keys, W}, {keys + config_.kv_size(), W},        t + 1,
            D,         window > 0 ? window : ops::kNoWindow, precision_};
  }

  static Row joined(const Matrix& rows) {
    Row all;
    for (const Row& row : rows) all.insert(all.end(), row.begin(), row.end());
    return all;
  }

  void attend(LayerTape& tape, int64_t layer) const {
    tape.qkv = tape.raw_qkv;
    for (size_t t = 0; t < tape.qkv.size(); ++t) {
      Row& row = tape.qkv[t];
      for_each_qk_norm(layer, [&](int64_t first, int64_t count, bool, const float* w) {
        norm(row, first, count, w);
      });
      turn(row, static_cast<int64_t>(t), layer, 1);
      for (float& x : row) x = rounded(x);
    }
    const Row all = joined(tape.qkv);
    const auto heads = static_cast<size_t>(config_.num_attention_heads);
    tape.att.assign(tape.qkv.size(), Row(static_cast<size_t>(config_.q_size())));
    tape.lse.assign(tape.qkv.size(), Row(heads));
    for (size_t t = 0; t < tape.qkv.size(); ++t) {
      for (size_t h = 0; h < heads; ++h) {
        const auto at = static_cast<int64_t>(h) * config_.head_dim;
        ops::reference::attention(
            tape.att[t].data() + at, tape.lse[t][h], tape.qkv[t].data() + at,
            seen(all, static_cast<int64_t>(t), static_cast<int64_t>(h), layer));
      }
    }
    tape.att = rounded(tape.att);
  }

  // dW (N, K) goes on with dy^T x, of dy's columns from `first` on.
  void sum_weight(float* dw, const Matrix& dy, int64_t first, int64_t N, const Matrix& x) const {
    if (x.empty()) return;
    const auto K = static_cast<int64_t>(x[0].size());
    for (int64_t n = 0; n < N; ++n) {
      for (int64_t k = 0; k < K; ++k) {
        float& sum = dw[n * K + k];
        sum = ops::reference::product(
            precision_, sum, static_cast<int64_t>(x.size()),
            [&](int64_t t) { return dy[static_cast<size_t>(t)][static_cast<size_t>(first + n)]; },
            [&](int64_t t) { return x[static_cast<size_t>(t)][static_cast<size_t>(k)]; });
      }
    }
  }

  // Of the weights and biases of a layer's matrix; returns that of its input.
  Matrix linear_backward(FusedMatrix matrix, int64_t layer, const Matrix& dy, const Matrix& x) {
    const ParameterLayout& layout = sums_.layout();
    for (const ParameterInfo* info : layout.weights_of(matrix, layer))
      sum_weight(sums_.at(*info).data(), dy, info->fused_row, info->shape[0], x);
    for (const ParameterInfo* info : layout.biases_of(matrix, layer)) {
      for (const Row& row : dy) {
        for (int64_t n = 0; n < info->size; ++n) {
          float& sum = sums_.at(*info)[static_cast<size_t>(n)];
          sum = sum + row[static_cast<size_t>(info->fused_row + n)];
        }
      }
    }
    return input_gradient(matrix, layer, dy);
  }

  // One chain, or one row of blocks, over all outputs of the stack.
  Matrix input_gradient(FusedMatrix matrix, int64_t layer, const Matrix& dy) const {
    const auto infos = parameters_.layout().weights_of(matrix, layer);
    const int64_t K = infos[0]->shape[1];
    std::vector<const float*> rows;
    for (const ParameterInfo* info : infos) {
      for (int64_t n = 0; n < info->shape[0]; ++n)
        rows.push_back(parameters_.at(*info).data() + n * K);
    }
    Matrix dx;
    for (const Row& row : dy) {
      Row& to = dx.emplace_back();
      for (int64_t k = 0; k < K; ++k) {
        to.push_back(ops::reference::product(
            precision_, 0.0f, static_cast<int64_t>(rows.size()),
            [&](int64_t n) { return row[static_cast<size_t>(n)]; },
            [&](int64_t n) { return rows[static_cast<size_t>(n)][k]; }));
      }
    }
    return dx;
  }

  float inv_rms(const float* x, int64_t count) const {
    Row y(static_cast<size_t>(count));
    float inverse = 0;
    ops::reference::rms_norm(y.data(), inverse, x, y.data(), count,
                             static_cast<float>(config_.rms_norm_eps));
    return inverse;
  }

  // dx gains the gradient that comes through the norm of x.
  void norms_backward(Matrix& dx, const Matrix& dy, const Matrix& x, TensorRole role,
                      int64_t layer) {
    const int64_t C = config_.hidden_size;
    for (size_t t = 0; t < x.size(); ++t) {
      ops::reference::rms_norm_backward(dx[t].data(), sums_.find(role, layer), dy[t].data(),
                                        x[t].data(), inv_rms(x[t].data(), C), weight(role, layer),
                                        C);
    }
  }

  template <class Backward>
  void branch_backward(Matrix& dx, const BranchTape& tape, int64_t layer, TensorRole role,
                       const Backward& backward) {
    const int64_t C = config_.hidden_size;
    if (config_.layer(layer).branch_norm == BranchNorm::kInput) {
      norms_backward(dx, backward(dx, tape.in), tape.x, role, layer);
      return;
    }
    Matrix dy = dx;
    for (size_t t = 0; t < dy.size(); ++t) {
      ops::reference::head_norm_backward(dy[t].data(), sums_.find(role, layer), tape.out[t].data(),
                                         inv_rms(tape.out[t].data(), C), weight(role, layer), C);
    }
    const Matrix din = backward(dy, tape.in);
    for (size_t t = 0; t < dx.size(); ++t) {
      for (size_t c = 0; c < dx[t].size(); ++c) dx[t][c] = dx[t][c] + din[t][c];
    }
  }

  Matrix mlp_backward(const Matrix& dy, const Matrix& in, int64_t layer, const LayerTape& tape) {
    const Matrix dact = linear_backward(FusedMatrix::kMlpDown, layer, dy, tape.act);
    const auto F = static_cast<size_t>(config_.intermediate_size);
    Matrix dgate_up = tape.gate_up;
    for (size_t t = 0; t < dact.size(); ++t) {
      for (size_t f = 0; f < F; ++f) {
        const Row& row = tape.gate_up[t];
        ops::reference::swiglu_backward(dgate_up[t][f], dgate_up[t][F + f], dact[t][f], row[f],
                                        row[F + f]);
      }
    }
    return linear_backward(FusedMatrix::kGateUp, layer, dgate_up, in);
  }

  Matrix attention_backward(const Matrix& dy, const Matrix& in, int64_t layer,
                            const LayerTape& tape) {
    const Matrix datt = linear_backward(FusedMatrix::kAttentionOut, layer, dy, tape.att);
    const int64_t D = config_.head_dim, heads = config_.num_attention_heads,
                  group = heads / config_.num_key_value_heads, Q = config_.q_size(),
                  KV = config_.kv_size(), W = Q + 2 * KV;
    const Row all = joined(tape.qkv);
    Row d(all.size(), 0.0f);
    for (int64_t h = 0; h < heads; ++h) {
      float *dk = d.data() + Q + h / group * D, *dv = dk + KV;
      if (precision_ == tensor::Precision::kBf16) {
        const Row out = joined(tape.att), dout = joined(datt), lse = joined(tape.lse);
        ops::reference::bf16_attention_backward(
            {{d.data() + h * D, W}, {dk, W}, {dv, W}}, {dout.data() + h * D, Q},
            {out.data() + h * D, Q}, {lse.data() + h, heads}, {all.data() + h * D, W},
            seen(all, static_cast<int64_t>(datt.size()) - 1, h, layer));
        continue;
      }
      for (size_t t = 0; t < datt.size(); ++t) {
        const auto position = static_cast<int64_t>(t);
        ops::reference::attention_backward(
            d.data() + position * W + h * D, dk, dv, datt[t].data() + h * D,
            tape.att[t].data() + h * D, tape.lse[t][static_cast<size_t>(h)],
            tape.qkv[t].data() + h * D, seen(all, position, h, layer));
      }
    }
    Matrix dqkv;
    for (size_t t = 0; t < datt.size(); ++t) {
      const auto position = static_cast<int64_t>(t);
      Row& row = dqkv.emplace_back(d.begin() + position * W, d.begin() + (position + 1) * W);
      turn(row, position, layer, -1);
    }
    // Token by token, within each head by head; queries' norm and keys' have sums of their own.
    for (size_t t = 0; t < dqkv.size(); ++t) {
      for_each_qk_norm(layer, [&](int64_t first, int64_t count, bool key, const float* w) {
        const float* raw = tape.raw_qkv[t].data() + first;
        ops::reference::head_norm_backward(
            dqkv[t].data() + first,
            sums_.find(key ? TensorRole::kKNorm : TensorRole::kQNorm, layer), raw,
            inv_rms(raw, count), w, count);
      });
    }
    return linear_backward(FusedMatrix::kQkv, layer, dqkv, in);
  }

  Parameters sums_;
  std::vector<float> head_;
  std::map<int32_t, Row> embedding_;
};

}  // namespace ponder::model
