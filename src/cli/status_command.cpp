#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/pool_command.h"
#include "cli/printing.h"
#include "pipeline/candidates.h"
#include "pool/stage_result.h"
#include "report/report.h"

namespace ponder::cli {
namespace {

struct StatusOptions {
  CommonOptions common;
  std::string run;
  std::string strategy = "longest";
  int64_t per_problem = 1;
  int64_t max_rows = 0;
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
  }
  print_text("\n" + report::scores_table(pool));
}

void refine(const StatusOptions& options) {
  const pool::Pool pool = open_pool(options.run);
  pipeline::SelectionOptions selection;
  const std::optional<pipeline::Strategy> strategy =
      pipeline::strategy_from_string(options.strategy);
  if (!strategy) {
    throw Error("--strategy " + options.strategy, "no such strategy",
                "the strategies are " + pipeline::strategy_names());
  }
  selection.strategy = *strategy;
  selection.per_problem = options.per_problem;
  selection.max_rows = options.max_rows;
  selection.seed = options.common.seed;
  const std::vector<pipeline::Candidate> candidates = pipeline::all_candidates(pool);
  selection = pipeline::fitting(selection, candidates);
  const auto decisions = pipeline::select(candidates, selection);
  int64_t rows = 0, length = 0;
  double perplexity = 0;
  bool all_known = true;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (!pipeline::selected(decisions[i])) continue;
    ++rows;
    length += selection.length_in_bytes ? candidates[i].num_bytes : candidates[i].num_tokens;
    perplexity += candidates[i].perplexity;
    all_known = all_known && candidates[i].perplexity > 0;
  }
  const double n = rows > 0 ? static_cast<double>(rows) : 1.0;
  const double mean_length = static_cast<double>(length) / n;
  const Json mean_perplexity = all_known ? Json(perplexity / n) : Json();
  if (options.common.json) {
    Json result = {{"strategy", options.strategy},
                   {"rows", rows},
                   {"candidates", candidates.size()},
                   {"mean_tokens", selection.length_in_bytes ? Json() : Json(mean_length)},
                   {"mean_perplexity", mean_perplexity}};
    if (selection.length_in_bytes) result["mean_bytes"] = mean_length;
    print_json(result);
  } else {
    print("{}: {} rows of {} candidates, {:.1f} {} and {} on average\n", options.strategy, rows,
          candidates.size(), mean_length, selection.length_in_bytes ? "bytes" : "tokens",
          all_known ? fmt::format("perplexity {:.4f}", perplexity / n) : "unknown perplexity");
  }
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

void register_refine(CLI::App& app) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app.add_subcommand(
      "refine", "what a selection strategy would choose from a run's rollouts, or a pool's");
  command->add_option("run", options->run, "run directory, or a pool's")->required();
  command->add_option("--strategy", options->strategy, "one of " + pipeline::strategy_names());
  add_number_option(*command, "--per-problem", options->per_problem, 1, kMany,
                    "rows per problem, at most");
  add_number_option(*command, "--max-rows", options->max_rows, 0, kMany,
                    "rows in all, at most (0: no limit)");
  add_common_options(*command, options->common);
  command->footer("Example:\n  ponder refine runs/quickstart --strategy shortest");
  command->callback([options] { refine(*options); });
}

}  // namespace ponder::cli
