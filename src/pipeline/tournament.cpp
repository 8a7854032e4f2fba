#include "pipeline/tournament.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file.h"
#include "base/folder_swap.h"
#include "pipeline/run.h"
#include "pipeline/sources.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

// A copy of the run to go on from, whole or not at all.
void copy_run(const fs::path& run, const fs::path& to) {
  const LockFile lock(run / "lock");  // nobody writes
  const fs::path next = beside(to, ".next");
  fs::remove_all(next);
  fs::create_directories(next / "checkpoints");
  for (const char* name : {"recipe.toml", "run.db", "run.db-wal"})
    if (fs::exists(run / name)) fs::copy_file(run / name, next / name);
  const fs::path from = run / "checkpoints";
  if (fs::exists(from)) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(from)) {
      const fs::path place = next / "checkpoints" / entry.path().lexically_relative(from);
      if (entry.is_directory()) {
        fs::create_directories(place);
        continue;
      }
      std::error_code no_links;
      fs::create_hard_link(entry.path(), place, no_links);
      if (no_links) fs::copy_file(entry.path(), place);
    }
  }
  fs::rename(next, to);
}

// Throws Error where there is nothing to select from, or the recipe is not the run's.
void require_explored(const fs::path& run, const fs::path& recipe_file) {
  const pool::Pool pool = pool::Pool::open_read_only(run / "run.db");
  const std::optional<pool::StageRecord> explored = pool.stage("explore-1");
  if (!explored || explored->state != pool::StageState::kDone) {
    throw Error(run.string(), "has not explored yet: there is nothing to select from",
                "ponder run its recipe until explore-1");
  }
  const Recipe recipe = load_recipe(recipe_file, {}, RecipeFiles::kMayBeAbsent);
  const std::vector<std::string> differences =
      recipe_differences(read_file(run / "recipe.toml"), recipe.resolved);
  if (!differences.empty()) {
    throw Error(
        recipe_file.string(),
        fmt::format("is not the recipe of {}: {}", run.string(), fmt::join(differences, "; ")),
        "name the recipe that the run was begun with");
  }
}

TournamentEntry entry_of(const std::string& strategy, const pool::Pool& pool) {
  TournamentEntry entry{.strategy = strategy};
  if (const auto refine = pool.stage("refine-1")) {
    if (const auto result = pool::result_of<pool::RefineResult>(*refine)) entry.refine = *result;
  }
  if (const auto improve = pool.stage("improve-1")) entry.nothing = pool::nothing_of(*improve);
  for (const pool::ScoreRecord& score : pool.scores())
    if (score.model == "M2") entry.scores.push_back(score);
  return entry;
}

}  // namespace

std::vector<TournamentEntry> hold_tournament(const fs::path& run, const fs::path& recipe_file,
                                             ThreadPool& threads, Monitor& monitor,
                                             const std::atomic<bool>* stop) {
  require_explored(run, recipe_file);
  std::vector<TournamentEntry> entries;
  for (const Strategy strategy : kAllStrategies) {
    const std::string name(to_string(strategy));
    const fs::path folder = run / "tournament" / name;
    if (!fs::exists(folder)) {
      fs::create_directories(folder.parent_path());
      copy_run(run, folder);
    }
    const Recipe recipe = load_recipe(recipe_file, {"refine.strategy=\"" + name + "\""});
    monitor.info(fmt::format("tournament: {}", name));
    const std::string until = recipe.evaluate.benchmarks.empty() ? "improve-1" : "evaluate-M2";
    PipelineRun own(recipe, read_sources(recipe), folder, threads, monitor, stop, Changes::kRedone);
    const bool finished = own.execute(until, [](const pool::StageRecord&) {});
    entries.push_back(entry_of(name, own.pool()));
    entries.back().stopped = !finished;
    if (!finished) break;
  }
  return entries;
}

}  // namespace ponder::pipeline
