#include "pipeline/smoke.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/file.h"
#include "pipeline/recipe.h"
#include "pipeline/toml_section.h"

namespace ponder::pipeline {
namespace {

constexpr int64_t kRows = 5, kSamples = 4, kTokens = 256;

void at_most(toml::table& table, const char* key, int64_t most) {
  const auto value = table[key].value<int64_t>();
  // 0 is no limit.
  if (value && (*value == 0 || *value > most)) table.insert_or_assign(key, most);
}

void shorten_sources(toml::table& section, const char* key, int64_t rows) {
  toml::array* sources = section[key].as_array();
  if (!sources) return;
  for (toml::node& node : *sources)
    if (toml::table* source = node.as_table()) at_most(*source, "count", rows);
}

void shorten_training(toml::table& table) {
  at_most(table, "epochs", 1);
  at_most(table, "batch_rows", kRows);
  at_most(table, "probe_problems", 0);
}

std::string written(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& it) { out << it; });
  return out.str();
}

// A table by its keys: written on its own it would be a document, not a value.
void override_with(const std::string& key, const toml::node& node, std::vector<std::string>& out) {
  if (const toml::table* table = node.as_table()) {
    for (const auto& [name, value] : *table)
      override_with(fmt::format("{}.{}", key, name.str()), value, out);
  } else {
    out.push_back(fmt::format("{}={}", key, written(node)));
  }
}

}  // namespace

std::vector<std::string> smoke_overrides(const std::filesystem::path& file,
                                         const std::vector<std::string>& overrides) {
  const Recipe recipe = load_recipe(file, overrides);
  toml::table root = parse_toml(recipe.resolved, "recipe");
  std::vector<std::string> out = {fmt::format("name=\"{}-smoke\"", recipe.name)};
  if (toml::table* sft = root["sft"].as_table()) shorten_training(*sft);
  if (toml::table* imitate = root["imitate"].as_table()) {
    shorten_sources(*imitate, "demonstrations", kRows);
    at_most(*imitate, "rows", kRows);
    if (toml::array* sets = (*imitate)["compare"].as_array()) {
      for (toml::node& node : *sets) {
        if (toml::table* set = node.as_table()) {
          shorten_sources(*set, "demonstrations", kRows);
          at_most(*set, "rows", kRows);
        }
      }
    }
  }
  if (toml::table* explore = root["explore"].as_table()) {
    shorten_sources(*explore, "problems", kRows * std::max<int64_t>(1, recipe.explore.rounds));
    at_most(*explore, "rows", kRows * std::max<int64_t>(1, recipe.explore.rounds));
    at_most(*explore, "problems_per_round", kRows);
    at_most(*explore, "samples", kSamples);
    at_most(*explore, "max_tokens", kTokens);
  }
  if (toml::table* dpo = root["dpo"].as_table()) shorten_training(*dpo);
  if (toml::array* variants = root["dpo"].as_array()) {
    for (toml::node& node : *variants)
      if (toml::table* variant = node.as_table()) shorten_training(*variant);
  }
  if (toml::table* evaluate = root["evaluate"].as_table()) {
    shorten_sources(*evaluate, "benchmarks", kRows);
    at_most(*evaluate, "samples", kSamples);
    at_most(*evaluate, "max_tokens", kTokens);
  }
  for (const char* key : {"sft", "imitate", "explore", "dpo", "evaluate"})
    if (const toml::node* node = root.get(key)) override_with(key, *node, out);
  if (toml::table* teacher = root["teacher"].as_table()) {  // its answers serve the whole run too
    shorten_sources(*teacher, "problems", kRows);
    out.push_back("teacher.problems=" + written(*teacher->get("problems")));
  }
  return out;
}

}  // namespace ponder::pipeline
