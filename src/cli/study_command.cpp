#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/printing.h"
#include "cli/stop_signals.h"
#include "pipeline/study.h"

namespace ponder::cli {
namespace {

namespace fs = std::filesystem;

struct StudyOptions {
  CommonOptions common;
  std::string file, out;
  pipeline::StudyPart part = {};
  int64_t train_seed = -1;  // below 0: all
  bool table = false;
};

std::string text_of(const pipeline::Study& study, const report::StudyTable& table) {
  return fmt::format("## {}\n\n{}", study.title, report::to_markdown(table));
}

Json json_of(const pipeline::Study& study, const report::StudyTable& table) {
  Json json = report::to_json(table);
  json["study"] = study.name;
  return json;
}

void study(const StudyOptions& options) {
  const pipeline::Study study = pipeline::load_study(options.file);
  const fs::path out = options.out.empty() ? fs::path("runs") / study.name : fs::path(options.out);
  bool stopped = false;
  std::vector<pipeline::StudyFailure> failures;
  if (!options.table) {
    ThreadPool threads(options.common.threads);
    TerminalMonitor monitor(options.common.quiet ? TerminalMonitor::Level::kWarning
                                                 : TerminalMonitor::Level::kInfo);
    failures =
        pipeline::run_study(study, options.part, out, threads, monitor, stop_flag(), stopped);
  } else if (!fs::is_directory(out)) {
    throw Error("--out " + out.string(), "there is no such folder: nothing of the study has run");
  }
  // In the folder stands the whole study, whatever part of it was asked for.
  if (!options.table && fs::is_directory(out)) {
    pipeline::StudyPart whole;
    whole.overrides = options.part.overrides;
    const report::StudyTable table = pipeline::study_table_of(study, whole, out);
    write_file_atomic(out / "study.md", text_of(study, table));
    write_file_atomic(out / "study.json", dump_json(json_of(study, table)) + "\n");
  }
  const report::StudyTable table = pipeline::study_table_of(study, options.part, out);
  if (stopped) throw Stopped{stop_signal()};
  if (options.common.json) {
    print_json(json_of(study, table));
  } else {
    print_text(text_of(study, table));
  }
  if (failures.empty()) return;
  throw Error(
      fmt::format("study {}", study.name),
      fmt::format("{} of its runs failed, the first is {} of training seed {}: {}", failures.size(),
                  failures[0].variant, failures[0].train_seed, failures[0].reason),
      "the other variants stand in the table; the same command tries the failed ones again");
}

}  // namespace

void register_study(CLI::App& app) {
  auto options = std::make_shared<StudyOptions>();
  CLI::App* command = app.add_subcommand(
      "study", "variants of a recipe under several training seeds, and one table of them");
  command->add_option("study", options->file, "study file (TOML)")->required();
  command->add_option("--out", options->out, "folder of its runs (default: runs/NAME)");
  command->add_option("--variant", options->part.variants, "run this one only (repeatable)");
  add_number_option(*command, "--train-seed", options->train_seed, 0, kMany,
                    "run this training seed only");
  command->add_option("--set", options->part.overrides,
                      "override one key of every variant's recipe (repeatable)");
  command->add_option("--from", options->part.from,
                      "a folder of runs seed-1, seed-2, …, such as a variant's of another study: "
                      "variants begin with what the run of their seed has done");
  command->add_flag("--table", options->table, "run nothing: the table of what is there");
  add_common_options(*command, options->common);
  command->footer(
      "Example:\n  ponder study recipes/studies/imitation.toml --out runs/imitation\n"
      "  ponder study recipes/studies/imitation.toml --out runs/imitation --table");
  command->callback([options, command] {
    if (options->train_seed >= 0)
      options->part.train_seeds = {static_cast<uint64_t>(options->train_seed)};
    if (command->count("--seed") > 0)
      options->part.overrides.push_back(fmt::format("seed={}", options->common.seed));
    study(*options);
  });
}

}  // namespace ponder::cli
