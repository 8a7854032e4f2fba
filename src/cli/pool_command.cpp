// ponder pool and ponder why: what a run's database holds, its rows for other programs, and the
// lineage of one trained row.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "pool/pool.h"

namespace ponder::cli {
namespace {

struct PoolOptions {
  CommonOptions common;
  std::string run, row, verdict, stage, out = "-";
  bool problems = false;
};

pool::Pool open_run(const std::string& run) {
  const std::filesystem::path path(run);
  return pool::Pool::open_read_only(std::filesystem::is_directory(path) ? path / "run.db" : path);
}

void print_counts(const PoolOptions& options) {
  const pool::Pool pool = open_run(options.run);
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

void export_rows(const PoolOptions& options) {
  const pool::Pool pool = open_run(options.run);
  pool::RolloutQuery query;
  query.stage = options.stage;
  if (!options.stage.empty() && !pool.stage(options.stage)) {
    std::string known;
    for (const pool::StageRecord& stage : pool.stages())
      known += (known.empty() ? "" : ", ") + stage.name;
    throw Error(options.run, fmt::format("no stage \"{}\"", options.stage),
                "the run has: " + known);
  }
  if (!options.verdict.empty()) query.verdict = judge::verdict_from_string(options.verdict);
  LineOutput out(options.out, {options.run});
  uint64_t rows = 0;
  if (options.problems) {
    for (const data::Problem& problem : pool.problems()) {
      out.write(dump_json(data::to_json(problem)));
      ++rows;
    }
  } else {
    pool.for_each_rollout(query, [&](const pool::StoredRollout& stored) {
      const data::Completion& made = stored.rollout.completion;
      Json json = data::to_json(stored.rollout);
      json["stage"] = stored.stage;
      json["round"] = stored.round;
      if (!stored.benchmark.empty()) json["benchmark"] = stored.benchmark;
      if (made.logprob_source != data::LogprobSource::kEngine)
        json["logprob_source"] = data::to_string(made.logprob_source);
      if (!made.endpoint.empty()) json["endpoint"] = made.endpoint;
      out.write(dump_json(json));
      ++rows;
    });
  }
  out.close();
  if (!options.common.quiet) {
    tell(fmt::format("{} {} exported", rows, options.problems ? "problems" : "trajectories"));
  }
}

void print_lineage(const PoolOptions& options) {
  const Json lineage = open_run(options.run).lineage(options.row);
  if (options.common.json) {
    print_json(lineage);
  } else {
    print_text(pool::lineage_text(lineage));
  }
}

}  // namespace

void register_pool(CLI::App& app) {
  auto options = std::make_shared<PoolOptions>();
  CLI::App* pool = app.add_subcommand("pool", "what a run's database holds");
  pool->add_option("RUN", options->run, "run directory, or its run.db")->required();
  add_common_options(*pool, options->common);
  pool->footer(
      "Examples:\n  ponder pool runs/quickstart\n"
      "  ponder pool runs/quickstart export --verdict correct --out correct.jsonl");

  CLI::App* export_command =
      pool->add_subcommand("export", "trajectories (or problems) as JSON lines, in a fixed order");
  auto* verdict =
      export_command
          ->add_option("--verdict", options->verdict, "only correct, incorrect or undecided ones")
          ->check(CLI::IsMember({"correct", "incorrect", "undecided"}));
  auto* stage = export_command->add_option(
      "--stage", options->stage, "only those of this stage (default: of all but evaluations)");
  export_command
      ->add_flag("--problems", options->problems, "the problems instead of the trajectories")
      ->excludes(verdict)
      ->excludes(stage);
  export_command->add_option("--out", options->out, "file (default: standard output)");
  export_command->fallthrough();  // --json, --quiet and the like may stand behind `export`
  export_command->footer(
      "Example:\n  ponder pool runs/quickstart export --problems --out problems.jsonl");
  pool->callback([options, export_command] {
    export_command->parsed() ? export_rows(*options) : print_counts(*options);
  });
}

void register_why(CLI::App& app) {
  auto options = std::make_shared<PoolOptions>();
  CLI::App* why = app.add_subcommand("why", "where one trained row comes from");
  why->add_option("RUN", options->run, "run directory, or its run.db")->required();
  why->add_option("ROW", options->row, "STAGE:INDEX, counted from 0")->required();
  add_common_options(*why, options->common);
  why->footer("Example:\n  ponder why runs/quickstart improve-1:0");
  why->callback([options] { print_lineage(*options); });
}

}  // namespace ponder::cli
