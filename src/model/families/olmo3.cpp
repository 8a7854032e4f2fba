// OLMo 3 (arXiv 2512.13961): norms of what the branches give instead of what they read, norms over
// all of a token's queries and all of its keys, a sliding window in three of four layers, and RoPE
// stretched in the others only.
#include <fmt/format.h>

#include <algorithm>

#include "model/config.h"
#include "model/config_reader.h"
#include "model/families/families.h"

namespace ponder::model {
namespace {

constexpr TensorNames kNames[] = {
    {TensorRole::kAttentionNorm, "post_attention_layernorm.weight", "post_attention_norm.weight"},
    {TensorRole::kMlpNorm, "post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
};

bool is_sliding(const ConfigReader& reader, const Json* types, int64_t layer) {
  if (!types) return (layer + 1) % 4 != 0;
  const Json& type = (*types)[static_cast<size_t>(layer)];
  if (type != "sliding_attention" && type != "full_attention") {
    reader.fail("layer_types",
                fmt::format("expected \"sliding_attention\" or \"full_attention\", found {}",
                            JsonFields::show(type)));
  }
  return type == "sliding_attention";
}

void read_olmo3(const ConfigReader& reader, ModelConfig& config) {
  refuse_attention_bias(reader);
  config.layers.assign(static_cast<size_t>(config.num_hidden_layers), config.architecture().layer);
  const Json* types = reader.find("layer_types");
  if (types && (!types->is_array() || types->size() != config.layers.size())) {
    reader.fail("layer_types", fmt::format("expected a list of {}, one for each layer, found {}",
                                           config.layers.size(), JsonFields::show(*types)));
  }
  const bool none = reader.contains("sliding_window") && !reader.find("sliding_window");
  const int64_t window = reader.integer_or("sliding_window", 4096, 1, int64_t{1} << 30);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    if (!is_sliding(reader, types, i)) continue;
    if (none) reader.fail("sliding_window", "is null, but layer_types has \"sliding_attention\"");
    LayerSpec& layer = config.layers[static_cast<size_t>(i)];
    layer.window = window;
    layer.scales_rope = false;
  }
}

void write_olmo3(const ModelConfig& config, Json& json) {
  json["attention_bias"] = false;
  int64_t window = 0;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const LayerSpec& layer = config.layer(i);
    window = std::max(window, layer.window);
    json["layer_types"].push_back(layer.window > 0 ? "sliding_attention" : "full_attention");
  }
  json["sliding_window"] = window > 0 ? Json(window) : Json();
  // By the type of a layer.
  Json full = Json::object();
  if (json.contains("rope_scaling")) full = json["rope_scaling"];
  full["rope_theta"] = config.rope_theta;
  json.erase("rope_scaling");
  json.erase("rope_theta");
  json["rope_parameters"] = {
      {"full_attention", full},
      {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", config.rope_theta}}}};
}

}  // namespace

Architecture olmo3_family() {
  return {.model_type = "olmo3",
          .class_name = "Olmo3ForCausalLM",
          .models = "OLMo 3",
          .layer = {.branch_norm = BranchNorm::kOutput, .qk_norm = QkNorm::kWhole},
          .names = kNames,
          .default_num_key_value_heads = 0,
          .default_head_dim = 0,
          .default_max_position_embeddings = 2048,
          .default_rope_theta = 500000.0,
          .default_rms_norm_eps = 1e-5,
          .rope_by_layer_type = true,
          .read = read_olmo3,
          .write = write_olmo3,
          .gguf = {}};
}

}  // namespace ponder::model
