#include "model/pass_memory.h"

#include <algorithm>

#include "model/head_rows.h"
#include "model/linear.h"
#include "model/pass_tokens.h"
#include "ops/attention.h"

namespace ponder::model {

PassSize size_of(const PackedBatch& batch, Keep keep) {
  PassSize size{batch.num_tokens(), batch.num_targets(), 0, 0, keep};
  for (size_t r = 0; r + 1 < batch.row_begin.size(); ++r) {
    const int64_t length = batch.row_begin[r + 1] - batch.row_begin[r];
    size.key_blocks += (length + ops::kKeyBlock - 1) / ops::kKeyBlock;
    size.longest_row = std::max(size.longest_row, length);
    size.sum_blocks += (length + ops::Bf16Matrix::kBlock - 1) / ops::Bf16Matrix::kBlock;
  }
  return size;
}

int64_t logits_rows(int64_t vocab_size, int64_t targets) {
  const int64_t most = std::max<int64_t>(14, (int64_t{60} << 20) / vocab_size);
  const int64_t count = std::max<int64_t>(targets, 1), chunks = (count + most - 1) / most;
  return (count + chunks - 1) / chunks;
}

int64_t head_chunk_rows(int64_t vocab_size, int64_t targets, tensor::Precision precision) {
  const int64_t rows = logits_rows(vocab_size, targets);
  if (precision == tensor::Precision::kF32) return rows;
  return std::min(std::max<int64_t>(targets, 1), rows + ops::Bf16Matrix::kBlock - 1);
}

std::vector<HeadChunk> head_chunks(const PackedBatch& batch, int64_t rows,
                                   tensor::Precision precision) {
  const int64_t N = batch.num_targets();
  std::vector<HeadChunk> chunks;
  if (precision == tensor::Precision::kF32) {
    for (int64_t begin = 0; begin < N; begin += rows)
      chunks.push_back({begin, std::min(rows, N - begin), {}});
    return chunks;
  }
  size_t row = 0;
  for (int64_t i = 0; i < N;) {
    const int64_t first = i;
    while (batch.target_index[static_cast<size_t>(i)] >= batch.row_begin[row + 1]) ++row;
    while (i < N && i - first < ops::Bf16Matrix::kBlock &&
           batch.target_index[static_cast<size_t>(i)] < batch.row_begin[row + 1])
      ++i;
    if (chunks.empty() || chunks.back().rows >= rows) chunks.push_back({first, 0, {}});
    HeadChunk& chunk = chunks.back();
    chunk.blocks.push_back({first - chunk.begin, i - first});
    chunk.rows = i - chunk.begin;
  }
  return chunks;
}

namespace {

// What the norms of queries and keys divide a token's by: how many numbers.
int64_t qk_norms(const ModelConfig& config, const LayerSpec& spec) {
  switch (spec.qk_norm) {
    case QkNorm::kNone:
      return 0;
    case QkNorm::kHead:
      return config.num_attention_heads + config.num_key_value_heads;
    case QkNorm::kWhole:
      return 2;
  }
  return 0;
}

// What only some layers need: of one layer, or the most of any, where they share it.
struct NormNeeds {
  explicit NormNeeds(const ModelConfig& config) {
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) add(config, config.layer(i));
  }
  NormNeeds(const ModelConfig& config, const LayerSpec& spec) { add(config, spec); }

  int64_t num_qk_norms = 0;
  bool output_norms = false;

 private:
  void add(const ModelConfig& config, const LayerSpec& spec) {
    num_qk_norms = std::max(num_qk_norms, qk_norms(config, spec));
    output_norms = output_norms || spec.branch_norm == BranchNorm::kOutput;
  }
};

// What forward computes in f32 and, in bf16 arithmetic, keeps rounded.
void take_products(LayerActivations& layer, tensor::Arena& arena, const ModelConfig& config,
                   int64_t T) {
  const int64_t Q = config.q_size(), KV = config.kv_size();
  layer.qkv = arena.take("queries, keys, values", T * (Q + 2 * KV));
  layer.att = arena.take("attention output", T * Q);
  layer.gate_up = arena.take("gate and up", T * 2 * config.intermediate_size);
}

void take_rounded(LayerActivations& layer, tensor::Arena& arena, const ModelConfig& config,
                  int64_t T) {
  const int64_t Q = config.q_size(), KV = config.kv_size();
  layer.bf16.qkv = arena.take_bf16("queries, keys, values", T * (Q + 2 * KV));
  layer.bf16.att = arena.take_bf16("attention output", T * Q);
  layer.bf16.gate_up = arena.take_bf16("gate and up", T * 2 * config.intermediate_size);
}

void take_layer(LayerActivations& layer, tensor::Arena& arena, const ModelConfig& config,
                const NormNeeds& needs, int64_t T, bool rounded) {
  const int64_t heads = config.num_attention_heads;
  const int64_t Q = config.q_size(), KV = config.kv_size();
  rounded ? take_rounded(layer, arena, config, T) : take_products(layer, arena, config, T);
  layer.lse = arena.take("statistics of attention and norms", T * heads);
  layer.inv_rms1 = arena.take("statistics of attention and norms", T);
  layer.inv_rms2 = arena.take("statistics of attention and norms", T);
  if (needs.num_qk_norms > 0) {
    layer.raw_qk = arena.take("queries and keys before their norms", T * (Q + KV));
    layer.inv_rms_qk = arena.take("statistics of attention and norms", T * needs.num_qk_norms);
  }
}

void take_outputs(LayerActivations& layer, tensor::Arena& arena, const ModelConfig& config,
                  const NormNeeds& needs, int64_t T) {
  if (!needs.output_norms) return;
  layer.attention_out = arena.take("branches' outputs before their norms", T * config.hidden_size);
  layer.mlp_out = arena.take("branches' outputs before their norms", T * config.hidden_size);
}

}  // namespace

void PassMemory::lay_out(tensor::Arena& arena, const ModelConfig& config, const PassSize& size,
                         int threads, tensor::Precision precision) {
  const int64_t C = config.hidden_size, F = config.intermediate_size, Q = config.q_size(),
                KV = config.kv_size(), T = size.tokens, N = size.targets;
  const bool train = size.keep != Keep::kNothing;
  // What is kept of a layer beside its input then lies in two bytes, and the residual stream after
  // attention follows from it; what a layer's forward makes is shared.
  const bool rounds = size.keep == Keep::kActivations && precision == tensor::Precision::kBf16;
  x = arena.take("residual stream", T * C);
  h = arena.take("normed and branch output", T * C);
  const int64_t blocks = 2 * size.key_blocks * config.num_key_value_heads;
  keys = arena.take(
      "keys and values in blocks",
      blocks * ops::key_block_bytes(config.head_dim, precision) / int64_t{sizeof(float)});
  inv_rms = arena.take("statistics of attention and norms", T);
  lse = arena.take("statistics of attention and norms", N);
  if (train) dh = arena.take("gradients of activations", T * C);
  if (train && precision == tensor::Precision::kBf16)
    operand = arena.take("rounded operand of a gradient",
                         Linear::operand_floats(size.sum_blocks, std::max({C, F, Q})));

  // The layers are done, and their backward has not begun, where the head computes.
  LayerActivations shared;
  shared.x_in = shared.x_mid = x;
  const int64_t rows =
      std::min(head_chunk_rows(config.vocab_size, N, precision),
               head_rows(config.vocab_size, N, size.keep, precision) + ops::Bf16Matrix::kBlock - 1);
  arena.take_either(
      [&](tensor::Arena& of_layers) {
        delta = of_layers.take("normed and branch output", T * C);
        act = of_layers.take("MLP activation", T * F);
        if (rounds) take_products(shared, of_layers, config, T);
        if (size.keep != Keep::kActivations)
          take_layer(shared, of_layers, config, NormNeeds(config), T, false);
        if (size.keep == Keep::kCheckpoints)
          take_outputs(shared, of_layers, config, NormNeeds(config), T);
        if (!train) return;
        dx = of_layers.take("gradients of activations", T * C);
        // Once forward has rounded queries, keys and values, their gradients take their place.
        dqkv = rounds ? shared.qkv : of_layers.take("gradients of activations", T * (Q + 2 * KV));
        datt = of_layers.take("gradients of activations", T * Q);
        attention_backward = of_layers.take(
            "attention backward", threads * ops::attention_backward_scratch(
                                                size.longest_row, config.head_dim, precision));
      },
      [&](tensor::Arena& of_head) {
        logits = of_head.take("logits", rows * config.vocab_size);
        hidden = of_head.take("hidden states of the targets", rows * C);
        if (train) dhidden = of_head.take("gradients of activations", rows * C);
      });
  if (size.keep == Keep::kNothing) shared.attention_out = shared.mlp_out = h;

  layers.assign(static_cast<size_t>(config.num_hidden_layers), shared);
  if (!train) return;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    LayerActivations& layer = layers[static_cast<size_t>(i)];
    layer.x_in = arena.take("layers' inputs", T * C);
    if (size.keep != Keep::kActivations) continue;
    const NormNeeds own(config, config.layer(i));
    if (!rounds) layer.x_mid = arena.take("layers' residuals after attention", T * C);
    take_layer(layer, arena, config, own, T, rounds);
    take_outputs(layer, arena, config, own, T);
  }
}

void StepMemory::lay_out(tensor::Arena& arena, const ModelConfig& config, int64_t T, int64_t N) {
  const int64_t C = config.hidden_size, F = config.intermediate_size, Q = config.q_size(),
                KV = config.kv_size();
  layer = {};
  layer.x_in = layer.x_mid = arena.take("residual stream", T * C);
  h = layer.attention_out = layer.mlp_out = arena.take("normed and branch output", T * C);
  delta = arena.take("normed and branch output", T * C);
  act = arena.take("MLP activation", T * F);
  layer.gate_up = arena.take("gate and up", T * 2 * F);
  layer.qkv = arena.take("queries, keys, values", T * (Q + 2 * KV));
  layer.att = arena.take("attention output", T * Q);
  inv_rms = layer.inv_rms1 = layer.inv_rms2 = arena.take("statistics of attention and norms", T);
  const int64_t num_qk_norms = NormNeeds(config).num_qk_norms;
  if (num_qk_norms > 0) {
    layer.inv_rms_qk = arena.take("statistics of attention and norms", T * num_qk_norms);
  }
  hidden = arena.take("hidden states of the targets", N * C);
  hidden_delta = arena.take("hidden states of the targets", N * C);
}

}  // namespace ponder::model
