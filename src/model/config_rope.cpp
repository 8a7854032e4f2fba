#include "model/config_rope.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ponder::model {
namespace {

constexpr std::string_view kTypes = "supported are default, linear, llama3 and yarn";
constexpr std::string_view kKeys[] = {"rope_type",
                                      "type",
                                      "rope_theta",
                                      "factor",
                                      "low_freq_factor",
                                      "high_freq_factor",
                                      "original_max_position_embeddings",
                                      "partial_rotary_factor"};
constexpr std::string_view kYarnKeys[] = {"beta_fast", "beta_slow",      "attention_factor",
                                          "mscale",    "mscale_all_dim", "truncate"};
constexpr double kMaxFactor = 1e6;
constexpr double kLowTheta = 1.0, kHighTheta = 1e12;

// Under rope_type, or type as it was first called; both may stand if they agree.
std::string read_type(const JsonFields& rope, bool required) {
  const std::string old_name = rope.text_or("type", ""), name = rope.text_or("rope_type", "");
  if (!old_name.empty() && !name.empty() && old_name != name) {
    rope.fail("rope_type",
              fmt::format("is \"{}\", but type is \"{}\"", excerpt(name), excerpt(old_name)),
              "only RoPE that both describe alike is supported");
  }
  if (!name.empty()) return name;
  if (!old_name.empty()) return old_name;
  if (required) rope.fail("rope_type", "is missing", kTypes);
  return "default";
}

// As transformers' _compute_yarn_parameters.
ops::RopeScaling read_yarn(const JsonFields& rope, ops::RopeScaling scaling) {
  scaling.type = ops::RopeScaling::Type::kYarn;
  scaling.beta_fast = rope.number_or("beta_fast", scaling.beta_fast, 1e-6, kMaxFactor);
  scaling.beta_slow = rope.number_or("beta_slow", scaling.beta_slow, 1e-6, kMaxFactor);
  if (scaling.beta_fast < scaling.beta_slow) {
    rope.fail("beta_fast", fmt::format("expected at least beta_slow {}, found {}",
                                       scaling.beta_slow, scaling.beta_fast));
  }
  const double mscale = rope.number_or("mscale", 0.0, 0.0, kMaxFactor);
  const double all_dim = rope.number_or("mscale_all_dim", 0.0, 0.0, kMaxFactor);
  const double inferred = mscale != 0.0 && all_dim != 0.0
                              ? ops::yarn_attention_factor(scaling.factor, mscale) /
                                    ops::yarn_attention_factor(scaling.factor, all_dim)
                              : ops::yarn_attention_factor(scaling.factor);
  scaling.attention_factor = rope.number_or("attention_factor", inferred, 1e-6, kMaxFactor);
  scaling.truncate = rope.boolean_or("truncate", true);
  return scaling;
}

ops::RopeScaling read_scaling(const JsonFields& rope, bool type_required) {
  ops::RopeScaling scaling;
  const std::string type = read_type(rope, type_required);
  if (type != "default" && type != "linear" && type != "llama3" && type != "yarn") {
    rope.fail(rope.find("rope_type") ? "rope_type" : "type",
              fmt::format("\"{}\" is not supported", excerpt(type)), kTypes);
  }
  for (const auto& [key, value] : rope.json().items()) {
    const bool known = std::ranges::count(kKeys, key) > 0 ||
                       (type == "yarn" && std::ranges::count(kYarnKeys, key) > 0);
    if (known || value.is_null()) continue;
    rope.fail(excerpt(key, 60), fmt::format("is not known of RoPE of type {}", type),
              "leaving it out could change the model; remove it only if it has no meaning");
  }
  if (rope.number_or("partial_rotary_factor", 1.0, 0.0, 1.0) != 1.0) {
    rope.fail("partial_rotary_factor", "RoPE over a part of each head is not supported");
  }
  if (type == "default") return scaling;
  scaling.factor = rope.number("factor", 1.0, kMaxFactor);
  if (type == "linear") {
    scaling.type = ops::RopeScaling::Type::kLinear;
    return scaling;
  }
  scaling.original_max_position_embeddings =
      rope.integer("original_max_position_embeddings", 1, int64_t{1} << 30);
  if (type == "yarn") return read_yarn(rope, scaling);
  scaling.type = ops::RopeScaling::Type::kLlama3;
  scaling.low_freq_factor = rope.number("low_freq_factor", 1e-6, kMaxFactor);
  scaling.high_freq_factor = rope.number("high_freq_factor", 1e-6, kMaxFactor);
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    rope.fail("high_freq_factor", fmt::format("expected more than low_freq_factor {}, found {}",
                                              scaling.low_freq_factor, scaling.high_freq_factor));
  }
  return scaling;
}

RopeConfig read_for_all_layers(const JsonFields& reader, RopeConfig rope) {
  rope.theta = reader.number_or("rope_theta", rope.theta, kLowTheta, kHighTheta);
  if (reader.find("rope_scaling")) rope.scaling = read_scaling(reader.fields("rope_scaling"), true);
  if (!reader.find("rope_parameters")) return rope;

  const JsonFields parameters = reader.fields("rope_parameters");
  const ops::RopeScaling scaling = read_scaling(parameters, false);
  if (reader.find("rope_scaling") && !(scaling == rope.scaling)) {
    reader.fail("rope_scaling", "says something else than rope_parameters", "remove one of them");
  }
  const double theta = parameters.number_or("rope_theta", rope.theta, kLowTheta, kHighTheta);
  if (reader.find("rope_theta") && theta != rope.theta) {
    reader.fail("rope_theta", fmt::format("is {}, but rope_parameters says {}", rope.theta, theta),
                "remove one of them");
  }
  return {theta, scaling};
}

RopeConfig read_by_layer_type(const JsonFields& reader, RopeConfig rope) {
  if (reader.number_or("rope_theta", rope.theta, kLowTheta, kHighTheta) != rope.theta) {
    reader.fail("rope_theta",
                fmt::format("other than {} is that of the layers with full attention only, in "
                            "transformers",
                            rope.theta),
                "say it for both layer types in rope_parameters");
  }
  if (reader.find("rope_scaling")) rope.scaling = read_scaling(reader.fields("rope_scaling"), true);
  if (reader.find("rope_parameters")) {
    if (reader.find("rope_scaling"))
      reader.fail("rope_scaling", "stands beside rope_parameters", "remove one of them");
    const JsonFields types = reader.fields("rope_parameters");
    RopeConfig sliding = rope;
    for (const auto& [type, value] : types.json().items()) {
      if (value.is_null()) continue;
      if (type != "full_attention" && type != "sliding_attention")
        types.fail(excerpt(type, 60), "is no type of layer");
      const JsonFields parameters = types.fields(type);
      RopeConfig& own = type == "full_attention" ? rope : sliding;
      own.theta = parameters.number_or("rope_theta", own.theta, kLowTheta, kHighTheta);
      own.scaling = read_scaling(parameters, false);
    }
    if (sliding.theta != rope.theta || sliding.scaling.type != ops::RopeScaling::Type::kNone) {
      types.fail("sliding_attention", "expected plain RoPE of full_attention's rope_theta");
    }
  }
  if (!rope.scaling.truncate)  // transformers looks for it where it is not
    reader.fail("truncate", "false is not supported with RoPE by the type of a layer");
  return rope;
}

}  // namespace

RopeConfig read_rope(const JsonFields& reader, const Architecture& architecture) {
  const RopeConfig none = {architecture.default_rope_theta, {}};
  const RopeConfig rope = architecture.rope_by_layer_type ? read_by_layer_type(reader, none)
                                                          : read_for_all_layers(reader, none);
  // YaRN's limits are logarithms to the base theta.
  if (rope.scaling.type == ops::RopeScaling::Type::kYarn && rope.theta <= 1.0)
    reader.fail("rope_theta", "expected more than 1 with RoPE of type yarn");
  return rope;
}

Json rope_scaling_json(const ops::RopeScaling& scaling) {
  if (scaling.type == ops::RopeScaling::Type::kNone) return nullptr;
  Json json = Json::object();
  json["factor"] = scaling.factor;
  if (scaling.type == ops::RopeScaling::Type::kLinear) {
    json["rope_type"] = "linear";
    return json;
  }
  json["original_max_position_embeddings"] = scaling.original_max_position_embeddings;
  if (scaling.type == ops::RopeScaling::Type::kYarn) {
    json["attention_factor"] = scaling.attention_factor;
    json["beta_fast"] = scaling.beta_fast;
    json["beta_slow"] = scaling.beta_slow;
    json["rope_type"] = "yarn";
    if (!scaling.truncate) json["truncate"] = false;
    return json;
  }
  json["high_freq_factor"] = scaling.high_freq_factor;
  json["low_freq_factor"] = scaling.low_freq_factor;
  json["rope_type"] = "llama3";
  return json;
}

}  // namespace ponder::model
