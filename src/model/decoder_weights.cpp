#include "model/decoder_weights.h"

#include <string>

namespace ponder {
namespace {

std::string prefix(int64_t layer) { return "model.layers." + std::to_string(layer) + "."; }

}  // namespace

DecoderWeights::DecoderWeights(const ModelConfig& config) {
  const int64_t C = config.hidden_size, F = config.intermediate_size;
  const int64_t q = config.q_size(), kv = config.kv_size();
  layers.reserve(static_cast<size_t>(config.num_hidden_layers));
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    LayerWeights& layer = layers.emplace_back();
    layer.qkv = PackedMatrix("packed qkv_proj", C, q + 2 * kv);
    layer.out = PackedMatrix("packed o_proj", q, C);
    layer.gate_up = PackedMatrix("packed gate_proj and up_proj", C, 2 * F);
    layer.down = PackedMatrix("packed down_proj", F, C);
    if (config.qkv_bias()) layer.qkv_bias.assign(static_cast<size_t>(q + 2 * kv), 0.0f);
  }
  lm_head = PackedMatrix("packed lm_head", C, config.vocab_size);
}

void DecoderWeights::set(const ModelConfig& config, const Parameters& parameters,
                         ThreadPool& pool) {
  const int64_t F = config.intermediate_size, q = config.q_size(), kv = config.kv_size();
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    LayerWeights& layer = layers[static_cast<size_t>(i)];
    const auto weight = [&](const char* name) { return parameters.at(prefix(i) + name).data(); };
    layer.input_norm = weight("input_layernorm.weight");
    layer.post_norm = weight("post_attention_layernorm.weight");
    layer.q_weight = weight("self_attn.q_proj.weight");
    layer.k_weight = weight("self_attn.k_proj.weight");
    layer.v_weight = weight("self_attn.v_proj.weight");
    layer.o_weight = weight("self_attn.o_proj.weight");
    layer.gate_weight = weight("mlp.gate_proj.weight");
    layer.up_weight = weight("mlp.up_proj.weight");
    layer.down_weight = weight("mlp.down_proj.weight");
    layer.qkv.pack_weight(layer.q_weight, q, 0, pool);
    layer.qkv.pack_weight(layer.k_weight, kv, q, pool);
    layer.qkv.pack_weight(layer.v_weight, kv, q + kv, pool);
    layer.out.pack_weight(layer.o_weight, config.hidden_size, 0, pool);
    layer.gate_up.pack_weight(layer.gate_weight, F, 0, pool);
    layer.gate_up.pack_weight(layer.up_weight, F, F, pool);
    layer.down.pack_weight(layer.down_weight, config.hidden_size, 0, pool);
    if (config.qk_norm()) {
      layer.q_norm = weight("self_attn.q_norm.weight");
      layer.k_norm = weight("self_attn.k_norm.weight");
    }
    if (config.qkv_bias()) {
      float* to = layer.qkv_bias.data();
      for (const char* name :
           {"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"}) {
        for (const float b : parameters.at(prefix(i) + name)) *to++ = b;
      }
    }
  }
  embedding = parameters.at("model.embed_tokens.weight").data();
  final_norm = parameters.at("model.norm.weight").data();
  head_weight = config.tie_word_embeddings ? embedding : parameters.at("lm_head.weight").data();
  lm_head.pack_weight(head_weight, config.vocab_size, 0, pool);
}

LayerGradients::LayerGradients(Parameters& gradients, int64_t layer, const ModelConfig& config) {
  const auto at = [&](const char* name) { return gradients.at(prefix(layer) + name).data(); };
  input_norm = at("input_layernorm.weight");
  post_norm = at("post_attention_layernorm.weight");
  q_weight = at("self_attn.q_proj.weight");
  k_weight = at("self_attn.k_proj.weight");
  v_weight = at("self_attn.v_proj.weight");
  o_weight = at("self_attn.o_proj.weight");
  gate_weight = at("mlp.gate_proj.weight");
  up_weight = at("mlp.up_proj.weight");
  down_weight = at("mlp.down_proj.weight");
  if (config.qk_norm()) {
    q_norm = at("self_attn.q_norm.weight");
    k_norm = at("self_attn.k_norm.weight");
  }
  if (config.qkv_bias()) {
    q_bias = at("self_attn.q_proj.bias");
    k_bias = at("self_attn.k_proj.bias");
    v_bias = at("self_attn.v_proj.bias");
  }
}

}  // namespace ponder
