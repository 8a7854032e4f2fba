#include "generate/sampling_defaults.h"

#include <fmt/format.h>

#include <type_traits>

#include "base/error.h"
#include "base/json.h"

namespace ponder::generate {
namespace {

// An empty object where there is none that can be read.
Json generation_config_of(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "generation_config.json";
  if (!std::filesystem::exists(file)) return Json::object();
  try {
    Json config = read_json_file(file);
    return config.is_object() ? config : Json::object();
  } catch (const Error&) {
    return Json::object();
  }
}

}  // namespace

std::string sampling_defaults_of(const std::filesystem::path& folder) {
  const Json config = generation_config_of(folder);
  // What each means where it changes nothing.
  const std::pair<const char*, double> settings[] = {{"temperature", 1},
                                                     {"top_p", 1},
                                                     {"top_k", 0},
                                                     {"min_p", 0},
                                                     {"repetition_penalty", 1},
                                                     {"typical_p", 1},
                                                     {"presence_penalty", 0},
                                                     {"frequency_penalty", 0},
                                                     {"no_repeat_ngram_size", 0}};
  std::string text;
  for (const auto& [name, neutral] : settings) {
    const auto value = config.find(name);
    if (value == config.end() || !value->is_number() || value->get<double>() == neutral) continue;
    text += fmt::format("{}{} {:g}", text.empty() ? "" : ", ", name, value->get<double>());
  }
  return text;
}

std::string sampling_defaults_unused(const std::filesystem::path& folder) {
  const std::string settings = sampling_defaults_of(folder);
  if (settings.empty()) return "";
  return fmt::format(
      "generation_config.json of {} asks for {}: not used; temperature, top-p and top-k are those "
      "of "
      "flags and recipes, and there is no penalty on repetition",
      folder.filename().empty() ? folder.string() : folder.filename().string(), settings);
}

data::SamplingSettings as_the_model_asks(const std::filesystem::path& folder,
                                         data::SamplingSettings settings) {
  const Json config = generation_config_of(folder);
  const auto take = [&](const char* name, double lowest, double highest, auto& setting) {
    const auto value = config.find(name);
    if (value == config.end() || !value->is_number()) return;
    const double number = value->get<double>();
    if (number < lowest || number > highest) return;
    setting = static_cast<std::remove_reference_t<decltype(setting)>>(number);
  };
  take("temperature", 0, 100, settings.temperature);
  take("top_p", 1e-6, 1, settings.top_p);
  take("top_k", 0, 1 << 20, settings.top_k);
  if (const auto sampled = config.find("do_sample");
      sampled != config.end() && sampled->is_boolean() && !sampled->get<bool>())
    settings.temperature = 0;
  return settings;
}

}  // namespace ponder::generate
