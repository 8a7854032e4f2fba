// SmolLM3 (Hugging Face 2025): the plain layer, but every fourth does not rotate its queries and
// keys ("NoPE", arXiv 2501.18795).
#include <fmt/format.h>

#include "model/config.h"
#include "model/config_reader.h"
#include "model/families/families.h"

namespace ponder::model {
namespace {

void read_smollm3(const ConfigReader& reader, ModelConfig& config) {
  refuse_attention_bias(reader);
  refuse_windows_in_use(reader);
  config.layers.assign(static_cast<size_t>(config.num_hidden_layers), config.architecture().layer);
  const int64_t interval = reader.integer_or("no_rope_layer_interval", 4, 1, int64_t{1} << 30);
  const Json* list = reader.find("no_rope_layers");
  if (list && (!list->is_array() || list->size() < config.layers.size())) {
    reader.fail("no_rope_layers", fmt::format("expected a list of at least {} numbers, found {}",
                                              config.layers.size(), JsonFields::show(*list)));
  }
  for (size_t i = 0; i < config.layers.size(); ++i) {
    // Despite its name, 1 in the list is a layer that rotates.
    config.layers[i].rotates = list
                                   ? reader.checked_integer("no_rope_layers", (*list)[i], 0, 1) == 1
                                   : (static_cast<int64_t>(i) + 1) % interval != 0;
  }
}

void write_smollm3(const ModelConfig& config, Json& json) {
  json["attention_bias"] = false;
  json["use_sliding_window"] = false;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    json["no_rope_layers"].push_back(config.layer(i).rotates ? 1 : 0);
  }
}

}  // namespace

Architecture smollm3_family() {
  return {.model_type = "smollm3",
          .class_name = "SmolLM3ForCausalLM",
          .models = "SmolLM3",
          .layer = {},
          .names = {},
          .default_num_key_value_heads = 4,
          .default_head_dim = 0,
          .default_max_position_embeddings = 32768,
          .default_rope_theta = 2000000.0,
          .default_tie_word_embeddings = true,
          .read = read_smollm3,
          .write = write_smollm3,
          .gguf = {}};
}

}  // namespace ponder::model
