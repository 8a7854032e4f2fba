#include "model/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "model/decoder_weights.h"
#include "model/layer.h"
#include "ops/attention.h"
#include "ops/embedding.h"
#include "ops/rms_norm.h"
#include "ops/softmax.h"
#include "ops/swiglu.h"

namespace ponder {
namespace {

// Runs of an inference step that go through the layers together, and their scratch.
struct StepPart {
  std::span<const StepBatch::Run> runs;
  int64_t first_token = 0, tokens = 0, first_target = 0, targets = 0;
  StepMemory memory;
};

// Each thread then reads all weights: measured to gain where they stay in L3 (18 MB of 32).
constexpr int64_t kSharedWeightsBytes = int64_t{24} << 20;
constexpr int64_t kSequencesPerThread = 16;

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
  Arena arena{"activations"};
  PassMemory memory;  // of the last forward

  void gather_hidden(const PackedBatch& batch, int64_t begin, int64_t rows);
  // With `gradients` the head's backward follows each chunk of logits at once.
  void forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
               std::span<const float> dlogprobs, Gradients* gradients);
  void backward(const PackedBatch& batch, std::span<const float> dlogprobs, Gradients& gradients);
  void head_backward(const PackedBatch& batch, std::span<const float> dlogprobs, int64_t begin,
                     int64_t rows, Gradients& gradients);
  void layers_backward(const PackedBatch& batch, Gradients& gradients);
  void check_backward(const PackedBatch& batch, std::span<const float> dlogprobs, Keep keep) const;
  void check_tokens(std::span<const int32_t> tokens) const;
  void step(const StepBatch& batch, KvCache& cache, std::span<float> logits_out);
  void step_part(const StepPart& part, std::span<const int32_t> tokens, KvCache& cache,
                 float* logits_out, ThreadPool& threads) const;
};

void Decoder::Impl::check_tokens(std::span<const int32_t> tokens) const {
  for (const int32_t token : tokens) {
    if (token < 0 || token >= config.vocab_size) {
      throw Error("decoder",
                  fmt::format("token id {} outside the vocabulary of {}", token, config.vocab_size),
                  "is this the tokenizer of this model?");
    }
  }
}

// memory.hidden = the normed hidden states of `rows` targets from `begin` on.
void Decoder::Impl::gather_hidden(const PackedBatch& batch, int64_t begin, int64_t rows) {
  const int64_t C = config.hidden_size;
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(memory.hidden + r * C,
                memory.h + batch.target_index[static_cast<size_t>(begin + r)] * C,
                static_cast<size_t>(C) * sizeof(float));
  }
}

void Decoder::Impl::forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
                            std::span<const float> dlogprobs, Gradients* gradients) {
  const int64_t C = config.hidden_size, V = config.vocab_size, T = batch.num_tokens(),
                N = batch.num_targets();
  if (static_cast<int64_t>(logprobs.size()) != N) {
    throw Error("decoder", fmt::format("expected room for {} log-probabilities, found {}", N,
                                       logprobs.size()));
  }
  kept = Keep::kNothing;
  if (gradients) check_backward(batch, dlogprobs, keep);
  layer.set_batch(batch);
  const PassSize size = size_of(batch, keep);
  rope.extend(size.longest_row);
  arena.lay_out([&](Arena& a) { memory.lay_out(a, config, size, pool.num_threads()); });

  check_tokens(batch.tokens);
  weights.embed(memory.x, batch.tokens, pool);
  const float *x = memory.x, *delta = nullptr;
  for (size_t i = 0; i < memory.layers.size(); ++i) {
    layer.forward(weights.layers[i], x, delta, memory.layers[i], memory);
    x = memory.layers[i].x_mid;
    delta = memory.delta;
  }
  add_rms_norm(memory.h, memory.inv_rms, memory.x, x, delta, weights.final_norm, T, C,
               static_cast<float>(config.rms_norm_eps), pool);

  if (gradients) std::memset(memory.dh, 0, static_cast<size_t>(T * C) * sizeof(float));
  const int64_t chunk = logits_rows(V, N);
  for (int64_t begin = 0; begin < N; begin += chunk) {
    const int64_t rows = std::min(chunk, N - begin);
    gather_hidden(batch, begin, rows);
    matmul(memory.logits, V, {memory.hidden, C, 1}, weights.lm_head.forward(), nullptr, rows, pool);
    pool.parallel_for(rows, 1, [&](int64_t r0, int64_t r1) {
      for (int64_t r = r0; r < r1; ++r) {
        const float* z = memory.logits + r * V;
        memory.lse[begin + r] = log_sum_exp(z, V);
        const auto i = static_cast<size_t>(begin + r);
        logprobs[i] = z[batch.target_token[i]] - memory.lse[begin + r];
      }
    });
    if (gradients) head_backward(batch, dlogprobs, begin, rows, *gradients);
  }
  kept = keep;
}

void Decoder::Impl::check_backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                                   Keep keep) const {
  if (keep == Keep::kNothing)
    throw Error("decoder", "backward without a forward that kept its activations");
  if (!weights.trainable())
    throw Error("decoder", "backward with weights that were packed to sample and score only");
  if (static_cast<int64_t>(dlogprobs.size()) != batch.num_targets()) {
    throw Error("decoder", fmt::format("expected {} gradients of log-probabilities, found {}",
                                       batch.num_targets(), dlogprobs.size()));
  }
}

// Of the targets whose logits lie in memory, which their gradients replace.
void Decoder::Impl::head_backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                                  int64_t begin, int64_t rows, Gradients& gradients) {
  const int64_t C = config.hidden_size, V = config.vocab_size;
  pool.parallel_for(rows, 1, [&](int64_t r0, int64_t r1) {
    for (int64_t r = r0; r < r1; ++r) {
      const auto i = static_cast<size_t>(begin + r);
      log_softmax_backward(memory.logits + r * V, V, batch.target_token[i], memory.lse[begin + r],
                           dlogprobs[i]);
    }
  });
  matmul_continue(gradients.lm_head().data(), C, {memory.logits, 1, V},
                  MatrixView::rows(memory.hidden, rows, C), V, pool);
  matmul(memory.dhidden, C, {memory.logits, V, 1}, weights.lm_head.backward(), nullptr, rows, pool);
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(memory.dh + batch.target_index[static_cast<size_t>(begin + r)] * C,
                memory.dhidden + r * C, static_cast<size_t>(C) * sizeof(float));
  }
}

void Decoder::Impl::backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                             Gradients& gradients) {
  const int64_t C = config.hidden_size, V = config.vocab_size, T = batch.num_tokens(),
                N = batch.num_targets();
  check_backward(batch, dlogprobs, kept);
  std::memset(memory.dh, 0, static_cast<size_t>(T * C) * sizeof(float));
  const int64_t chunk = logits_rows(V, N);
  for (int64_t begin = 0; begin < N; begin += chunk) {
    const int64_t rows = std::min(chunk, N - begin);
    if (chunk < N) {  // a single chunk's logits are still there from forward
      gather_hidden(batch, begin, rows);
      matmul(memory.logits, V, {memory.hidden, C, 1}, weights.lm_head.forward(), nullptr, rows,
             pool);
    }
    head_backward(batch, dlogprobs, begin, rows, gradients);
  }
  layers_backward(batch, gradients);
}

void Decoder::Impl::layers_backward(const PackedBatch& batch, Gradients& gradients) {
  const int64_t C = config.hidden_size, T = batch.num_tokens();
  std::memset(memory.dx, 0, static_cast<size_t>(T * C) * sizeof(float));
  rms_norm_backward(memory.dx, gradients.parameters().find(TensorRole::kFinalNorm), memory.dh,
                    memory.x, memory.inv_rms, weights.final_norm, T, C, pool);

  for (size_t i = memory.layers.size(); i-- > 0;) {
    const LayerActivations& a = memory.layers[i];
    if (kept == Keep::kLayerInputs) layer.forward(weights.layers[i], a.x_in, nullptr, a, memory);
    layer.backward(weights.layers[i], a, memory,
                   LayerGradients(gradients.parameters(), static_cast<int64_t>(i)));
  }
  gradients.add_embedding(batch.tokens, memory.dx, pool);
  kept = Keep::kNothing;
}

void Decoder::Impl::step(const StepBatch& batch, KvCache& cache, std::span<float> logits_out) {
  const auto num_runs = static_cast<int64_t>(batch.runs.size());
  // Sequences of a small model are shared out: each thread takes its own through all layers, and
  // one multiplies while another waits for keys and values.
  const bool by_sequence = weights.matrix_bytes() <= kSharedWeightsBytes &&
                           static_cast<int64_t>(batch.tokens.size()) == num_runs &&
                           num_runs >= kSequencesPerThread * pool.num_threads();
  const int64_t parts = by_sequence ? pool.num_threads() : 1;
  std::vector<StepPart> all(static_cast<size_t>(parts));
  int64_t tokens = 0, targets = 0, longest = 0, r = 0;
  for (int64_t p = 0; p < parts; ++p) {
    StepPart& part = all[static_cast<size_t>(p)];
    part.first_token = tokens;
    part.first_target = targets;
    part.runs =
        std::span(batch.runs)
            .subspan(static_cast<size_t>(r), static_cast<size_t>(num_runs * (p + 1) / parts - r));
    r = num_runs * (p + 1) / parts;
    for (const auto& run : part.runs) {
      tokens += run.num_tokens;
      targets += run.want_logits;
      longest = std::max(longest, run.sequence->length());
    }
    part.tokens = tokens - part.first_token;
    part.targets = targets - part.first_target;
  }
  if (tokens != static_cast<int64_t>(batch.tokens.size()) ||
      targets * config.vocab_size != static_cast<int64_t>(logits_out.size())) {
    throw Error("decoder",
                "an inference step whose runs, tokens and logits do not agree in number");
  }
  check_tokens(batch.tokens);
  rope.extend(longest);
  kept = Keep::kNothing;
  arena.lay_out([&](Arena& arena_now) {
    for (StepPart& part : all) part.memory.lay_out(arena_now, config, part.tokens, part.targets);
  });
  const auto run_part = [&](const StepPart& part, ThreadPool& threads) {
    step_part(part, std::span(batch.tokens).subspan(static_cast<size_t>(part.first_token)), cache,
              logits_out.data() + part.first_target * config.vocab_size, threads);
  };
  if (parts == 1) return run_part(all[0], pool);
  pool.run([&](int p) {
    ThreadPool own(1);
    run_part(all[static_cast<size_t>(p)], own);
  });
}

void Decoder::Impl::step_part(const StepPart& part, std::span<const int32_t> tokens, KvCache& cache,
                              float* logits_out, ThreadPool& threads) const {
  const int64_t C = config.hidden_size, F = config.intermediate_size, V = config.vocab_size,
                D = config.head_dim;
  const int64_t heads = config.num_attention_heads, kv_heads = config.num_key_value_heads;
  const int64_t Q = config.q_size(), KV = config.kv_size(), W = Q + 2 * KV;
  const int64_t T = part.tokens, S = part.targets;
  const float eps = static_cast<float>(config.rms_norm_eps);
  const StepMemory& s = part.memory;
  std::vector<int32_t> positions;
  std::vector<int64_t> wanted;     // tokens whose logits are asked for
  std::vector<int64_t> run_begin;  // each run's first token
  for (const auto& run : part.runs) {
    const int64_t first = run.sequence->length() - run.num_tokens;
    run_begin.push_back(static_cast<int64_t>(positions.size()));
    for (int64_t i = 0; i < run.num_tokens; ++i)
      positions.push_back(static_cast<int32_t>(first + i));
    if (run.want_logits) wanted.push_back(static_cast<int64_t>(positions.size()) - 1);
  }
  weights.embed(s.x, tokens.first(static_cast<size_t>(T)), threads);

  std::vector<const float*> key_blocks, value_blocks;
  std::vector<AttentionWork> works;
  const float* delta = nullptr;
  for (size_t l = 0; l < weights.layers.size(); ++l) {
    const LayerWeights& w = weights.layers[l];
    add_rms_norm(s.h, s.inv_rms, s.x, s.x, delta, w.input_norm, T, C, eps, threads);
    matmul(s.qkv, W, {s.h, C, 1}, w.qkv.forward(), w.bias(), T, threads);
    norm_and_rotate(s.qkv, nullptr, s.inv_rms_qk, w, positions.data(), rope, T, config, threads);
    // Keys (as columns) and values (as rows) into their pages, which no two runs share; then one
    // work per run and key-value head.
    const auto pieces = static_cast<int64_t>(part.runs.size()) * kv_heads;
    threads.parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const auto r = static_cast<size_t>(piece / kv_heads);
        const int64_t h = piece % kv_heads;
        const std::vector<int32_t>& pages = cache.pages(*part.runs[r].sequence);
        for (int64_t i = run_begin[r]; i < run_begin[r] + part.runs[r].num_tokens; ++i) {
          const int64_t position = positions[static_cast<size_t>(i)];
          const int32_t page = pages[static_cast<size_t>(position / kKeyBlock)];
          const float* row = s.qkv + i * W + Q + h * D;
          float* keys = cache.keys(page, static_cast<int64_t>(l), h) + position % kKeyBlock;
          for (int64_t d = 0; d < D; ++d) keys[d * kKeyBlock] = row[d];
          std::memcpy(cache.values(page, static_cast<int64_t>(l), h) + position % kKeyBlock * D,
                      row + KV, static_cast<size_t>(D) * sizeof(float));
        }
      }
    });
    key_blocks.clear();
    value_blocks.clear();
    works.clear();
    std::vector<size_t> first_block;
    for (const auto& run : part.runs) {
      const std::vector<int32_t>& pages = cache.pages(*run.sequence);
      for (int64_t h = 0; h < kv_heads; ++h) {
        first_block.push_back(key_blocks.size());
        for (const int32_t page : pages) {
          key_blocks.push_back(cache.keys(page, static_cast<int64_t>(l), h));
          value_blocks.push_back(cache.values(page, static_cast<int64_t>(l), h));
        }
      }
    }
    int64_t t = 0;
    size_t next = 0;
    const int64_t group = heads / kv_heads;
    for (const auto& run : part.runs) {
      for (int64_t h = 0; h < kv_heads; ++h, ++next) {
        works.push_back({s.qkv + t * W + h * group * D, s.att + t * Q + h * group * D, nullptr,
                         key_blocks.data() + first_block[next],
                         value_blocks.data() + first_block[next], W, Q, 0, run.num_tokens,
                         run.sequence->length() - run.num_tokens, group});
      }
      t += run.num_tokens;
    }
    attention(works, D, threads);
    matmul(s.delta, C, {s.att, Q, 1}, w.out.forward(), nullptr, T, threads);
    add_rms_norm(s.h, s.inv_rms, s.x, s.x, s.delta, w.post_norm, T, C, eps, threads);
    matmul(s.gate_up, 2 * F, {s.h, C, 1}, w.gate_up.forward(), nullptr, T, threads);
    swiglu(s.act, s.gate_up, T, F, threads);
    matmul(s.delta, C, {s.act, F, 1}, w.down.forward(), nullptr, T, threads);
    delta = s.delta;
  }
  if (S == 0) return;
  float *x = s.hidden, *d = s.hidden_delta;
  for (int64_t i = 0; i < S; ++i) {
    std::memcpy(x + i * C, s.x + wanted[static_cast<size_t>(i)] * C,
                static_cast<size_t>(C) * sizeof(float));
    std::memcpy(d + i * C, delta + wanted[static_cast<size_t>(i)] * C,
                static_cast<size_t>(C) * sizeof(float));
  }
  add_rms_norm(s.h, s.inv_rms, x, x, d, weights.final_norm, S, C, eps, threads);
  matmul(logits_out, V, {s.h, C, 1}, weights.lm_head.forward(), nullptr, S, threads);
}

Decoder::Decoder(const ModelConfig& config, ThreadPool& pool) {
  if (config.head_dim % 16 != 0) {
    throw Error("config.json", fmt::format("head_dim {} is not a multiple of 16", config.head_dim));
  }
  impl_ = std::make_unique<Impl>(config, pool);
}

Decoder::~Decoder() = default;

const ModelConfig& Decoder::config() const { return impl_->config; }

void Decoder::set_parameters(const Parameters& parameters) { impl_->weights.borrow(parameters); }

void Decoder::pack_parameters(const Parameters& parameters, DType storage) {
  impl_->weights.pack(parameters, storage, impl_->pool);
}

void Decoder::load_weights(const WeightFiles& files) {
  impl_->weights.load(impl_->config, files, impl_->pool);
}

void Decoder::forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep) {
  impl_->forward(batch, logprobs, keep, {}, nullptr);
}

void Decoder::backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                       Gradients& gradients) {
  impl_->backward(batch, dlogprobs, gradients);
}

void Decoder::forward_backward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
                               std::span<const float> dlogprobs, Gradients& gradients) {
  impl_->forward(batch, logprobs, keep, dlogprobs, &gradients);
  impl_->layers_backward(batch, gradients);
}

void Decoder::step(const StepBatch& batch, KvCache& cache, std::span<float> logits) {
  impl_->step(batch, cache, logits);
}

MemoryTable Decoder::pass_memory(const PassSize& size) const {
  PassMemory memory;
  return Arena::plan(
      [&](Arena& a) { memory.lay_out(a, impl_->config, size, impl_->pool.num_threads()); });
}

MemoryTable Decoder::step_memory(int64_t num_tokens, int64_t num_targets) const {
  StepMemory memory;
  return Arena::plan([&](Arena& a) { memory.lay_out(a, impl_->config, num_tokens, num_targets); });
}

void Decoder::reserve(const PassSize& size) {
  impl_->kept = Keep::kNothing;
  impl_->arena.lay_out(
      [&](Arena& a) { impl_->memory.lay_out(a, impl_->config, size, impl_->pool.num_threads()); });
}

}  // namespace ponder
