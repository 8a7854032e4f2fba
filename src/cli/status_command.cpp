#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "pool/stage_result.h"
#include "report/preferences.h"
#include "report/report.h"

namespace ponder::cli {
namespace {

struct StatusOptions {
  CommonOptions common;
  std::string run;
};

pool::Pool open_status(const std::string& folder) {
  return pool::Pool::open_read_only(std::filesystem::path(folder) / "run.db");
}

// A stage that runs and nobody works at was stopped or killed.
std::string state_of(const pool::StageRecord& stage, const std::optional<std::string>& holder) {
  if (stage.state == pool::StageState::kRunning && !holder) return "stopped";
  return std::string(pool::to_string(stage.state));
}

void status(const StatusOptions& options) {
  const pool::Pool pool = open_status(options.run);
  const std::optional<std::string> holder =
      lock_holder(std::filesystem::path(options.run) / "lock");
  if (options.common.json) {
    Json stages = Json::array(), models = Json::array(), scores = Json::array();
    for (const pool::StageRecord& stage : pool.stages()) {
      stages.push_back(pool::to_json(stage));
      stages.back()["state"] = state_of(stage, holder);
    }
    for (const pool::ModelRecord& model : pool.models()) {
      models.push_back({{"name", model.name},
                        {"sha256", model.sha256},
                        {"stage", model.stage},
                        {"path", model.path}});
    }
    for (const pool::ScoreRecord& score : pool.scores()) scores.push_back(pool::to_json(score));
    print_json({{"stages", stages},
                {"models", models},
                {"scores", scores},
                {"holder", holder ? Json(*holder) : Json()}});
    return;
  }
  print("{:<22}{:<10}{:>10}{:>10}\n", "stage", "state", "rows", "seconds");
  for (const pool::StageRecord& stage : pool.stages()) {
    const std::string state = state_of(stage, holder);
    print("{:<22}{:<10}{:>10}{:>10.1f}{}\n", stage.name, state, stage.rows, stage.seconds,
          state == "running" ? fmt::format("  ({})", *holder) : "");
    const std::string failure = pool::failure_of(stage);
    if (!failure.empty()) print("  {}\n", failure);
    const std::string nothing = pool::nothing_of(stage);
    if (!nothing.empty()) print("  nothing to do: {}\n", nothing);
    if (const auto trained = pool::result_of<pool::TrainResult>(stage)) {
      for (const std::string& line : report::preference_lines(*trained)) print("  {}\n", line);
    }
  }
  print_text("\n" + report::scores_table(pool));
}

}  // namespace

void register_status(CLI::App& app) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app.add_subcommand("status", "stages, models and scores of a run so far");
  command->add_option("run", options->run, "run directory")->required();
  add_common_options(*command, options->common);
  command->footer("Example:\n  ponder status runs/quickstart");
  command->callback([options] { status(*options); });
}

}  // namespace ponder::cli
