// Mistral 7B (arXiv 2310.06825) and what followed it: the plain layer, with a sliding window in all
// layers or, from version 0.2 on, in none.
#include "model/config.h"
#include "model/config_reader.h"
#include "model/families/families.h"

namespace ponder::model {
namespace {

constexpr int64_t kDefaultWindow = 4096;  // where the key is absent; null is none

void read_mistral(const ConfigReader& reader, ModelConfig& config) {
  refuse_attention_bias(reader);
  if (reader.find("layer_types")) {
    reader.fail("layer_types", "windows that differ from layer to layer are not supported",
                "transformers does not read the key of this model_type");
  }
  const bool none = reader.contains("sliding_window") && !reader.find("sliding_window");
  if (none) return;
  LayerSpec layer = config.architecture().layer;
  layer.window = reader.integer_or("sliding_window", kDefaultWindow, 1, int64_t{1} << 30);
  config.layers.assign(static_cast<size_t>(config.num_hidden_layers), layer);
}

void write_mistral(const ModelConfig& config, Json& json) {
  const int64_t window = config.layer(0).window;
  json["sliding_window"] = window > 0 ? Json(window) : Json();
}

}  // namespace

Architecture mistral_family() {
  return {.model_type = "mistral",
          .class_name = "MistralForCausalLM",
          .models = "Mistral with a byte-level tokenizer",
          .layer = {},
          .names = {},
          .default_num_key_value_heads = 8,
          .default_head_dim = 0,
          .default_max_position_embeddings = 131072,
          .read = read_mistral,
          .write = write_mistral,
          .gguf = {.name = "llama",
                   .interleaved_rope = true,
                   .writes_vocab_size = true,
                   .writes_rope_dimension_count = true,
                   .reads_rope_factors = true}};
}

}  // namespace ponder::model
