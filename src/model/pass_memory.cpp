#include "model/pass_memory.h"

#include <algorithm>

#include "ops/attention.h"

namespace ponder {

PassSize size_of(const PackedBatch& batch, Keep keep) {
  PassSize size{batch.num_tokens(), batch.num_targets(), 0, 0, keep};
  for (size_t r = 0; r + 1 < batch.row_begin.size(); ++r) {
    const int64_t length = batch.row_begin[r + 1] - batch.row_begin[r];
    size.key_blocks += (length + kKeyBlock - 1) / kKeyBlock;
    size.longest_row = std::max(size.longest_row, length);
  }
  return size;
}

int64_t logits_rows(int64_t vocab_size, int64_t targets) {
  const int64_t most = std::max<int64_t>(14, (int64_t{60} << 20) / vocab_size);
  const int64_t count = std::max<int64_t>(targets, 1), chunks = (count + most - 1) / most;
  return (count + chunks - 1) / chunks;
}

namespace {

void take_layer(LayerActivations& layer, Arena& arena, const ModelConfig& config, int64_t T) {
  const int64_t heads = config.num_attention_heads, kv_heads = config.num_key_value_heads;
  const int64_t Q = config.q_size(), KV = config.kv_size();
  layer.qkv = arena.take("queries, keys, values", T * (Q + 2 * KV));
  layer.att = arena.take("attention output", T * Q);
  layer.gate_up = arena.take("gate and up", T * 2 * config.intermediate_size);
  layer.lse = arena.take("statistics of attention and norms", T * heads);
  layer.inv_rms1 = arena.take("statistics of attention and norms", T);
  layer.inv_rms2 = arena.take("statistics of attention and norms", T);
  if (config.layer(0).qk_norm != QkNorm::kNone) {
    layer.raw_qk = arena.take("queries and keys before their norms", T * (Q + KV));
    layer.inv_rms_qk = arena.take("statistics of attention and norms", T * (heads + kv_heads));
  }
}

}  // namespace

void PassMemory::lay_out(Arena& arena, const ModelConfig& config, const PassSize& size,
                         int threads) {
  const int64_t C = config.hidden_size, F = config.intermediate_size, Q = config.q_size(),
                KV = config.kv_size(), T = size.tokens, N = size.targets;
  const bool train = size.keep != Keep::kNothing;
  x = arena.take("residual stream", T * C);
  h = arena.take("normed and branch output", T * C);
  delta = arena.take("normed and branch output", T * C);
  act = arena.take("MLP activation", T * F);
  keys = arena.take("keys and values in blocks", 2 * size.key_blocks * kKeyBlock * KV);
  inv_rms = arena.take("statistics of attention and norms", T);

  layers.assign(static_cast<size_t>(config.num_hidden_layers), {});
  LayerActivations shared;
  shared.x_in = shared.x_mid = x;
  if (size.keep != Keep::kActivations) take_layer(shared, arena, config, T);
  if (size.keep == Keep::kLayerInputs) shared.x_mid = arena.take("residual stream", T * C);
  for (LayerActivations& layer : layers) {
    layer = shared;
    if (train) layer.x_in = arena.take("layers' inputs", T * C);
    if (size.keep != Keep::kActivations) continue;
    layer.x_mid = arena.take("layers' residuals after attention", T * C);
    take_layer(layer, arena, config, T);
  }

  const int64_t rows = logits_rows(config.vocab_size, N);
  lse = arena.take("statistics of attention and norms", N);
  logits = arena.take("logits", rows * config.vocab_size);
  hidden = arena.take("hidden states of the targets", rows * C);
  if (!train) return;
  dx = arena.take("gradients of activations", T * C);
  dh = arena.take("gradients of activations", T * C);
  dqkv = arena.take("gradients of activations", T * (Q + 2 * KV));
  datt = arena.take("gradients of activations", T * Q);
  dhidden = arena.take("gradients of activations", rows * C);
  attention_backward =
      arena.take("attention backward",
                 threads * attention_backward_scratch(size.longest_row, config.head_dim));
}

void StepMemory::lay_out(Arena& arena, const ModelConfig& config, int64_t T, int64_t N) {
  const int64_t C = config.hidden_size, F = config.intermediate_size, Q = config.q_size(),
                KV = config.kv_size();
  x = arena.take("residual stream", T * C);
  h = arena.take("normed and branch output", T * C);
  delta = arena.take("normed and branch output", T * C);
  act = arena.take("MLP activation", T * F);
  gate_up = arena.take("gate and up", T * 2 * F);
  qkv = arena.take("queries, keys, values", T * (Q + 2 * KV));
  att = arena.take("attention output", T * Q);
  inv_rms = arena.take("statistics of attention and norms", T);
  if (config.layer(0).qk_norm != QkNorm::kNone) {
    inv_rms_qk = arena.take("statistics of attention and norms",
                            T * (config.num_attention_heads + config.num_key_value_heads));
  }
  hidden = arena.take("hidden states of the targets", N * C);
  hidden_delta = arena.take("hidden states of the targets", N * C);
}

}  // namespace ponder
