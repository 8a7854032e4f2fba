#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "cli/stop_signals.h"
#include "pipeline/progress.h"
#include "pipeline/recipe.h"
#include "pipeline/stage_list.h"
#include "pool/stage_result.h"
#include "report/alarms.h"
#include "report/preferences.h"
#include "report/report.h"

namespace ponder::cli {
namespace {

struct StatusOptions {
  CommonOptions common;
  std::string run;
  bool watch = false;
};

pool::Pool open_status(const std::string& folder) {
  return pool::Pool::open_read_only(std::filesystem::path(folder) / "run.db");
}

// A stage that runs and nobody works at was stopped or killed.
std::string state_of(const pool::StageRecord& stage, const std::optional<std::string>& holder) {
  if (stage.state == pool::StageState::kRunning && !holder) return "stopped";
  return std::string(pool::to_string(stage.state));
}

// A run as it stands: what its pool has, what its recipe still asks for, what it does now.
struct Standing {
  pool::Pool pool;
  std::optional<std::string> holder;
  std::vector<std::string> to_come;  // stages not begun
  size_t stages = 0;                 // of the recipe; 0: not known
  std::optional<Json> now;           // progress.json of a run that is at work
};

Standing standing_of(const std::string& run) {
  const std::filesystem::path folder(run);
  Standing it{open_status(run), lock_holder(folder / "lock"), {}, 0, {}};
  if (it.holder) it.now = pipeline::read_progress(folder);
  try {
    const pipeline::Recipe recipe =
        pipeline::load_recipe(folder / "recipe.toml", {}, pipeline::RecipeFiles::kMayBeAbsent);
    for (const pipeline::Stage& stage : pipeline::stages_of(recipe)) {
      ++it.stages;
      if (!it.pool.stage(stage.name)) it.to_come.push_back(stage.name);
    }
  } catch (const Error&) {  // a pool without a recipe, or a recipe of another version
  }
  return it;
}

std::string duration(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", seconds);
  if (seconds < 90 * 60) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{:.1f} h", seconds / 3600);
  return fmt::format("{:.1f} days", seconds / 86400);
}

// "running (pid 12 on host)", "failed: …", "stopped", "done".
std::string headline(const Standing& it) {
  if (it.holder) return fmt::format("running ({})", *it.holder);
  const std::vector<pool::StageRecord> stages = it.pool.stages();
  for (const pool::StageRecord& stage : stages) {
    if (stage.state == pool::StageState::kFailed)
      return fmt::format("failed in {}: {}", stage.name, pool::failure_of(stage));
  }
  for (const pool::StageRecord& stage : stages) {
    if (stage.state == pool::StageState::kRunning)
      return fmt::format("stopped in {}; the same `ponder run` goes on from there", stage.name);
  }
  return it.to_come.empty() ? "done" : fmt::format("stopped before {}", it.to_come[0]);
}

std::string now_text(const Json& now) {
  const auto text = [&](const char* key) {
    const auto field = now.find(key);
    return field != now.end() && field->is_string() ? field->get<std::string>() : std::string();
  };
  const auto number = [&](const char* key) {
    const auto field = now.find(key);
    return field != now.end() && field->is_number() ? std::optional(field->get<double>())
                                                    : std::nullopt;
  };
  std::string line = text("stage");
  if (const auto place = number("number"), of = number("stages"); place && of)
    line += fmt::format(", stage {:.0f} of {:.0f}", *place, *of);
  if (const auto done = number("done"), total = number("total"); done && total)
    line +=
        *total > 0 ? fmt::format(", {:.0f}/{:.0f}", *done, *total) : fmt::format(", {:.0f}", *done);
  if (!text("text").empty()) line += ", " + text("text");
  if (const auto left = number("seconds_left"))
    line += ", about " + duration(*left) + " left of it";
  return line;
}

Json json_of(const Standing& it) {
  Json stages = Json::array(), models = Json::array(), scores = Json::array();
  for (const pool::StageRecord& stage : it.pool.stages()) {
    stages.push_back(pool::to_json(stage));
    stages.back()["state"] = state_of(stage, it.holder);
    stages.back()["alarms"] = report::alarms(stage);
  }
  for (const pool::ModelRecord& model : it.pool.models()) {
    models.push_back({{"name", model.name},
                      {"sha256", model.sha256},
                      {"stage", model.stage},
                      {"path", model.path}});
  }
  for (const pool::ScoreRecord& score : it.pool.scores()) scores.push_back(pool::to_json(score));
  return {{"state", headline(it)},
          {"now", it.now ? *it.now : Json()},
          {"stages", stages},
          {"to_come", it.to_come},
          {"models", models},
          {"scores", scores},
          {"holder", it.holder ? Json(*it.holder) : Json()}};
}

void show(const Standing& it) {
  print("{}\n", headline(it));
  if (it.now) print("{}\n", now_text(*it.now));
  const std::vector<pool::StageRecord> stages = it.pool.stages();
  size_t width = 20;
  for (const pool::StageRecord& stage : stages) width = std::max(width, stage.name.size());
  for (const std::string& name : it.to_come) width = std::max(width, name.size());
  width += 2;
  print("\n{:<{}}{:<10}{:>10}{:>10}  {}\n", "stage", width, "state", "rows", "seconds",
        "begun (UTC)");
  for (const pool::StageRecord& stage : stages) {
    const std::string state = state_of(stage, it.holder);
    const bool running = state == "running";
    print("{:<{}}{:<10}{:>10}{:>10}  {}\n", stage.name, width, state,
          running ? "" : std::to_string(stage.rows),
          running ? "" : fmt::format("{:.1f}", stage.seconds), stage.started);
    const std::string failure = pool::failure_of(stage);
    if (!failure.empty()) print("  {}\n", failure);
    const std::string nothing = pool::nothing_of(stage);
    if (!nothing.empty()) print("  nothing to do: {}\n", nothing);
    if (const auto trained = pool::result_of<pool::TrainResult>(stage)) {
      for (const std::string& line : report::preference_lines(*trained)) print("  {}\n", line);
    }
    for (const std::string& alarm : report::alarms(stage)) print("  alarm: {}\n", alarm);
  }
  for (const std::string& name : it.to_come) print("{:<{}}to come\n", name, width);
  print_text("\n" + report::scores_table(it.pool));
}

void status(const StatusOptions& options) {
  if (!options.watch) {
    const Standing it = standing_of(options.run);
    options.common.json ? print_json(json_of(it)) : show(it);
    return;
  }
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  const std::atomic<bool>* stop = stop_flag();
  std::string last;
  for (;;) {
    const Standing it = standing_of(options.run);
    if (options.common.json) {
      print_json(json_of(it));
    } else if (terminal) {
      std::fputs("\x1b[H\x1b[2J", stdout);  // ours, so not through print
      show(it);
    } else {  // a line where something is new
      const std::string line = it.now ? now_text(*it.now) : headline(it);
      if (line != last) print("{}\n", line);
      last = line;
    }
    std::fflush(stdout);
    if (!it.holder) break;
    for (int i = 0; i < 10 && !*stop; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(terminal ? 100 : 300));
    if (*stop) throw Stopped{stop_signal()};
  }
}

}  // namespace

void register_status(CLI::App& app) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app.add_subcommand(
      "status", "a run as it stands: what it does now, stages done and to come, models, scores");
  command->add_option("run", options->run, "run directory")->required();
  command->add_flag("--watch", options->watch,
                    "again and again while the run is at work: on a terminal the whole page, else "
                    "a line where something is new, with --json an object a second");
  add_common_options(*command, options->common);
  command->footer(
      "Examples:\n  ponder status runs/quickstart\n  ponder status runs/quickstart --watch");
  command->callback([options] { status(*options); });
}

}  // namespace ponder::cli
