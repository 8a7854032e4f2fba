#include "pipeline/stage_inputs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "data/shards.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"

namespace ponder::pipeline {
namespace {

// Whether `key` is `entry` or lies in the table or list of that name.
bool lies_in(std::string_view key, std::string_view entry) {
  return key.starts_with(entry) &&
         (key.size() == entry.size() || key[entry.size()] == '.' || key[entry.size()] == '[');
}

Json files_of(const Recipe& recipe) {
  Json files = Json::array();
  const auto add = [&](const std::vector<DataSource>& sources) {
    for (const DataSource& source : sources)
      files.push_back(source.file.empty() ? "" : data::source_sha256(source.file));
  };
  add(recipe.evaluate.benchmarks);
  for (const ImitationSet& set : recipe.imitation) add(set.demonstrations);
  add(recipe.explore.problems);
  return files;
}

}  // namespace

std::map<std::string, std::string> keys_of(const Stage& stage, const Recipe& recipe) {
  const StageKind& kind = *stage.kind;
  const std::string own = fmt::format("dpo[{}].", stage.set);
  std::map<std::string, std::string> keys;
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
    const bool as_before = (key.ends_with(".forms") && value.find("exact") != std::string::npos) ||
                           (&kind == &kIngest && key == "thought_form" &&
                            value.find("as-written") == std::string::npos);
    // Who samples counts where the stage's rows are others for it.
    if (key == "fleet.kind" && !recipe.fleet.samples_otherwise(kind.name)) continue;
    // A file is what its bytes are, wherever it lies.
    if (!read || as_before || key.ends_with(".file")) continue;
    if (!key.starts_with("dpo[")) {
      keys[key] = value;
    } else if (key.starts_with(own)) {
      const std::string short_key = "dpo." + key.substr(own.size());
      // Names and places: what they stand for is its input and what it reads.
      const bool place =
          short_key == "dpo.name" || short_key == "dpo.from" || short_key.starts_with("dpo.rounds");
      if (!place) keys[short_key] = value;
    }
  }
  return keys;
}

KnownInputs known_inputs(const pool::Pool& pool) {
  KnownInputs known;
  for (const pool::ModelRecord& model : pool.models()) known.models[model.name] = model.sha256;
  for (const pool::StageRecord& stage : pool.stages())
    known.stages[stage.name] = stage.inputs_sha256;
  for (const pool::SourceRecord& source : pool.sources())
    known.sources.push_back(
        {source.role, source.set, source.rows_sha256, static_cast<int64_t>(source.account.kept)});
  return known;
}

std::string inputs_sha256(const Stage& stage, const Recipe& recipe, const pool::Pool& pool) {
  return inputs_sha256(stage, recipe, known_inputs(pool));
}

std::string inputs_sha256(const Stage& stage, const Recipe& recipe, const KnownInputs& known) {
  const StageKind& kind = *stage.kind;
  Json inputs = {{"kind", kind.name}, {"version", kind.version}, {"keys", keys_of(stage, recipe)}};
  if (!stage.input.empty()) {
    const auto model = known.models.find(stage.input);
    if (model == known.models.end()) return "";
    inputs["model"] = model->second;
  }
  if (stage.kind == &kIngest) {
    inputs["files"] = files_of(recipe);
    inputs["explores"] = recipe.explore.rounds > 0;  // else nobody reads the problems
  }
  for (const std::string& name : stage.reads) {
    if (name == kIngest.name) continue;  // its sources, below
    const auto read = known.stages.find(name);
    if (read == known.stages.end() || read->second.empty()) return "";
    inputs["stages"].push_back(read->second);
  }
  if (kind.sources) {
    const bool one_set = *kind.sources == pool::SourceRecord::Role::kDemonstrations;
    int64_t total = 0;
    const std::string set = one_set ? recipe.imitation[stage.set].name : "";
    for (const KnownInputs::Source& source : known.sources) {
      if (source.role != *kind.sources || (one_set && source.set != set)) continue;
      inputs["sources"].push_back(Json::array({source.set, source.rows_sha256}));
      total += source.kept;
    }
    // A round's share of the problems is what counts of the recipe's rounds.
    if (*kind.sources == pool::SourceRecord::Role::kProblems)
      inputs["problems"] = round_of(recipe.explore, stage.round, total);
  }
  return sha256_hex(dump_json(inputs));
}

}  // namespace ponder::pipeline
