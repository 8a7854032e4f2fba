// ponder pool and ponder why: what a run's database holds, and the lineage of one trained row.
#include "cli/pool_command.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/error.h"
#include "cli/printing.h"

namespace ponder::cli {
namespace {

struct PoolOptions {
  CommonOptions common;
  std::string run, row, problem;
};

void print_counts(const PoolOptions& options) {
  const pool::Pool pool = open_pool(options.run);
  const pool::PoolCounts counts = pool.counts();
  if (options.common.json) {
    print_json(pool::to_json(counts));
    return;
  }
  print(
      "{} problems, {} demonstrations, {} models, {} trajectories, {} training rows, {} pairs; of "
      "benchmarks {} problems, {} trajectories\n",
      counts.problems, counts.demonstrations, counts.models, counts.rollouts, counts.training_rows,
      counts.pairs, counts.benchmark_problems, counts.evaluation_rollouts);
  if (counts.stages.empty()) return;
  print("{:<20} {:>12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "stage", "trajectories", "correct",
        "incorrect", "undecided", "unjudged", "problems", "solved");
  for (const pool::PoolCounts::Stage& stage : counts.stages) {
    print("{:<20} {:>12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", stage.stage, stage.rollouts,
          stage.correct, stage.incorrect, stage.undecided, stage.unjudged, stage.problems,
          stage.problems_solved);
  }
}

void print_lineage(const PoolOptions& options) {
  if (options.row.empty() == options.problem.empty()) throw CLI::RequiredError("ROW or --problem");
  if (!options.problem.empty()) {
    const Json uses = open_pool(options.run).uses_of_problem(options.problem);
    return options.common.json ? print_json(uses) : print_text(pool::uses_text(uses));
  }
  const Json lineage = open_pool(options.run).lineage(options.row);
  if (options.common.json) {
    print_json(lineage);
  } else {
    print_text(pool::lineage_text(lineage));
  }
}

}  // namespace

pool::Pool open_pool(const std::string& run) {
  const std::filesystem::path path(run);
  return pool::Pool::open_read_only(std::filesystem::is_directory(path) ? path / "run.db" : path);
}

void register_pool(CLI::App& app) {
  auto options = std::make_shared<PoolOptions>();
  CLI::App* pool =
      app.add_subcommand("pool", "what a run's database holds, and the way into one and out of it");
  pool->add_option("RUN", options->run, "run directory, or its run.db");
  pool->require_subcommand(0, 1);
  add_common_options(*pool, options->common);
  pool->footer(
      "Examples:\n  ponder pool runs/quickstart\n"
      "  ponder pool export runs/quickstart --as messages --selected shortest --out rows.jsonl\n"
      "  ponder pool import pool rollouts.jsonl --problems problems.jsonl\n"
      "  ponder pool rejudge runs/quickstart");

  const PoolPart import_part = register_pool_import(*pool);
  const PoolPart export_part = register_pool_export(*pool);
  const PoolPart rejudge_part = register_pool_rejudge(*pool);
  const CLI::App* rejudge_command = pool->get_subcommand("rejudge");
  const CLI::App* import_command = pool->get_subcommand("import");
  const CLI::App* export_command = pool->get_subcommand("export");
  pool->callback([options, import_part, export_part, rejudge_part, import_command, export_command,
                  rejudge_command] {
    if (import_command->parsed()) return import_part(options->run, options->common);
    if (options->run.empty()) throw CLI::RequiredError("RUN");
    if (rejudge_command->parsed()) return rejudge_part(options->run, options->common);
    if (export_command->parsed()) return export_part(options->run, options->common);
    print_counts(*options);
  });
}

void register_why(CLI::App& app) {
  auto options = std::make_shared<PoolOptions>();
  CLI::App* why = app.add_subcommand(
      "why", "where one trained row comes from; which models were trained on a problem");
  why->add_option("RUN", options->run, "run directory, or its run.db")->required();
  why->add_option("ROW", options->row, "STAGE:INDEX, counted from 0");
  why->add_option("--problem", options->problem,
                  "instead of ROW: what became of this problem, by its id");
  add_common_options(*why, options->common);
  why->footer(
      "Examples:\n  ponder why runs/quickstart improve-1:0\n"
      "  ponder why runs/quickstart --problem choice-1-0123456789abcdef");
  why->callback([options] { print_lineage(*options); });
}

}  // namespace ponder::cli
