// ponder pool and ponder why: what a run's database holds, its rows for other programs, and the
// lineage of one trained row.
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
  std::string run, row, verdict, stage, out = "-";
  bool problems = false;
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

// Of one that was imported: what nobody said is not there.
void put_origin(Json& json, const data::Origin& origin, const data::Completion& made) {
  json.erase("seed");
  json["sampling"] = origin.sampling;
  if (origin.sampling.contains("seed")) json["seed"] = origin.sampling["seed"];
  if (!origin.model.empty()) json["model"] = origin.model;
  if (!origin.system.empty()) json["system"] = origin.system;
  for (const char* key : {"model_sha256", "template_sha256", "prompt_sha256"}) {
    if (json[key] == "") json.erase(key);
  }
  if (!made.token_ids && made.num_tokens() > 0) json["tokens"] = made.num_tokens();
}

void export_rows(const PoolOptions& options) {
  const pool::Pool pool = open_pool(options.run);
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
      if (stored.rollout.origin) put_origin(json, *stored.rollout.origin, made);
      if (const auto problem = pool.problem(stored.rollout.problem_id, stored.benchmark))
        data::put_problem(json, *problem);
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
      "  ponder pool runs/quickstart export --verdict correct --out correct.jsonl\n"
      "  ponder pool import pool rollouts.jsonl --problems problems.jsonl");

  const PoolPart import_part = register_pool_import(*pool);
  CLI::App* import_command = pool->get_subcommand("import");
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
  pool->callback([options, import_part, import_command, export_command] {
    if (import_command->parsed()) return import_part(options->run);
    if (options->run.empty()) throw CLI::RequiredError("RUN");
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
