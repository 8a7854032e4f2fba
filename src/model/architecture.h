// What differs between the families of models that ponder runs. What is the same for all of them:
// decoder layers of grouped query heads and SwiGLU, RoPE in the half-split layout, RMSNorm, no
// biases but those of q, k and v. A new family of this kind is one file in families/ and its line
// in families/families.h. Source: transformers' configuration and modeling files of each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "model/layer_spec.h"
#include "model/tensor_role.h"

namespace ponder::model {

class ConfigReader;
struct ModelConfig;

// What a family calls a tensor of its layers, below "model.layers.N." and llama.cpp's "blk.N.".
struct TensorNames {
  TensorRole role;
  std::string_view name, gguf_name;
};

// How llama.cpp names and lays out a family. Source: its gguf-py/gguf/constants.py and
// convert_hf_to_gguf.py.
struct GgufLayout {
  std::string_view name;  // general.architecture, and the prefix of its keys; "" if it has none
  // llama.cpp rotates neighbouring dimensions of this family, transformers dimensions half a head
  // apart: the rows of q and k are put in llama.cpp's order.
  bool interleaved_rope = false;
  // Keys only this family's converter writes.
  bool writes_vocab_size = false, writes_rope_dimension_count = false;
  bool reads_rope_factors = false;  // llama.cpp looks for rope_freqs.weight
};

struct Architecture {
  std::string_view model_type;  // config.json's: "qwen2"
  std::string_view class_name;  // the one of config.json's architectures: "Qwen2ForCausalLM"
  std::string_view models;      // the published models, for people

  LayerSpec layer;  // of every layer, where `read` does not say otherwise (ModelConfig::layers)
  std::span<const TensorNames> names;  // where they are not those of model/tensor_table.cpp

  // What transformers takes where config.json does not say.
  int64_t default_num_key_value_heads = 0;  // 0: num_attention_heads (so too where it is null)
  int64_t default_head_dim = 0;             // 0: hidden_size / num_attention_heads
  int64_t default_max_position_embeddings = 2048;
  double default_rope_theta = 10000.0;
  double default_rms_norm_eps = 1e-6;
  bool default_tie_word_embeddings = false;

  // rope_scaling is that of its layers with full attention, and rope_parameters may hold an object
  // for each layer type.
  bool rope_by_layer_type = false;

  // Reads the keys that not all families have into `config`, whose other fields are there already.
  // Throws Error naming the key for what is not run.
  void (*read)(const ConfigReader& reader, ModelConfig& config);
  // Adds the same keys to a config.json.
  void (*write)(const ModelConfig& config, Json& json);

  GgufLayout gguf;
};

std::span<const Architecture> architectures();
// nullptr when there is none of this model_type.
const Architecture* find_architecture(std::string_view model_type);
// "qwen2 (Qwen2, ...), qwen3 (...)": for messages and help.
std::string supported_architectures();

}  // namespace ponder::model
