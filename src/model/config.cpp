#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/config_reader.h"
#include "model/config_rope.h"

namespace ponder {
namespace {

using Reader = ConfigReader;

const Architecture& read_architecture(const Reader& reader) {
  const std::string supported = "supported model types: " + supported_architectures();
  const std::string type = reader.string_or("model_type", "");
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

void refuse_unsupported(const Reader& reader, const Architecture& architecture) {
  if (const std::string act = reader.string_or("hidden_act", "silu"); act != "silu") {
    reader.fail("hidden_act", fmt::format("expected \"silu\", found \"{}\"", excerpt(act)));
  }
  const auto refuse_if_true = [&](std::string_view key, const char* advice) {
    if (!reader.boolean_or(key, false)) return;
    reader.fail(key,
                fmt::format("true is not supported for model_type {}", architecture.model_type),
                advice);
  };
  refuse_if_true("mlp_bias", "only models without biases in the MLP are supported");
  // Qwen2 has its biases without being asked; transformers ignores the key there.
  if (!architecture.qkv_bias)
    refuse_if_true("attention_bias", "only its models without biases in attention are supported");
  for (const std::string_view key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    if (reader.find(key)) reader.fail(key, "mixture of experts is not supported");
  }
  // Qwen2.5 sets sliding_window with use_sliding_window false: not in use.
  refuse_if_true("use_sliding_window", "models with \"use_sliding_window\": false are supported");
  if (!architecture.has_sliding_window && reader.find("sliding_window")) {
    reader.fail("sliding_window", "sliding-window attention is not supported");
  }
  if (const Json* types = reader.find("layer_types")) {
    const bool full =
        types->is_array() && std::all_of(types->begin(), types->end(),
                                         [](const Json& t) { return t == "full_attention"; });
    if (!full) {
      reader.fail("layer_types",
                  fmt::format("expected only \"full_attention\", found {}", Reader::show(*types)));
    }
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

DType read_dtype(const Reader& reader) {
  const std::string old_name = reader.string_or("torch_dtype", ""),
                    new_name = reader.string_or("dtype", "");
  if (!old_name.empty() && !new_name.empty() && old_name != new_name) {
    reader.fail(
        "dtype",
        fmt::format("is \"{}\", but torch_dtype is \"{}\"", excerpt(new_name), excerpt(old_name)),
        "remove one of them");
  }
  const std::string& name = new_name.empty() ? old_name : new_name;
  if (name.empty()) return DType::kF32;
  const std::optional<DType> dtype = dtype_from_name(name);
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
  refuse_unsupported(reader, architecture);

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
      absent_kv_heads == 0 || reader.has("num_key_value_heads") ? config.num_attention_heads
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
  const RopeConfig rope = read_rope(reader);
  config.rope_theta = rope.theta;
  config.rope_scaling = rope.scaling;
  config.rms_norm_eps = reader.number_or("rms_norm_eps", 1e-6, 1e-12, 1.0);
  config.initializer_range = reader.number_or("initializer_range", 0.02, 0.0, 10.0);
  config.tie_word_embeddings = reader.boolean_or("tie_word_embeddings", false);
  config.dtype = read_dtype(reader);
  config.eos_token_ids = read_eos_token_ids(json, where, config.vocab_size);
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
  if (rope_scaling.type != RopeScaling::Type::kNone) {
    json["rope_scaling"] = rope_scaling_json(rope_scaling);
  }
  json["rms_norm_eps"] = rms_norm_eps;
  json["initializer_range"] = initializer_range;
  json["tie_word_embeddings"] = tie_word_embeddings;
  if (!own.qkv_bias) json["attention_bias"] = false;
  if (own.has_sliding_window) json["use_sliding_window"] = false;
  json["torch_dtype"] = config_name(dtype);
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

int64_t ModelConfig::num_parameters() const {
  int64_t attention = hidden_size * (2 * q_size() + 2 * kv_size());
  if (qkv_bias()) attention += q_size() + 2 * kv_size();
  if (qk_norm()) attention += 2 * head_dim;
  const int64_t layer = attention + 3 * hidden_size * intermediate_size + 2 * hidden_size;
  const int64_t embeddings = vocab_size * hidden_size * (tie_word_embeddings ? 1 : 2);
  return embeddings + num_hidden_layers * layer + hidden_size;
}

double ModelConfig::forward_flops(int64_t tokens, int64_t row_length) const {
  const double c = static_cast<double>(hidden_size), q = static_cast<double>(q_size());
  const double kv = static_cast<double>(kv_size()), h = static_cast<double>(intermediate_size);
  const double layers = static_cast<double>(num_hidden_layers);
  const double matrices =
      layers * (c * (2 * q + 2 * kv) + 3 * c * h) + c * static_cast<double>(vocab_size);
  // Scores and their product with the values: 2 q_size each per visible key; a token sees half the
  // row on average.
  const double attention = layers * 4 * q * static_cast<double>(row_length) / 2;
  return static_cast<double>(tokens) * (2 * matrices + attention);
}

}  // namespace ponder
