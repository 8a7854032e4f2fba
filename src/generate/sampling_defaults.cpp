#include "generate/sampling_defaults.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"

namespace ponder::generate {

std::string sampling_defaults_of(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "generation_config.json";
  if (!std::filesystem::exists(file)) return "";
  Json config;
  try {
    config = read_json_file(file);
  } catch (const Error&) {
    return "";
  }
  if (!config.is_object()) return "";
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

}  // namespace ponder::generate
