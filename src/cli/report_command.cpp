#include <fmt/format.h>

#include <ctime>
#include <iomanip>
#include <memory>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "pool/pool.h"
#include "report/metrics.h"
#include "report/report.h"

namespace ponder::cli {
namespace {

struct ReportOptions {
  CommonOptions common;
  std::string run, out, tensorboard, csv, trainer_log;
};

// Seconds since 1970 of "2026-11-29T16:52:03Z".
double unix_seconds(const std::string& utc) {
  std::tm parts{};
  std::istringstream in(utc);
  in >> std::get_time(&parts, "%Y-%m-%dT%H:%M:%S");
  return in.fail() ? 0 : static_cast<double>(::timegm(&parts));
}

// The figures of every stage that trains, as files for other viewers.
std::vector<std::string> write_metrics(const pool::Pool& pool, const ReportOptions& options) {
  std::vector<std::string> written;
  for (const pool::StageRecord& stage : pool.stages()) {
    report::StepMetrics metrics;
    metrics.read(std::filesystem::path(options.run) / "training" / (stage.name + ".jsonl"));
    if (metrics.num_steps() == 0) continue;
    const auto write = [&](const std::filesystem::path& file, const std::string& bytes) {
      std::filesystem::create_directories(file.parent_path());
      write_file_atomic(file, bytes);
      written.push_back(file.string());
    };
    const double begun = unix_seconds(stage.started);
    if (!options.csv.empty())
      write(std::filesystem::path(options.csv) / (stage.name + ".csv"),
            report::to_csv(metrics, begun));
    if (!options.trainer_log.empty())
      write(std::filesystem::path(options.trainer_log) / stage.name / "trainer_log.jsonl",
            report::to_trainer_log(metrics));
    if (!options.tensorboard.empty()) {
      write(std::filesystem::path(options.tensorboard) / stage.name /
                fmt::format("events.out.tfevents.{:.0f}.ponder", begun),
            report::to_event_file(metrics, begun));
    }
  }
  return written;
}

void report(const ReportOptions& options) {
  const std::filesystem::path run(options.run);
  const pool::Pool pool = pool::Pool::open_read_only(run / "run.db");
  const std::filesystem::path out =
      options.out.empty() ? run / "report.html" : std::filesystem::path(options.out);
  refuse_own_input("--out", out, {run / "run.db", run / "recipe.toml"});
  report::write_report(pool, run, out);
  const std::vector<std::string> metrics = write_metrics(pool, options);
  if (metrics.empty() &&
      !(options.tensorboard.empty() && options.csv.empty() && options.trainer_log.empty())) {
    throw Error(ErrorKind::kNotFound, (run / "training").string(),
                "expected the log of a training stage, found none",
                "wait until the run trains, or leave --tensorboard, --csv and --trainer-log out");
  }
  if (options.common.json) return print_json({{"report", out.string()}, {"metrics", metrics}});
  if (options.common.quiet) return;
  print("{}\n", out.string());
  for (const std::string& file : metrics) print("{}\n", file);
}

}  // namespace

void register_report(CLI::App& app) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* command = app.add_subcommand(
      "report", "a run as one HTML page, also while it runs: scores, curves, answers side by side");
  command->add_option("run", options->run, "run directory")->required();
  command->add_option("--out", options->out, "the page (default: RUN/report.html)");
  command->add_option("--tensorboard", options->tensorboard,
                      "also event files of the training stages, for tensorboard --logdir DIR");
  command->add_option("--csv", options->csv,
                      "also a CSV file a training stage (step, timestamp, figures) in this folder");
  command->add_option("--trainer-log", options->trainer_log,
                      "also DIR/STAGE/trainer_log.jsonl, in LLaMA-Factory's names");
  add_common_options(*command, options->common);
  command->footer(
      "Examples:\n  ponder report runs/quickstart\n  ponder report runs/quickstart --out "
      "report.html\n"
      "  ponder report runs/quickstart --tensorboard tensorboard --csv metrics");
  command->callback([options] { report(*options); });
}

}  // namespace ponder::cli
