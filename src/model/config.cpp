#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/config_reader.h"
#include "model/config_rope.h"
#include "model/tensor_table.h"

namespace ponder::model {
namespace {

using Reader = ConfigReader;

const Architecture& read_architecture(const Reader& reader) {
  const std::string supported = "supported model types: " + supported_architectures();
  const std::string type = reader.text_or("model_type", "");
  if (type.empty()) reader.fail("model_type", "is missing", supported);
  const Architecture* architecture = find_architecture(type);
  if (!architecture)
    reader.fail("model_type", fmt::format("\"{}\" is not supported", excerpt(type)), supported);
  if (const Json* names = reader.find("architectures")) {
    const bool ours =
        names->is_array() &&
        (names->empty() || std::find(names->begin(), names->end(),
                                     std::string(architecture->class_name)) != names->end());
    if (!ours) {
      reader.fail("architectures",
                  fmt::format("expected [\"{}\"], found {}", architecture->class_name,
                              Reader::show(*names)),
                  "only models that generate text are supported");
    }
  }
  return *architecture;
}

// What no family runs.
void refuse_unsupported(const Reader& reader) {
  if (const std::string act = reader.text_or("hidden_act", "silu"); act != "silu") {
    reader.fail("hidden_act", fmt::format("expected \"silu\", found \"{}\"", excerpt(act)));
  }
  reader.refuse_if_true("mlp_bias", "only models without biases in the MLP are supported");
  for (const std::string_view key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    if (reader.find(key)) reader.fail(key, "mixture of experts is not supported");
  }
  if (reader.boolean_or("use_mrope", false))
    reader.fail("use_mrope", "multimodal RoPE is not supported");
  if (reader.number_or("partial_rotary_factor", 1.0, 0.0, 1.0) != 1.0) {
    reader.fail("partial_rotary_factor", "RoPE over a part of each head is not supported");
  }
  if (reader.find("quantization_config")) {
    reader.fail("quantization_config", "quantised weights are not supported",
                "use the float32, bfloat16 or float16 checkpoint");
  }
}

tensor::DType read_dtype(const Reader& reader) {
  const std::string old_name = reader.text_or("torch_dtype", ""),
                    new_name = reader.text_or("dtype", "");
  if (!old_name.empty() && !new_name.empty() && old_name != new_name) {
    reader.fail(
        "dtype",
        fmt::format("is \"{}\", but torch_dtype is \"{}\"", excerpt(new_name), excerpt(old_name)),
        "remove one of them");
  }
  const std::string& name = new_name.empty() ? old_name : new_name;
  if (name.empty()) return tensor::DType::kF32;
  const std::optional<tensor::DType> dtype = tensor::dtype_from_name(name);
  if (!dtype) {
    reader.fail(new_name.empty() ? "torch_dtype" : "dtype",
                fmt::format("expected \"float32\", \"bfloat16\" or \"float16\", found \"{}\"",
                            excerpt(name)));
  }
  return *dtype;
}

}  // namespace

ModelConfig ModelConfig::from_json(const Json& json, const std::string& where) {
  const Reader reader(json, where);
  const Architecture& architecture = read_architecture(reader);
  refuse_unsupported(reader);

  // Upper limits: beyond any published model, and small enough that no product below leaves 63
  // bits.
  ModelConfig config;
  config.model_type = architecture.model_type;
  config.vocab_size = reader.integer("vocab_size", 1, int64_t{1} << 24);
  config.hidden_size = reader.integer("hidden_size", 1, int64_t{1} << 17);
  config.intermediate_size = reader.integer("intermediate_size", 1, int64_t{1} << 20);
  config.num_hidden_layers = reader.integer("num_hidden_layers", 1, 1024);
  config.num_attention_heads = reader.integer("num_attention_heads", 1, 1024);
  const int64_t absent_kv_heads = architecture.default_num_key_value_heads;
  config.num_key_value_heads = reader.integer_or(
      "num_key_value_heads",
      absent_kv_heads == 0 || reader.contains("num_key_value_heads") ? config.num_attention_heads
                                                                     : absent_kv_heads,
      1, 1024);
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    reader.fail("num_key_value_heads",
                fmt::format("{} does not divide num_attention_heads {}", config.num_key_value_heads,
                            config.num_attention_heads));
  }
  if (reader.find("head_dim") || architecture.default_head_dim != 0) {
    config.head_dim = reader.integer_or("head_dim", architecture.default_head_dim, 2, 1024);
  } else {
    if (config.hidden_size % config.num_attention_heads != 0) {
      reader.fail("num_attention_heads",
                  fmt::format("{} does not divide hidden_size {}", config.num_attention_heads,
                              config.hidden_size));
    }
    config.head_dim = config.hidden_size / config.num_attention_heads;
  }
  if (config.head_dim % 2 != 0 || config.head_dim > 1024) {
    reader.fail(
        reader.find("head_dim") ? "head_dim" : "num_attention_heads",
        fmt::format("expected an even head size of at most 1024 (RoPE turns pairs), found {}",
                    config.head_dim));
  }
  config.max_position_embeddings = reader.integer_or(
      "max_position_embeddings", architecture.default_max_position_embeddings, 1, int64_t{1} << 30);
  const RopeConfig rope = read_rope(reader, architecture);
  config.rope_theta = rope.theta;
  config.rope_scaling = rope.scaling;
  config.rms_norm_eps =
      reader.number_or("rms_norm_eps", architecture.default_rms_norm_eps, 1e-12, 1.0);
  config.initializer_range = reader.number_or("initializer_range", 0.02, 0.0, 10.0);
  config.tie_word_embeddings =
      reader.boolean_or("tie_word_embeddings", architecture.default_tie_word_embeddings);
  config.dtype = read_dtype(reader);
  config.eos_token_ids = read_eos_token_ids(json, where, config.vocab_size);
  architecture.read(reader, config);
  return config;
}

std::vector<int32_t> read_eos_token_ids(const Json& json, const std::string& where,
                                        int64_t vocab_size) {
  const Reader reader(json, where);
  std::vector<int32_t> ids;
  const Json* value = reader.find("eos_token_id");
  if (!value) return ids;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& id : list) {
    ids.push_back(
        static_cast<int32_t>(reader.checked_integer("eos_token_id", id, 0, vocab_size - 1)));
  }
  return ids;
}

Json ModelConfig::to_json() const {
  Json json = Json::object();
  const Architecture& own = architecture();
  json["architectures"] = {std::string(own.class_name)};
  json["model_type"] = model_type;
  json["hidden_act"] = "silu";
  json["vocab_size"] = vocab_size;
  json["hidden_size"] = hidden_size;
  json["intermediate_size"] = intermediate_size;
  json["num_hidden_layers"] = num_hidden_layers;
  json["num_attention_heads"] = num_attention_heads;
  json["num_key_value_heads"] = num_key_value_heads;
  // Where it is what transformers would derive, converters that know no head_dim derive it too.
  if (own.default_head_dim != 0 || head_dim * num_attention_heads != hidden_size) {
    json["head_dim"] = head_dim;
  }
  json["max_position_embeddings"] = max_position_embeddings;
  json["rope_theta"] = rope_theta;
  if (rope_scaling.type != ops::RopeScaling::Type::kNone) {
    json["rope_scaling"] = rope_scaling_json(rope_scaling);
  }
  json["rms_norm_eps"] = rms_norm_eps;
  json["initializer_range"] = initializer_range;
  json["tie_word_embeddings"] = tie_word_embeddings;
  own.write(*this, json);
  json["torch_dtype"] = tensor::config_name(dtype);
  if (eos_token_ids.size() == 1) json["eos_token_id"] = eos_token_ids[0];
  if (eos_token_ids.size() > 1) json["eos_token_id"] = eos_token_ids;
  return json;
}

const Architecture& ModelConfig::architecture() const {
  const Architecture* found = find_architecture(model_type);
  if (!found) {
    throw Error("model config", fmt::format("model_type \"{}\" is not supported", model_type));
  }
  return *found;
}

tensor::Precision usual_precision(const ModelConfig& config) {
  constexpr int64_t kMostOfF32 = 100'000'000;
  return config.num_parameters() > kMostOfF32 ? tensor::Precision::kBf16 : tensor::Precision::kF32;
}

int64_t ModelConfig::num_parameters() const {
  int64_t count = 0;
  for (const TensorSpec& tensor : tensor_table(*this)) count += tensor.num_elements();
  return count;
}

int64_t ModelConfig::num_matrix_elements() const {
  int64_t count = 0;
  for (const TensorSpec& tensor : tensor_table(*this)) {
    if (tensor.is_matrix() && tensor.fused != FusedMatrix::kNone) count += tensor.num_elements();
  }
  return count;
}

double ModelConfig::forward_flops(int64_t tokens, int64_t row_length) const {
  const auto matrices = static_cast<double>(num_matrix_elements());
  const auto q = static_cast<double>(q_size()), length = static_cast<double>(row_length);
  // Scores and their product with the values: 2 q_size each per visible key; a token sees half the
  // row on average, of a window all but half the window at the row's start.
  double keys = 0;
  for (int64_t i = 0; i < num_hidden_layers; ++i) {
    const auto window = static_cast<double>(layer(i).window);
    keys += window > 0 && window < length ? window - window * window / (2 * length) : length / 2;
  }
  return static_cast<double>(tokens) * (2 * matrices + 4 * q * keys);
}

}  // namespace ponder::model
