#include "pipeline/run_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "base/error.h"
#include "data/shards.h"
#include "model/checkpoint.h"
#include "pipeline/stage_list.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

constexpr const char* kBase = "M0";
constexpr size_t kShownDigits = 12;  // of a hash

struct SourceFiles {
  std::string owner;  // the recipe's key
  pool::SourceRecord::Role role;
  size_t set;  // of demonstrations
  std::vector<pool::FileRecord> files;
};

std::vector<SourceFiles> source_files(const Recipe& recipe) {
  std::vector<SourceFiles> all;
  const auto add = [&](const std::vector<DataSource>& sources, const std::string& key,
                       pool::SourceRecord::Role role, size_t set) {
    for (size_t i = 0; i < sources.size(); ++i) {
      const fs::path& file = sources[i].file;
      if (file.empty()) continue;  // what is made is said by the recipe's keys
      const std::string owner = fmt::format("{}[{}]", key, i);
      all.push_back({owner,
                     role,
                     set,
                     {{owner, file.filename().string(), data::source_bytes(file),
                       data::source_sha256(file)}}});
    }
  };
  using Role = pool::SourceRecord::Role;
  add(recipe.evaluate.benchmarks, "evaluate.benchmarks", Role::kBenchmark, 0);
  for (size_t set = 0; set < recipe.imitation.size(); ++set) {
    const std::string key = set == 0 ? "imitate" : fmt::format("imitate.compare[{}]", set - 1);
    add(recipe.imitation[set].demonstrations, key + ".demonstrations", Role::kDemonstrations, set);
  }
  add(recipe.explore.problems, "explore.problems", Role::kProblems, 0);
  return all;
}

// The stages that have begun and read it, themselves or over the stages before them.
template <class Reads>
std::string used_by(const Recipe& recipe, const pool::Pool& pool, const Reads& reads) {
  std::vector<std::string> names, made;
  for (const Stage& stage : stages_of(recipe)) {
    if (!pool.stage(stage.name)) continue;
    const auto among = [](const std::vector<std::string>& list, const std::string& name) {
      return std::find(list.begin(), list.end(), name) != list.end();
    };
    bool used = reads(stage) || among(made, stage.input);
    for (const std::string& before : stage.reads)
      used = used || (before != "ingest" && among(names, before));
    if (!used) continue;
    names.push_back(stage.name);
    if (!stage.output.empty()) made.push_back(stage.output);
  }
  return names.empty() ? "no stage yet" : fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::vector<pool::FileRecord> checkpoint_files(const fs::path& folder, const std::string& model) {
  std::vector<pool::FileRecord> files = {{model, "weights", 0, model::checkpoint_sha256(folder)}};
  for (const auto& [name, sha256] : model::settings_sha256(folder)) {
    files.push_back({model, name, static_cast<int64_t>(fs::file_size(folder / name)), sha256});
  }
  return files;
}

std::string file_differences(const std::vector<pool::FileRecord>& then,
                             const std::vector<pool::FileRecord>& now) {
  std::map<std::string, std::pair<std::string, std::string>> by_name;
  for (const pool::FileRecord& file : then) by_name[file.name].first = file.sha256;
  for (const pool::FileRecord& file : now) by_name[file.name].second = file.sha256;
  std::vector<std::string> differences;
  const auto shown = [](const std::string& sha256) {
    return sha256.empty() ? "absent" : "sha256 " + sha256.substr(0, kShownDigits) + "…";
  };
  for (const auto& [name, hashes] : by_name) {
    if (hashes.first == hashes.second) continue;
    differences.push_back(
        fmt::format("{}: {} then, {} now", name, shown(hashes.first), shown(hashes.second)));
  }
  return fmt::format("{}", fmt::join(differences, ", "));
}

void record_inputs(const Recipe& recipe, pool::Pool& pool) {
  pool::Pool::Transaction transaction(pool);
  for (const pool::FileRecord& file : pool.files())
    if (file.owner.ends_with(']')) pool.remove_file(file);  // a source
  for (const pool::FileRecord& file : checkpoint_files(recipe.base, kBase)) pool.add_file(file);
  for (const SourceFiles& source : source_files(recipe)) pool.add_file(source.files[0]);
  transaction.commit();
}

InputChanges input_changes(const Recipe& recipe, const pool::Pool& pool) {
  InputChanges found;
  if (pool.files(kBase).empty()) return found;
  const std::vector<pool::FileRecord> base = checkpoint_files(recipe.base, kBase);
  const std::vector<SourceFiles> sources = source_files(recipe);
  if (const std::string differences = file_differences(pool.files(kBase), base);
      !differences.empty()) {
    const auto reads = [](const Stage& stage) { return stage.input == kBase; };
    found.base = fmt::format("base ({}): {}; used by {}", recipe.base.string(), differences,
                             used_by(recipe, pool, reads));
  }
  for (const SourceFiles& source : sources) {
    std::vector<pool::FileRecord> then = pool.files(source.owner);
    if (!then.empty()) then[0].name = source.files[0].name;  // the file may have another name now
    const std::string differences = file_differences(then, source.files);
    if (differences.empty()) continue;
    // What stands in a benchmark is taken out of every other source.
    const bool taken_out =
        source.role == pool::SourceRecord::Role::kBenchmark && recipe.decontaminate;
    const auto reads = [&](const Stage& stage) {
      if (!stage.kind->sources) return stage.name == "ingest";
      if (taken_out) return true;
      if (*stage.kind->sources != source.role) return false;
      return source.role != pool::SourceRecord::Role::kDemonstrations || stage.set == source.set;
    };
    found.sources.push_back(
        fmt::format("{}: {}; used by {}", source.owner, differences, used_by(recipe, pool, reads)));
  }
  return found;
}

}  // namespace ponder::pipeline
