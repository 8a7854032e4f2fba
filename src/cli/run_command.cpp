#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/monitor.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "cli/stop_signals.h"
#include "pipeline/plan.h"
#include "pipeline/run.h"
#include "pipeline/share.h"
#include "pipeline/smoke.h"
#include "pool/stage_result.h"
#include "report/report.h"

namespace ponder::cli {
namespace {

struct RunOptions {
  CommonOptions common;
  std::string recipe;
  std::string out;
  std::vector<std::string> set;
  std::string until, from;
  bool seed_given = false, redo = false, smoke = false;
};

std::vector<std::string> overrides_of(const RunOptions& options) {
  std::vector<std::string> overrides = options.set;
  if (options.seed_given) overrides.push_back(fmt::format("seed={}", options.common.seed));
  if (!options.smoke) return overrides;
  const std::vector<std::string> smoke = pipeline::smoke_overrides(options.recipe, overrides);
  overrides.insert(overrides.end(), smoke.begin(), smoke.end());
  return overrides;
}

void run(const RunOptions& options) {
  const std::atomic<bool>* stop = stop_flag();
  const pipeline::Recipe recipe = pipeline::load_recipe(options.recipe, overrides_of(options));
  pipeline::check_until(recipe, options.until);
  const std::string out = options.out.empty() ? "runs/" + recipe.name : options.out;
  ThreadPool threads(options.common.threads);
  TerminalMonitor monitor(options.common.quiet ? TerminalMonitor::Level::kWarning
                                               : TerminalMonitor::Level::kInfo);
  std::vector<pipeline::ReadSource> sources = pipeline::read_sources(recipe);
  const pipeline::RecipePlan planned = pipeline::plan_recipe(recipe, sources, threads);
  if (!options.from.empty()) pipeline::share_run(options.from, out);
  pipeline::require_fit(planned, out);
  pipeline::PipelineRun run(recipe, std::move(sources), out, threads, monitor, stop,
                            options.redo || !options.from.empty() ? pipeline::Changes::kRedone
                                                                  : pipeline::Changes::kRefused);
  run.warn(planned.warnings);
  const bool finished = run.execute(options.until, [&](const pool::StageRecord& stage) {
    if (!options.common.json) return;
    const auto& models = stage.outputs.empty() ? stage.inputs : stage.outputs;
    const bool no_model = stage.kind == pool::stage_kind::kIngest || models.empty();
    Json line = {{"stage", stage.name}, {"model", no_model ? "" : models[0]}};
    if (const auto result = pool::result_of<pool::EvaluateResult>(stage))
      line["benchmarks"] = result->benchmarks;
    if (const std::string why = pool::nothing_of(stage); !why.empty()) line["nothing"] = why;
    print_json(line);
  });
  if (!finished) throw Stopped{stop_signal()};
  if (options.common.json) return;
  print_text(report::scores_table(run.pool()));
  print("\nreport: {}/report.html\n", out);
}

void add_recipe_options(CLI::App& command, RunOptions& options) {
  command.add_option("recipe", options.recipe, "recipe file (TOML)")->required();
  command.add_option("--set", options.set,
                     "override one key of the recipe, e.g. --set sft.lr=1e-4 (repeatable)");
  command.add_flag("--smoke", options.smoke,
                   "five rows of everything, one epoch, short responses: does all of it run?");
  add_common_options(command, options.common);
}

void plan(const RunOptions& options) {
  const pipeline::Recipe recipe = pipeline::load_recipe(options.recipe, overrides_of(options));
  ThreadPool threads(options.common.threads);
  const pipeline::RecipePlan plan =
      pipeline::plan_recipe(recipe, pipeline::read_sources(recipe), threads);
  if (options.common.json) {
    print_json(pipeline::to_json(plan));
    return;
  }
  print("{:<22}{:>14}{:>12}{:>12}{:>12}{:>10}\n", "stage", "tokens", "TFLOP", "memory", "disk",
        "seconds");
  double seconds = 0;
  for (const pipeline::StagePlan& stage : plan.stages) {
    seconds += stage.seconds;
    print("{:<22}{:>14}{:>12.2f}{:>12}{:>12}{:>10.0f}\n", stage.name, stage.tokens,
          stage.flops * 1e-12, bytes_text(stage.peak_memory_bytes), bytes_text(stage.disk_bytes),
          stage.seconds);
  }
  for (const pipeline::StagePlan& stage : plan.stages) {
    if (!stage.note.empty()) print("{}: nothing to do: {}\n", stage.name, stage.note);
  }
  print(
      "about {:.0f} minutes on {} threads (measured f32 peak {:.0f} GFLOP/s); training tokens are "
      "counted, "
      "rollout tokens estimated\n",
      seconds / 60, threads.num_threads(), plan.peak_gflops);
  for (const pipeline::SourcePlan& source : plan.sources) {
    if (source.account.kept == source.account.rows) continue;
    print("\n{}: {}\n", source.name, source.account.summary());
    for (const std::string& line : source.account.left_out_by_id()) print("  left out: {}\n", line);
  }
  for (const pipeline::MixPlan& mix : plan.mixes) {
    print("\n{} trains on\n", mix.set.empty() ? "imitate" : "imitate-" + mix.set);
    for (const std::string& line : pool::mix_lines(mix.parts)) print("  {}\n", line);
  }
  for (const std::string& warning : plan.warnings) print("\nwarning: {}\n", warning);
  const auto largest =
      std::max_element(plan.stages.begin(), plan.stages.end(),
                       [](auto& a, auto& b) { return a.peak_memory_bytes < b.peak_memory_bytes; });
  if (largest == plan.stages.end()) return;
  print("\nmemory of {}, which takes the most\n", largest->name);
  for (const auto& [purpose, bytes] : largest->memory) {
    print("  {:<38}{:>12}\n", purpose, bytes_text(bytes));
  }
}

}  // namespace

void register_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand(
      "run", "the whole loop of a recipe; started again, goes on where it stopped");
  add_recipe_options(*command, *options);
  command->add_option("--out", options->out, "run directory (default: runs/NAME)");
  command->add_option("--until", options->until, "stop after this stage");
  command
      ->add_option(
          "--from", options->from,
          "begin with what the run in this directory has done, as --redo would, in a "
          "directory of its own: its checkpoints are shared by hard links, it stays as it is")
      ->needs("--out");
  command->add_flag(
      "--redo", options->redo,
      "go on also with a recipe or sources that have changed since the run began: what "
      "does not follow from them any more is done again or dropped, the rest is kept "
      "(without it, a changed recipe is refused and the stages are named)");
  command->footer(
      "Example:\n  ponder run recipes/quickstart.toml --out runs/quickstart\n"
      "  ponder run recipes/quickstart.toml --smoke\n"
      "  ponder run recipes/quickstart.toml --set explore.rounds=1 --until improve-1\n"
      "  ponder run recipes/quickstart.toml --set refine.strategy=longest --from runs/quickstart "
      "--out runs/longest");
  command->callback([options, command] {
    options->seed_given = command->count("--seed") > 0;
    run(*options);
  });
}

void register_plan(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command =
      app.add_subcommand("plan", "what a recipe would do and cost, without doing it");
  add_recipe_options(*command, *options);
  command->footer("Example:\n  ponder plan recipes/quickstart.toml");
  command->callback([options, command] {
    options->seed_given = command->count("--seed") > 0;
    plan(*options);
  });
}

}  // namespace ponder::cli
