#include <fmt/format.h>

#include <algorithm>

#include "base/any_error.h"
#include "base/monitor.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "cli/recipe_flags.h"
#include "cli/stop_signals.h"
#include "pipeline/plan.h"
#include "pipeline/run.h"
#include "pipeline/share.h"
#include "pipeline/standing.h"
#include "pipeline/teacher.h"
#include "pool/stage_result.h"
#include "report/report.h"

namespace ponder::cli {
namespace {

struct RunOptions {
  RecipeFlags recipe;
  std::string out;
  std::string until, from;
  std::string log_format = "text";
  bool redo = false;
};

// A run does not move in with what is not its own.
void require_own_folder(const std::filesystem::path& out) {
  namespace fs = std::filesystem;
  std::error_code absent;
  if (!fs::exists(out, absent) || fs::is_empty(out, absent)) return;
  for (const char* own : {"run.db", "lock", "checkpoints"}) {
    if (fs::exists(out / own)) return;
  }
  throw Error(out.string(), "is no run, and not empty", "choose another --out");
}

// Before anything else: sources are what it answered.
void ask_teacher_first(const pipeline::Recipe& recipe, const RunOptions& options, Monitor& monitor,
                       const std::atomic<bool>* stop) {
  const pipeline::Taught taught = pipeline::ask_teacher(recipe, monitor, stop);
  if (options.recipe.common.json) {
    Json line = {{"stage", "teach"}, {"model", recipe.teacher.model}};
    line.update(taught.result);
    print_json(line);
  }
  if (!taught.finished) throw Stopped{stop_signal()};
}

// What keeps the run in `folder` from going on is told on the terminal, and kept for whoever looks at the
// run later.
template <class Body>
auto kept_if_refused(const std::string& folder, const Body& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    pipeline::record_refusal(folder, as_error(error).what());
    throw;
  }
}

void run(const RunOptions& options) {
  const std::atomic<bool>* stop = stop_flag();
  const pipeline::Recipe recipe =
      kept_if_refused(options.out, [&] { return options.recipe.load(); });
  pipeline::check_until(recipe, options.until);
  const std::string out = options.out.empty() ? "runs/" + recipe.name : options.out;
  require_own_folder(out);
  ThreadPool threads(options.recipe.common.threads);
  using Level = TerminalMonitor::Level;
  const Level level = options.recipe.common.quiet ? Level::kWarning : Level::kInfo;
  std::unique_ptr<Monitor> monitor;
  if (options.log_format == "json")
    monitor = std::make_unique<JsonProgressMonitor>(level);
  else
    monitor = std::make_unique<TerminalMonitor>(level);
  const auto begun = kept_if_refused(out, [&] {
    if (recipe.teacher.any() &&
        (options.redo || !options.from.empty() || !pipeline::recipe_has_changed(recipe, out)))
      ask_teacher_first(recipe, options, *monitor, stop);
    std::vector<pipeline::ReadSource> sources = pipeline::read_sources(recipe);
    const pipeline::RecipePlan planned = pipeline::plan_recipe(recipe, sources, threads);
    if (!options.from.empty()) pipeline::share_run(options.from, out);
    pipeline::require_fit(planned, out);
    auto run = std::make_unique<pipeline::PipelineRun>(
        recipe, std::move(sources), out, threads, *monitor, stop,
        options.redo || !options.from.empty() ? pipeline::Changes::kRedone
                                              : pipeline::Changes::kRefused);
    if (recipe.teacher.any()) pipeline::keep_teacher(recipe, out);
    run->expect(planned);
    return run;
  });
  pipeline::PipelineRun& run = *begun;
  const bool finished = run.execute(options.until, [&](const pool::StageRecord& stage) {
    if (!options.recipe.common.json) return;
    const auto& models = stage.outputs.empty() ? stage.inputs : stage.outputs;
    const bool no_model = stage.kind == pool::stage_kind::kIngest || models.empty();
    Json line = {{"stage", stage.name}, {"model", no_model ? "" : models[0]}};
    if (const auto result = pool::result_of<pool::EvaluateResult>(stage))
      line["benchmarks"] = result->benchmarks;
    if (const std::string why = pool::nothing_of(stage); !why.empty()) line["nothing"] = why;
    print_json(line);
  });
  if (!finished) throw Stopped{stop_signal()};
  if (options.recipe.common.json) return;
  print_text(report::scores_table(run.pool()));
  print("\nreport: {}/report.html\n", out);
}

}  // namespace

void register_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand(
      "run", "the whole loop of a recipe; started again, goes on where it stopped");
  add_recipe_flags(*command, options->recipe);
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
  command
      ->add_option("--log-format", options->log_format,
                   "of what is told on standard error: text, or json, an object a line with time, "
                   "stage, step, steps and seconds_left (default: text)")
      ->check(one_of({"text", "json"}));
  command->footer(
      "Example:\n  ponder run recipes/quickstart.toml --out runs/quickstart\n"
      "  ponder run recipes/quickstart.toml --smoke\n"
      "  ponder run recipes/quickstart.toml --set explore.rounds=1 --until improve-1\n"
      "  ponder run recipes/quickstart.toml --set refine.strategy=longest --from runs/quickstart "
      "--out runs/longest");
  command->callback([options] { run(*options); });
}

}  // namespace ponder::cli
