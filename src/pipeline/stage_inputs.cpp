#include "pipeline/stage_inputs.h"

#include <algorithm>

#include "base/hash.h"
#include "pipeline/stages/kinds.h"

namespace ponder::pipeline {
namespace {

// Whether `key` is `entry` or lies in the table or list of that name.
bool lies_in(std::string_view key, std::string_view entry) {
  return key.starts_with(entry) &&
         (key.size() == entry.size() || key[entry.size()] == '.' || key[entry.size()] == '[');
}

Json keys_of(const StageKind& kind, const Recipe& recipe) {
  Json keys = Json::object();
  for (const auto& [key, value] : recipe_keys(recipe.resolved)) {
    bool read = false;
    for (const std::string_view entry : kind.keys) {
      if (!entry.starts_with('-')) {
        read = read || lies_in(key, entry);
      } else if (lies_in(key, entry.substr(1))) {
        read = false;
        break;
      }
    }
    // A key younger than runs that go on: its default is what they had.
    const bool as_before = key.ends_with(".forms") && value.find("exact") != std::string::npos;
    // A file is what its bytes are, wherever it lies.
    if (read && !as_before && !key.ends_with(".file")) keys[key] = value;
  }
  return keys;
}

Json files_of(const Recipe& recipe) {
  Json files = Json::array();
  const auto add = [&](const std::vector<DataSource>& sources) {
    for (const DataSource& source : sources)
      files.push_back(source.file.empty() ? "" : sha256_file(source.file));
  };
  add(recipe.evaluate.benchmarks);
  for (const ImitationSet& set : recipe.imitation) add(set.demonstrations);
  add(recipe.explore.problems);
  return files;
}

}  // namespace

std::string inputs_sha256(const Stage& stage, const Recipe& recipe, const pool::Pool& pool) {
  const StageKind& kind = *stage.kind;
  Json inputs = {{"kind", kind.name}, {"version", kind.version}, {"keys", keys_of(kind, recipe)}};
  if (!stage.input.empty()) {
    const std::optional<pool::ModelRecord> model = pool.model_named(stage.input);
    if (!model) return "";
    inputs["model"] = model->sha256;
  }
  if (stage.kind == &kIngest) inputs["files"] = files_of(recipe);
  for (const std::string& name : stage.reads) {
    const std::optional<pool::StageRecord> read = pool.stage(name);
    if (!read) return "";
    if (read->kind == kIngest.name) continue;  // its sources, below
    if (read->inputs_sha256.empty()) return "";
    inputs["stages"].push_back(read->inputs_sha256);
  }
  if (kind.sources) {
    const bool one_set = *kind.sources == pool::SourceRecord::Role::kDemonstrations;
    const std::string set = one_set ? recipe.imitation[stage.set].name : "";
    for (const pool::SourceRecord& source : pool.sources()) {
      if (source.role != *kind.sources || (one_set && source.set != set)) continue;
      inputs["sources"].push_back(Json::array({source.set, source.rows_sha256}));
    }
  }
  return sha256_hex(dump_json(inputs));
}

}  // namespace ponder::pipeline
