#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace ponder {
namespace {

constexpr std::string_view kSupported =
    "supported model types: qwen2 (Qwen2, Qwen2.5 and models made from them)";

// Reads the keys of one config.json; every complaint names file and key.
class Reader {
 public:
  Reader(const Json& json, const std::string& where) : json_(json), where_(where) {
    if (!json.is_object()) {
      throw Error(where, fmt::format("expected an object, found {}", show(json)),
                  "is this a config.json?");
    }
  }

  [[noreturn]] void fail(std::string_view key, const std::string& problem,
                         std::string_view advice = "") const {
    throw Error(fmt::format("{}, key \"{}\"", where_, key), problem, std::string(advice));
  }

  // nullptr when the key is absent or null: transformers treats both alike.
  const Json* find(std::string_view key) const {
    const auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }

  const Json& require(std::string_view key) const {
    const Json* value = find(key);
    if (!value) fail(key, "is missing", "take the config.json that came with the model");
    return *value;
  }

  int64_t integer(std::string_view key, int64_t low, int64_t high) const {
    return checked_integer(key, require(key), low, high);
  }

  int64_t integer_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) const {
    const Json* value = find(key);
    return value ? checked_integer(key, *value, low, high) : fallback;
  }

  int64_t checked_integer(std::string_view key, const Json& value, int64_t low,
                          int64_t high) const {
    // An unsigned number is one beyond int64, or the same number: compare before converting.
    const bool fits = value.is_number_integer() &&
                      (!value.is_number_unsigned() ||
                       value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)) &&
                      value.get<int64_t>() >= low && value.get<int64_t>() <= high;
    if (!fits)
      fail(key, fmt::format("expected an integer from {} to {}, found {}", low, high, show(value)));
    return value.get<int64_t>();
  }

  double number_or(std::string_view key, double fallback, double low, double high) const {
    const Json* value = find(key);
    if (!value) return fallback;
    if (!value->is_number() || !(value->get<double>() >= low && value->get<double>() <= high)) {
      fail(key, fmt::format("expected a number from {} to {}, found {}", low, high, show(*value)));
    }
    return value->get<double>();
  }

  bool boolean_or(std::string_view key, bool fallback) const {
    const Json* value = find(key);
    if (!value) return fallback;
    if (!value->is_boolean())
      fail(key, fmt::format("expected true or false, found {}", show(*value)));
    return value->get<bool>();
  }

  std::string string_or(std::string_view key, std::string fallback) const {
    const Json* value = find(key);
    if (!value) return fallback;
    if (!value->is_string()) fail(key, fmt::format("expected a string, found {}", show(*value)));
    return value->get<std::string>();
  }

  static std::string show(const Json& value) { return excerpt(dump_json(value)); }

 private:
  const Json& json_;
  const std::string& where_;
};

void read_architecture(const Reader& reader) {
  const std::string type = reader.string_or("model_type", "");
  if (type.empty()) reader.fail("model_type", "is missing", kSupported);
  if (type != "qwen2")
    reader.fail("model_type", fmt::format("\"{}\" is not supported", excerpt(type)), kSupported);
  if (const Json* names = reader.find("architectures")) {
    const bool ours = names->is_array() &&
                      (names->empty() ||
                       std::find(names->begin(), names->end(), "Qwen2ForCausalLM") != names->end());
    if (!ours) {
      reader.fail("architectures",
                  fmt::format("expected [\"Qwen2ForCausalLM\"], found {}", Reader::show(*names)),
                  "only models that generate text are supported");
    }
  }
}

void refuse_unsupported(const Reader& reader) {
  if (const std::string act = reader.string_or("hidden_act", "silu"); act != "silu") {
    reader.fail("hidden_act", fmt::format("expected \"silu\", found \"{}\"", excerpt(act)));
  }
  // Qwen2.5 sets sliding_window with use_sliding_window false: not in use.
  if (reader.boolean_or("use_sliding_window", false) && reader.find("sliding_window")) {
    reader.fail("use_sliding_window", "sliding-window attention is not supported",
                "models with \"use_sliding_window\": false are");
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

// rope_scaling (older) or rope_parameters (newer), under which only the plain kind is supported.
void refuse_rope_scaling(const Reader& reader, std::string_view key) {
  const Json* value = reader.find(key);
  if (!value) return;
  if (!value->is_object())
    reader.fail(key, fmt::format("expected an object, found {}", Reader::show(*value)));
  for (const char* kind : {"rope_type", "type"}) {
    const auto it = value->find(kind);
    if (it != value->end() && *it != "default") {
      reader.fail(key, fmt::format("{} {} is not supported", kind, Reader::show(*it)),
                  "only RoPE without scaling is (\"default\" or null)");
    }
  }
  if (key == "rope_scaling" && !value->contains("rope_type") && !value->contains("type")) {
    reader.fail(key, fmt::format("expected null, found {}", Reader::show(*value)),
                "RoPE scaling is not supported");
  }
}

double read_rope_theta(const Reader& reader, const Json& json, const std::string& where) {
  constexpr double kLow = 1.0, kHigh = 1e12;
  refuse_rope_scaling(reader, "rope_scaling");
  refuse_rope_scaling(reader, "rope_parameters");
  const double plain = reader.number_or("rope_theta", 10000.0, kLow, kHigh);
  if (!reader.find("rope_parameters")) return plain;
  const Reader inner(json.at("rope_parameters"), where + ", key \"rope_parameters\"");
  const double nested = inner.number_or("rope_theta", plain, kLow, kHigh);
  if (reader.find("rope_theta") && nested != plain) {
    reader.fail("rope_theta", fmt::format("is {}, but rope_parameters says {}", plain, nested),
                "remove one of them");
  }
  return nested;
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
  read_architecture(reader);
  refuse_unsupported(reader);

  // Upper limits: beyond any published model, and small enough that no product below leaves 63
  // bits.
  ModelConfig config;
  config.vocab_size = reader.integer("vocab_size", 1, int64_t{1} << 24);
  config.hidden_size = reader.integer("hidden_size", 1, int64_t{1} << 17);
  config.intermediate_size = reader.integer("intermediate_size", 1, int64_t{1} << 20);
  config.num_hidden_layers = reader.integer("num_hidden_layers", 1, 1024);
  config.num_attention_heads = reader.integer("num_attention_heads", 1, 1024);
  config.num_key_value_heads =
      reader.integer_or("num_key_value_heads", config.num_attention_heads, 1, 1024);
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    reader.fail("num_key_value_heads",
                fmt::format("{} does not divide num_attention_heads {}", config.num_key_value_heads,
                            config.num_attention_heads));
  }
  if (reader.find("head_dim")) {
    config.head_dim = reader.integer("head_dim", 2, 1024);
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
  config.max_position_embeddings =
      reader.integer_or("max_position_embeddings", 32768, 1, int64_t{1} << 30);
  config.rope_theta = read_rope_theta(reader, json, where);
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
  json["architectures"] = {"Qwen2ForCausalLM"};
  json["model_type"] = model_type;
  json["hidden_act"] = "silu";
  json["vocab_size"] = vocab_size;
  json["hidden_size"] = hidden_size;
  json["intermediate_size"] = intermediate_size;
  json["num_hidden_layers"] = num_hidden_layers;
  json["num_attention_heads"] = num_attention_heads;
  json["num_key_value_heads"] = num_key_value_heads;
  // transformers derives the usual head size itself, and so do converters that know no head_dim.
  if (head_dim * num_attention_heads != hidden_size) json["head_dim"] = head_dim;
  json["max_position_embeddings"] = max_position_embeddings;
  json["rope_theta"] = rope_theta;
  json["rms_norm_eps"] = rms_norm_eps;
  json["initializer_range"] = initializer_range;
  json["tie_word_embeddings"] = tie_word_embeddings;
  json["use_sliding_window"] = false;
  json["torch_dtype"] = config_name(dtype);
  if (eos_token_ids.size() == 1) json["eos_token_id"] = eos_token_ids[0];
  if (eos_token_ids.size() > 1) json["eos_token_id"] = eos_token_ids;
  return json;
}

int64_t ModelConfig::num_parameters() const {
  const int64_t attention = hidden_size * (2 * q_size() + 2 * kv_size());
  const int64_t bias = qkv_bias ? q_size() + 2 * kv_size() : 0;
  const int64_t layer = attention + bias + 3 * hidden_size * intermediate_size + 2 * hidden_size;
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
