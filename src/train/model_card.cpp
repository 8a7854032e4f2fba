#include "train/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/file.h"

namespace ponder::train {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxCardBytes = uint64_t{4} << 20;
constexpr const char* kLicenseKeys[] = {"license", "license_name", "license_link"};

fs::path base_card(const fs::path& folder) {
  const fs::path kept = folder / "README.base.md", own = folder / "README.md";
  return fs::exists(kept) ? kept : fs::exists(own) ? own : fs::path();
}

// A value of ponder.json as a person writes it.
std::string shown(const Json& value) {
  return value.is_string() ? value.get<std::string>() : dump_json(value);
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? "" : shown(*found);
}

// For a table: one line, without the bars that would end the cell.
std::string cell(std::string text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c == '\n' || c == '\r' ? ' ' : c;
  }
  return result;
}

// A plain YAML scalar where that is safe, a quoted one (JSON is YAML) elsewhere.
std::string yaml(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
  }) && std::isalpha(static_cast<unsigned char>(text[0]));
  return plain ? text : dump_json(text);
}

std::string front_matter(const Json& base, const std::string& objective) {
  std::string text = "---\n";
  text += "base_model: " + yaml(text_of(base, "name")) + "\n";
  text += "library_name: transformers\npipeline_tag: text-generation\n";
  for (const char* key : kLicenseKeys) {
    if (const std::string value = text_of(base, key); !value.empty())
      text += fmt::format("{}: {}\n", key, value);
  }
  text += "tags:\n- ponder\n- reasoning\n";
  if (!objective.empty()) text += fmt::format("- {}\n", yaml(objective));
  return text + "---\n\n";
}

std::string data_section(const Json& sources) {
  std::string text =
      "## Data\n\n| source | rows | kept | duplicates | rejected |\n|---|---|---|---|---|\n";
  for (const Json& source : sources) {
    std::string rejected;
    const Json reasons = source.value("rejected", Json::object());
    for (const auto& [reason, count] : reasons.items())
      rejected += fmt::format("{}{} {}", rejected.empty() ? "" : ", ", reason, shown(count));
    text += fmt::format("| {} | {} | {} | {} | {} |\n", cell(text_of(source, "source")),
                        text_of(source, "rows"), text_of(source, "kept"),
                        text_of(source, "duplicates"), rejected.empty() ? "none" : cell(rejected));
  }
  return text + "\n";
}

std::string settings_section(const Json& manifest, const Json& training) {
  std::string text = "## Settings\n\n| setting | value |\n|---|---|\n";
  const auto line = [&](const std::string& key, const Json& value) {
    text += fmt::format("| {} | {} |\n", cell(key), cell(shown(value)));
  };
  for (const auto& [key, value] : training.items()) {
    if (!key.ends_with("sha256")) line(key, value);
  }
  for (const char* key : {"chat_template", "max_length", "num_steps"}) {
    if (manifest.contains(key)) line(key, manifest.at(key));
  }
  return text + "\n";
}

std::string scores_section(const Json& scores) {
  if (scores.empty()) return "## Scores\n\nNone are known yet; `ponder eval` measures them.\n\n";
  std::string text =
      "## Scores\n\n| benchmark | n | samples | accuracy | 95 % interval | finished | format "
      "failures "
      "|\n|---|---|---|---|---|---|---|\n";
  const auto percent = [](const Json& value) {
    return fmt::format("{:.1f} %", 100 * value.get<double>());
  };
  for (const Json& score : scores) {
    const Json& interval = score.at("interval_95");
    text += fmt::format("| {} | {} | {} | {} | {} to {} | {} | {} |\n",
                        cell(text_of(score, "benchmark")), text_of(score, "n"),
                        text_of(score, "samples"), percent(score.at("accuracy")),
                        percent(interval.at(0)), percent(interval.at(1)),
                        percent(score.at("finished")), percent(score.at("format_failures")));
  }
  return text + "\n";
}

std::string code(const std::string& language, const std::string& text) {
  return fmt::format("````{}\n{}{}````\n\n", language, text, text.ends_with('\n') ? "" : "\n");
}

std::string reproduce_section(const Json& manifest) {
  const std::string command = text_of(manifest, "command"),
                    recipe = text_of(manifest, "recipe_toml");
  if (command.empty() && recipe.empty()) return "";
  std::string text = "## Made by\n\n";
  if (!command.empty()) text += code("sh", command);
  if (!recipe.empty()) text += "with this recipe as `recipe.toml`:\n\n" + code("toml", recipe);
  return text;
}

}  // namespace

Json base_facts(const fs::path& folder, const std::string& sha256) {
  Json facts = Json::object();
  facts["name"] = folder.empty() ? "" : fs::weakly_canonical(folder).filename().string();
  facts["sha256"] = sha256;
  const fs::path card = folder.empty() ? fs::path() : base_card(folder);
  if (card.empty()) return facts;
  std::istringstream lines(read_file(card, kMaxCardBytes));
  std::string line;
  if (!std::getline(lines, line) || !line.starts_with("---")) return facts;
  while (std::getline(lines, line) && !line.starts_with("---")) {
    for (const char* key : kLicenseKeys) {
      const std::string prefix = std::string(key) + ":";
      if (!line.starts_with(prefix)) continue;
      const size_t begin = line.find_first_not_of(" \t", prefix.size());
      const size_t end = line.find_last_not_of(" \t\r");
      if (begin != line.npos) facts[key] = line.substr(begin, end + 1 - begin);
    }
  }
  return facts;
}

std::string model_card(const Json& manifest, const Json& scores) {
  const Json base = manifest.value("base", Json::object());
  const Json training = manifest.value("training", Json::object());
  const std::string base_name = text_of(base, "name"), objective = text_of(training, "objective");
  const std::string model = text_of(manifest, "model");

  std::string text = front_matter(base, objective);
  text += model.empty() ? fmt::format("# {} after {}\n\n", base_name, objective)
                        : fmt::format("# {}\n\n", model);
  text += fmt::format("`{}` (weights sha256 `{}`), trained with ponder {}.\n\n", base_name,
                      text_of(base, "sha256"), text_of(manifest, "ponder"));
  if (const auto done = manifest.find("steps_done"), all = manifest.find("num_steps");
      done != manifest.end() && all != manifest.end() && *done != *all) {
    text += fmt::format("**Training is not finished: {} of {} steps are done.**\n\n", shown(*done),
                        shown(*all));
  }
  if (const auto sources = manifest.find("sources"); sources != manifest.end())
    text += data_section(*sources);
  text += settings_section(manifest, training);
  text += scores_section(scores);
  text += reproduce_section(manifest);
  text += "## Hashes\n\n| what | sha256 |\n|---|---|\n";
  text += fmt::format("| weights | `{}` |\n", text_of(manifest, "sha256"));
  if (const std::string hash = text_of(manifest, "template_sha256"); !hash.empty())
    text += fmt::format("| chat template | `{}` |\n", hash);
  if (const std::string hash = text_of(training, "rows_sha256"); !hash.empty())
    text += fmt::format("| training rows | `{}` |\n", hash);
  return text;
}

void write_model_card(const fs::path& folder, const Json& scores) {
  write_file_atomic(folder / "README.md",
                    model_card(read_json_file(folder / "ponder.json"), scores));
}

void keep_base_card(const fs::path& from, const fs::path& to) {
  const fs::path card = from.empty() ? fs::path() : base_card(from);
  if (!card.empty()) write_file_atomic(to / "README.base.md", read_file(card, kMaxCardBytes));
}

}  // namespace ponder::train
