// The shape of a model, mirrored from a Hugging Face config.json. What its model_type means stands
// in architecture.h, and in one file of families/ for each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/architecture.h"
#include "ops/rope.h"
#include "tensor/dtype.h"
#include "tensor/precision.h"

namespace ponder::model {

struct ModelConfig {
  std::string model_type = "qwen2";  // one that find_architecture knows
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;  // not always hidden_size / num_attention_heads
  int64_t max_position_embeddings = 0;
  double rope_theta = 10000.0;
  ops::RopeScaling rope_scaling;
  double rms_norm_eps = 1e-6;
  double initializer_range = 0.02;
  bool tie_word_embeddings = false;
  // Where layers are not all as the architecture says: one for each. Empty: they are.
  std::vector<LayerSpec> layers;
  tensor::DType dtype = tensor::DType::kF32;  // of the stored weights
  std::vector<int32_t> eos_token_ids;  // from generation_config.json if there, else config.json

  // Throws Error naming the key for a missing, ill-typed, impossible or unsupported value (unknown
  // model_type or class, hidden act other than silu, sliding window in use, RoPE of another type
  // than read_rope knows, biases, mixture of experts, quantised weights, heads that do not divide,
  // sizes out of range). Both spellings of torch_dtype / dtype and of rope_theta, rope_scaling /
  // rope_parameters are read. Keys that do not change the arithmetic are ignored.
  static ModelConfig from_json(const Json& json, const std::string& where);
  // The config.json of this architecture, for a model that has no base to copy one from.
  Json to_json() const;

  // Throws Error for a model_type that is not in the table.
  const Architecture& architecture() const;
  const LayerSpec& layer(int64_t index) const {
    return layers.empty() ? architecture().layer : layers[static_cast<size_t>(index)];
  }
  int64_t q_size() const { return num_attention_heads * head_dim; }
  int64_t kv_size() const { return num_key_value_heads * head_dim; }
  int64_t num_parameters() const;
  // Of the matrices that a token's forward multiplies by: all but an untied embedding.
  int64_t num_matrix_elements() const;
  // Floating-point operations of one forward over `tokens` tokens in rows of `row_length` (a
  // multiply-add is two); a training step is three times this.
  double forward_flops(int64_t tokens, int64_t row_length) const;
};

// The arithmetic of a model for which none is asked for: bf16 above a hundred million parameters, f32
// up to there (docs/arithmetic.md, "Which is the default").
tensor::Precision usual_precision(const ModelConfig& config);

// The value of eos_token_id (an integer, a list of them, or absent: empty) of a config.json or
// generation_config.json.
std::vector<int32_t> read_eos_token_ids(const Json& json, const std::string& where,
                                        int64_t vocab_size);

}  // namespace ponder::model
