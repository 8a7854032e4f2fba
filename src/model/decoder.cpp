#include "model/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "model/decoder_weights.h"
#include "model/layer.h"
#include "ops/embedding.h"
#include "ops/rms_norm.h"
#include "ops/softmax.h"
#include "ops/swiglu.h"

namespace ponder {
namespace {

// Rows of logits computed at a time: 32 Mi floats (128 MiB) at most, whatever the vocabulary and
// the batch.
int64_t head_chunk(int64_t vocab_size) {
  return std::max<int64_t>(14, (int64_t{32} << 20) / vocab_size);
}

}  // namespace

struct Decoder::Impl {
  Impl(const ModelConfig& c, ThreadPool& p)
      : config(c),
        pool(p),
        weights(c),
        rope(c.head_dim, c.rope_theta, c.rope_scaling),
        layer(config, rope, p) {}

  ModelConfig config;
  ThreadPool& pool;
  DecoderWeights weights;
  RopeTable rope;
  LayerPass layer;
  Keep kept = Keep::kNothing;
  std::vector<LayerActivations> activations;  // per layer, or one shared set
  std::vector<Buffer> inputs;                 // per layer, with recomputation
  LayerScratch scratch;
  Buffer inv_rms{"1/rms before the LM head", 0};
  Buffer hidden{"final hidden states of the targets", 0};  // (N, C) normed
  Buffer dhidden{"d final hidden states", 0};              // (N, C)
  Buffer logits{"logits chunk", 0};
  Buffer lse{"log-sum-exp of the logits", 0};  // (N)
  // Inference.
  Buffer step_qkv{"step qkv", 0}, step_att{"step attention", 0},
      step_gate_up{"step gate and up", 0}, step_inv_rms{"step 1/rms of heads", 0};

  void check(const PackedBatch& batch) const;
  void embed(const std::vector<int32_t>& tokens);
  void forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep);
  void backward(const PackedBatch& batch, std::span<const float> dlogprobs, Gradients& gradients);
  void step(const StepBatch& batch, KvCache& cache, std::span<float> logits_out);
};

void Decoder::Impl::embed(const std::vector<int32_t>& tokens) {
  for (const int32_t token : tokens) {
    if (token < 0 || token >= config.vocab_size) {
      throw Error("decoder",
                  fmt::format("token id {} outside the vocabulary of {}", token, config.vocab_size),
                  "is this the tokenizer of this model?");
    }
  }
  const auto T = static_cast<int64_t>(tokens.size());
  scratch.x.reserve(T * config.hidden_size);
  weights.embed(scratch.x.data(), tokens, pool);
}

void Decoder::Impl::forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep) {
  const int64_t C = config.hidden_size, V = config.vocab_size, T = batch.num_tokens(),
                N = batch.num_targets();
  const auto layers = static_cast<size_t>(config.num_hidden_layers);
  if (static_cast<int64_t>(logprobs.size()) != N) {
    throw Error("decoder", fmt::format("expected room for {} log-probabilities, found {}", N,
                                       logprobs.size()));
  }
  kept = keep;
  layer.set_batch(batch);
  int64_t longest = 0;
  for (const int32_t position : layer.positions())
    longest = std::max<int64_t>(longest, position + 1);
  rope.extend(longest);
  activations.resize(keep == Keep::kActivations ? layers : 1);
  if (keep == Keep::kLayerInputs) {
    while (inputs.size() < layers) inputs.emplace_back("layer input", 0);
  }

  embed(batch.tokens);
  const float* delta = nullptr;
  for (size_t i = 0; i < layers; ++i) {
    LayerActivations& a = activations[keep == Keep::kActivations ? i : 0];
    layer.forward(weights.layers[i], delta, a, scratch);
    delta = scratch.delta.data();
    if (keep == Keep::kLayerInputs) {
      inputs[i].reserve(T * C);
      std::memcpy(inputs[i].data(), a.x_in.data(), static_cast<size_t>(T * C) * sizeof(float));
    }
  }
  inv_rms.reserve(T);
  add_rms_norm(scratch.h.data(), inv_rms.data(), scratch.x.data(), delta, weights.final_norm, T, C,
               static_cast<float>(config.rms_norm_eps), pool);

  hidden.reserve(N * C);
  lse.reserve(N);
  for (int64_t i = 0; i < N; ++i) {
    std::memcpy(hidden.data() + i * C,
                scratch.h.data() + batch.target_index[static_cast<size_t>(i)] * C,
                static_cast<size_t>(C) * sizeof(float));
  }
  const int64_t chunk = std::min(head_chunk(V), std::max<int64_t>(N, 1));
  logits.reserve(chunk * V);
  for (int64_t begin = 0; begin < N; begin += chunk) {
    const int64_t rows = std::min(chunk, N - begin);
    matmul(logits.data(), V, {hidden.data() + begin * C, C, 1}, weights.lm_head.forward(), nullptr,
           rows, pool);
    pool.parallel_for(rows, 1, [&](int64_t r0, int64_t r1) {
      for (int64_t r = r0; r < r1; ++r) {
        const float* z = logits.data() + r * V;
        lse.data()[begin + r] = log_sum_exp(z, V);
        const auto i = static_cast<size_t>(begin + r);
        logprobs[i] = z[batch.target_token[i]] - lse.data()[begin + r];
      }
    });
  }
}

void Decoder::Impl::backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                             Gradients& gradients) {
  const int64_t C = config.hidden_size, V = config.vocab_size, T = batch.num_tokens(),
                N = batch.num_targets();
  if (kept == Keep::kNothing)
    throw Error("decoder", "backward without a forward that kept its activations");
  if (!weights.trainable())
    throw Error("decoder", "backward with weights that were packed to sample and score only");
  if (static_cast<int64_t>(dlogprobs.size()) != N) {
    throw Error("decoder", fmt::format("expected {} gradients of log-probabilities, found {}", N,
                                       dlogprobs.size()));
  }
  // LM head, chunk by chunk: logits again, then dlogits in their place.
  dhidden.reserve(N * C);
  const int64_t chunk = std::min(head_chunk(V), std::max<int64_t>(N, 1));
  for (int64_t begin = 0; begin < N; begin += chunk) {
    const int64_t rows = std::min(chunk, N - begin);
    if (chunk < N) {  // a single chunk's logits are still there from forward
      matmul(logits.data(), V, {hidden.data() + begin * C, C, 1}, weights.lm_head.forward(),
             nullptr, rows, pool);
    }
    pool.parallel_for(rows, 1, [&](int64_t r0, int64_t r1) {
      for (int64_t r = r0; r < r1; ++r) {
        const auto i = static_cast<size_t>(begin + r);
        log_softmax_backward(logits.data() + r * V, V, batch.target_token[i], lse.data()[begin + r],
                             dlogprobs[i]);
      }
    });
    matmul_continue(gradients.lm_head().data(), C, {logits.data(), 1, V},
                    MatrixView::rows(hidden.data() + begin * C, rows, C), V, pool);
    matmul(dhidden.data() + begin * C, C, {logits.data(), V, 1}, weights.lm_head.backward(),
           nullptr, rows, pool);
  }
  scratch.dx.reserve(T * C);
  scratch.dh.reserve(T * C);
  std::memset(scratch.dx.data(), 0, static_cast<size_t>(T * C) * sizeof(float));
  std::memset(scratch.dh.data(), 0, static_cast<size_t>(T * C) * sizeof(float));
  for (int64_t i = 0; i < N; ++i) {
    std::memcpy(scratch.dh.data() + batch.target_index[static_cast<size_t>(i)] * C,
                dhidden.data() + i * C, static_cast<size_t>(C) * sizeof(float));
  }
  rms_norm_backward(scratch.dx.data(), gradients.parameters().at("model.norm.weight").data(),
                    scratch.dh.data(), scratch.x.data(), inv_rms.data(), weights.final_norm, T, C,
                    pool);

  for (size_t i = weights.layers.size(); i-- > 0;) {
    LayerActivations& a = activations[kept == Keep::kActivations ? i : 0];
    if (kept == Keep::kLayerInputs) {
      std::memcpy(scratch.x.data(), inputs[i].data(), static_cast<size_t>(T * C) * sizeof(float));
      layer.forward(weights.layers[i], nullptr, a, scratch);
    }
    layer.backward(weights.layers[i], a, scratch,
                   LayerGradients(gradients.parameters(), static_cast<int64_t>(i), config));
  }
  embedding_backward(gradients.parameters().at("model.embed_tokens.weight").data(),
                     batch.tokens.data(), scratch.dx.data(), T, C, pool);
  kept = Keep::kNothing;
}

void Decoder::Impl::step(const StepBatch& batch, KvCache& cache, std::span<float> logits_out) {
  const int64_t C = config.hidden_size, F = config.intermediate_size, V = config.vocab_size,
                D = config.head_dim;
  const int64_t heads = config.num_attention_heads, kv_heads = config.num_key_value_heads;
  const int64_t Q = config.q_size(), KV = config.kv_size(), W = Q + 2 * KV;
  const auto T = static_cast<int64_t>(batch.tokens.size());
  const float eps = static_cast<float>(config.rms_norm_eps);
  std::vector<int32_t> positions;
  std::vector<int64_t> wanted;  // tokens whose logits are asked for
  int64_t longest = 0;
  for (const auto& run : batch.runs) {
    const int64_t first = run.sequence->length() - run.num_tokens;
    for (int64_t i = 0; i < run.num_tokens; ++i)
      positions.push_back(static_cast<int32_t>(first + i));
    if (run.want_logits) wanted.push_back(static_cast<int64_t>(positions.size()) - 1);
    longest = std::max(longest, run.sequence->length());
  }
  const auto S = static_cast<int64_t>(wanted.size());
  if (static_cast<int64_t>(positions.size()) != T ||
      static_cast<int64_t>(logits_out.size()) != S * V) {
    throw Error("decoder",
                "an inference step whose runs, tokens and logits do not agree in number");
  }
  rope.extend(longest);
  embed(batch.tokens);
  LayerScratch& s = scratch;
  s.h.reserve(T * C);
  s.delta.reserve(T * C);
  s.act.reserve(T * F);
  step_qkv.reserve(T * W);
  step_att.reserve(T * Q);
  if (config.qk_norm()) step_inv_rms.reserve(T * (heads + kv_heads));
  step_gate_up.reserve(T * 2 * F);
  inv_rms.reserve(T);

  std::vector<const float*> key_blocks, value_blocks;
  std::vector<AttentionWork> works;
  const float* delta = nullptr;
  for (size_t l = 0; l < weights.layers.size(); ++l) {
    const LayerWeights& w = weights.layers[l];
    add_rms_norm(s.h.data(), inv_rms.data(), s.x.data(), delta, w.input_norm, T, C, eps, pool);
    matmul(step_qkv.data(), W, {s.h.data(), C, 1}, w.qkv.forward(), w.bias(), T, pool);
    norm_and_rotate(step_qkv.data(), nullptr, step_inv_rms.data(), w, positions.data(), rope, T,
                    config, pool);
    // Keys (as columns) and values (as rows) into their pages; then one work per run and key-value
    // head.
    key_blocks.clear();
    value_blocks.clear();
    works.clear();
    std::vector<size_t> first_block;
    int64_t t = 0;
    for (const auto& run : batch.runs) {
      const std::vector<int32_t>& pages = cache.pages(*run.sequence);
      for (int64_t i = 0; i < run.num_tokens; ++i) {
        const int64_t position = positions[static_cast<size_t>(t + i)];
        const int32_t page = pages[static_cast<size_t>(position / kKeyBlock)];
        const float* row = step_qkv.data() + (t + i) * W;
        for (int64_t h = 0; h < kv_heads; ++h) {
          float* keys = cache.keys(page, static_cast<int64_t>(l), h) + position % kKeyBlock;
          for (int64_t d = 0; d < D; ++d) keys[d * kKeyBlock] = row[Q + h * D + d];
          std::memcpy(cache.values(page, static_cast<int64_t>(l), h) + position % kKeyBlock * D,
                      row + Q + KV + h * D, static_cast<size_t>(D) * sizeof(float));
        }
      }
      for (int64_t h = 0; h < kv_heads; ++h) {
        first_block.push_back(key_blocks.size());
        for (const int32_t page : pages) {
          key_blocks.push_back(cache.keys(page, static_cast<int64_t>(l), h));
          value_blocks.push_back(cache.values(page, static_cast<int64_t>(l), h));
        }
      }
      t += run.num_tokens;
    }
    t = 0;
    size_t next = 0;
    const int64_t group = heads / kv_heads;
    for (const auto& run : batch.runs) {
      for (int64_t h = 0; h < kv_heads; ++h, ++next) {
        works.push_back({step_qkv.data() + t * W + h * group * D,
                         step_att.data() + t * Q + h * group * D, nullptr,
                         key_blocks.data() + first_block[next],
                         value_blocks.data() + first_block[next], W, Q, 0, run.num_tokens,
                         run.sequence->length() - run.num_tokens, group});
      }
      t += run.num_tokens;
    }
    attention(works, D, pool);
    matmul(s.delta.data(), C, {step_att.data(), Q, 1}, w.out.forward(), nullptr, T, pool);
    add_rms_norm(s.h.data(), inv_rms.data(), s.x.data(), s.delta.data(), w.post_norm, T, C, eps,
                 pool);
    matmul(step_gate_up.data(), 2 * F, {s.h.data(), C, 1}, w.gate_up.forward(), nullptr, T, pool);
    swiglu(s.act.data(), step_gate_up.data(), T, F, pool);
    matmul(s.delta.data(), C, {s.act.data(), F, 1}, w.down.forward(), nullptr, T, pool);
    delta = s.delta.data();
  }
  if (S == 0) return;
  hidden.reserve(2 * S * C);
  float *x = hidden.data(), *d = hidden.data() + S * C;
  for (int64_t i = 0; i < S; ++i) {
    std::memcpy(x + i * C, s.x.data() + wanted[static_cast<size_t>(i)] * C,
                static_cast<size_t>(C) * sizeof(float));
    std::memcpy(d + i * C, delta + wanted[static_cast<size_t>(i)] * C,
                static_cast<size_t>(C) * sizeof(float));
  }
  add_rms_norm(s.h.data(), inv_rms.data(), x, d, weights.final_norm, S, C, eps, pool);
  matmul(logits_out.data(), V, {s.h.data(), C, 1}, weights.lm_head.forward(), nullptr, S, pool);
}

Decoder::Decoder(const ModelConfig& config, ThreadPool& pool) {
  if (config.head_dim % 16 != 0) {
    throw Error("config.json", fmt::format("head_dim {} is not a multiple of 16", config.head_dim));
  }
  impl_ = std::make_unique<Impl>(config, pool);
}

Decoder::~Decoder() = default;

const ModelConfig& Decoder::config() const { return impl_->config; }

void Decoder::set_parameters(const Parameters& parameters) {
  impl_->weights.borrow(impl_->config, parameters);
}

void Decoder::pack_parameters(const Parameters& parameters, DType storage) {
  impl_->weights.pack(impl_->config, parameters, storage, impl_->pool);
}

void Decoder::load_weights(const WeightFiles& files) {
  impl_->weights.load(impl_->config, files, impl_->pool);
}

void Decoder::forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep) {
  impl_->forward(batch, logprobs, keep);
}

void Decoder::backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                       Gradients& gradients) {
  impl_->backward(batch, dlogprobs, gradients);
}

void Decoder::step(const StepBatch& batch, KvCache& cache, std::span<float> logits) {
  impl_->step(batch, cache, logits);
}

int64_t Decoder::activation_bytes(int64_t T, int64_t N, Keep keep) const {
  const ModelConfig& c = impl_->config;
  const int64_t C = c.hidden_size, F = c.intermediate_size, Q = c.q_size(), W = Q + 2 * c.kv_size();
  int64_t per_layer = T * (2 * C + W + Q + c.num_attention_heads + 2 * F + 2);
  if (c.qk_norm()) {
    per_layer += T * (Q + c.kv_size() + c.num_attention_heads + c.num_key_value_heads);
  }
  const int64_t layers = c.num_hidden_layers;
  int64_t floats = T * (3 * C + F + 2 * c.kv_size()) + 2 * N * C +
                   std::min(head_chunk(c.vocab_size), N) * c.vocab_size;
  floats += keep == Keep::kActivations ? layers * per_layer : per_layer;
  if (keep == Keep::kLayerInputs) floats += layers * T * C;
  if (keep != Keep::kNothing) {
    floats += T * (2 * C + std::max(W, 2 * F) + Q + F) + std::max(T * F, 2 * F * C) +
              (c.vocab_size + N) * C;
  }
  return floats * static_cast<int64_t>(sizeof(float));
}

}  // namespace ponder
