#include "model/config_rope.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ponder {
namespace {

constexpr std::string_view kTypes = "supported are default, linear and llama3";
constexpr std::string_view kKeys[] = {"rope_type",
                                      "type",
                                      "rope_theta",
                                      "factor",
                                      "low_freq_factor",
                                      "high_freq_factor",
                                      "original_max_position_embeddings",
                                      "partial_rotary_factor"};
constexpr double kMaxFactor = 1e6;

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

RopeScaling read_scaling(const JsonFields& rope, bool type_required) {
  RopeScaling scaling;
  const std::string type = read_type(rope, type_required);
  if (type != "default" && type != "linear" && type != "llama3") {
    rope.fail(rope.find("rope_type") ? "rope_type" : "type",
              fmt::format("\"{}\" is not supported", excerpt(type)), kTypes);
  }
  for (const auto& [key, value] : rope.json().items()) {
    if (std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys) || value.is_null())
      continue;
    rope.fail(excerpt(key, 60), fmt::format("is not known of RoPE of type {}", type),
              "leaving it out could change the model; remove it only if it has no meaning");
  }
  if (rope.number_or("partial_rotary_factor", 1.0, 0.0, 1.0) != 1.0) {
    rope.fail("partial_rotary_factor", "RoPE over a part of each head is not supported");
  }
  if (type == "default") return scaling;
  scaling.factor = rope.number("factor", 1.0, kMaxFactor);
  if (type == "linear") {
    scaling.type = RopeScaling::Type::kLinear;
    return scaling;
  }
  scaling.type = RopeScaling::Type::kLlama3;
  scaling.low_freq_factor = rope.number("low_freq_factor", 1e-6, kMaxFactor);
  scaling.high_freq_factor = rope.number("high_freq_factor", 1e-6, kMaxFactor);
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    rope.fail("high_freq_factor", fmt::format("expected more than low_freq_factor {}, found {}",
                                              scaling.low_freq_factor, scaling.high_freq_factor));
  }
  scaling.original_max_position_embeddings =
      rope.integer("original_max_position_embeddings", 1, int64_t{1} << 30);
  return scaling;
}

}  // namespace

RopeConfig read_rope(const JsonFields& reader) {
  constexpr double kLow = 1.0, kHigh = 1e12;
  RopeConfig rope;
  rope.theta = reader.number_or("rope_theta", rope.theta, kLow, kHigh);
  if (reader.find("rope_scaling")) rope.scaling = read_scaling(reader.fields("rope_scaling"), true);
  if (!reader.find("rope_parameters")) return rope;

  const JsonFields parameters = reader.fields("rope_parameters");
  const RopeScaling scaling = read_scaling(parameters, false);
  if (reader.find("rope_scaling") && !(scaling == rope.scaling)) {
    reader.fail("rope_scaling", "says something else than rope_parameters", "remove one of them");
  }
  const double theta = parameters.number_or("rope_theta", rope.theta, kLow, kHigh);
  if (reader.find("rope_theta") && theta != rope.theta) {
    reader.fail("rope_theta", fmt::format("is {}, but rope_parameters says {}", rope.theta, theta),
                "remove one of them");
  }
  return {theta, scaling};
}

Json rope_scaling_json(const RopeScaling& scaling) {
  if (scaling.type == RopeScaling::Type::kNone) return nullptr;
  Json json = Json::object();
  json["factor"] = scaling.factor;
  if (scaling.type == RopeScaling::Type::kLinear) {
    json["rope_type"] = "linear";
    return json;
  }
  json["high_freq_factor"] = scaling.high_freq_factor;
  json["low_freq_factor"] = scaling.low_freq_factor;
  json["original_max_position_embeddings"] = scaling.original_max_position_embeddings;
  json["rope_type"] = "llama3";
  return json;
}

}  // namespace ponder
