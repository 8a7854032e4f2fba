#include "pipeline/standing.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/monitor.h"
#include "pipeline/progress.h"
#include "pipeline/recipe.h"
#include "pipeline/stage_list.h"
#include "report/last_failure.h"

namespace ponder::pipeline {

std::string Standing::sentence() const {
  if (word == "running") return fmt::format("running ({})", holder.value_or("?"));
  if (word == "done") return "done";
  const std::string where = fmt::format("{} {} {}", word, begun ? "in" : "before", stage);
  if (word == "failed") return where + ": " + reason;
  return fmt::format("{}{}; the same `ponder run` goes on from there", where,
                     reason.empty() ? "" : ": " + reason);
}

Standing standing_of(const pool::Pool& pool, const std::filesystem::path& folder,
                     const std::vector<std::string>& planned) {
  Standing it;
  const std::vector<pool::StageRecord> stages = pool.stages();
  const auto known = [&](const std::string& name) {
    return std::any_of(stages.begin(), stages.end(),
                       [&](const pool::StageRecord& stage) { return stage.name == name; });
  };
  for (const std::string& name : planned)
    if (!known(name)) it.to_come.push_back(name);
  it.holder = lock_holder(folder / "lock");
  if (it.holder) {
    it.word = "running";
    return it;
  }
  const auto open = std::find_if(stages.begin(), stages.end(), [](const pool::StageRecord& stage) {
    return stage.state != pool::StageState::kDone;
  });
  it.begun = open != stages.end();
  if (it.begun)
    it.stage = open->name;
  else if (!it.to_come.empty())
    it.stage = it.to_come[0];
  const auto failure = report::last_failure(pool, folder);
  if (failure && !failure->stage.empty()) {
    it.stage = failure->stage;
    it.begun = known(it.stage);
  }
  if (it.stage.empty()) {  // that a run which is done was refused changes nothing
    it.word = "done";
  } else if (failure) {
    it.word = "failed";
    it.reason = failure->reason;
  } else {
    it.word = "stopped";
    if (read_progress(folder))
      it.reason = "its process ended without a word (killed, out of memory, or the power failed)";
  }
  return it;
}

std::vector<std::string> planned_stages(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  try {
    const Recipe recipe = load_recipe(folder / "recipe.toml", {}, RecipeFiles::kOfARun);
    for (const Stage& stage : stages_of(recipe)) names.push_back(stage.name);
  } catch (const Error&) {  // a pool without a recipe, or a recipe of another version
  }
  return names;
}

void record_refusal(const std::filesystem::path& folder, const std::string& reason) {
  try {
    if (!std::filesystem::exists(folder / "run.db") || lock_holder(folder / "lock")) return;
    JsonLinesMonitor(folder / "log.jsonl").record("error", {{"stage", ""}, {"text", reason}});
  } catch (const std::exception&) {  // the caller tells it on the terminal
  }
}

}  // namespace ponder::pipeline
