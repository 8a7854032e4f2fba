// ponder pool import: responses that were made elsewhere.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/error.h"
#include "cli/pool_command.h"
#include "cli/printing.h"
#include "exchange/pool_import.h"

namespace ponder::cli {
namespace {

namespace fs = std::filesystem;

struct ImportFlags {
  CommonOptions common;
  std::string folder, model_name;
  std::vector<std::string> files, problems;
  bool explain = false;
};

// A folder that holds such a pool, an empty one, or one that is to be made.
void check_pool_folder(const fs::path& folder, const std::vector<fs::path>& reads) {
  refuse_own_input("DIR", folder / "run.db", reads);
  if (!fs::exists(folder)) return;
  if (!fs::is_directory(folder))
    throw Error(folder.string(), "expected a folder, found a file", "name a folder for the pool");
  if (fs::exists(folder / "recipe.toml")) {
    throw Error(folder.string(), "is the folder of a recipe's run",
                "import into a folder of its own");
  }
  if (!fs::is_empty(folder) && !fs::exists(folder / "run.db")) {
    throw Error(folder.string(), "is not empty and holds no pool",
                "name a new folder, or one that an import has made");
  }
}

void print_import(const exchange::ImportResult& result, bool explain) {
  for (const exchange::ImportedFile& file : result.files) {
    print("{}: {}: {}\n", file.file, file.layout, file.account.summary());
    if (!explain) continue;
    for (const auto& [what, count] : file.account.changed) print("changed: {} {}\n", what, count);
    for (const auto* examples : {&file.account.examples, &file.account.duplicate_examples}) {
      for (const data::RejectedRow& row : *examples)
        print("line {}: {}: {}\n", row.line, row.reason, row.detail);
    }
  }
  if (!explain && result.responses.kept + result.responses.duplicates < result.responses.rows)
    print("--explain lists what was left out\n");
}

void print_pool(const exchange::ImportResult& result, const pool::Pool& pool) {
  if (result.responses.kept == 0) {
    print("nothing is new: the pool is as it was\n");
    return;
  }
  const auto judged = [&](judge::Verdict verdict) {
    return result.judged[static_cast<size_t>(verdict)];
  };
  print("{} responses added: {} correct, {} incorrect, {} undecided\n", result.responses.kept,
        judged(judge::Verdict::kCorrect), judged(judge::Verdict::kIncorrect),
        judged(judge::Verdict::kUndecided));
  std::string models;
  for (const auto& [model, count] : result.models) {
    models += fmt::format("{}{}: {}", models.empty() ? "" : ", ",
                          model.empty() ? "unknown (--model-name says it)" : model, count);
  }
  print("models: {}\n", models);
  if (result.without_temperature > 0)
    print("sampling: the temperature of {} is unknown\n", result.without_temperature);
  const pool::PoolCounts counts = pool.counts();
  print("the pool has {} problems, {} trajectories\n", counts.problems, counts.rollouts);
}

void import_pool(const ImportFlags& flags) {
  TerminalMonitor monitor(flags.common.quiet ? TerminalMonitor::Level::kQuiet
                                             : TerminalMonitor::Level::kInfo);
  const fs::path folder = flags.folder;
  const std::vector<fs::path> files(flags.files.begin(), flags.files.end());
  exchange::ImportOptions options;
  options.problems.assign(flags.problems.begin(), flags.problems.end());
  options.model_name = flags.model_name;
  std::vector<fs::path> reads = files;
  reads.insert(reads.end(), options.problems.begin(), options.problems.end());
  check_pool_folder(folder, reads);
  const bool made_folder = fs::create_directories(folder);
  const bool made_pool = !fs::exists(folder / "run.db");
  exchange::ImportResult result;
  const auto show = [&] {
    if (!flags.common.json) print_import(result, flags.explain);
  };
  try {
    pool::Pool pool = pool::Pool::open(folder / "run.db");
    exchange::import_files(pool, files, options, monitor, result);
    show();
    if (flags.common.json) {
      print_json(exchange::to_json(result, flags.explain));
    } else {
      print_pool(result, pool);
    }
  } catch (...) {
    show();  // what became of the rows is what was asked for
    if (made_pool) {
      std::error_code ignored;
      for (const char* name : {"run.db", "run.db.lock", "run.db-wal", "run.db-shm"})
        fs::remove(folder / name, ignored);
      if (made_folder) fs::remove(folder, ignored);
    }
    throw;
  }
}

}  // namespace

PoolPart register_pool_import(CLI::App& pool) {
  auto flags = std::make_shared<ImportFlags>();
  CLI::App* command = pool.add_subcommand(
      "import", "responses that were made elsewhere into a pool: matched, judged, added once");
  command->add_option("DIR", flags->folder, "folder of the pool; made where there is none")
      ->required();
  command->add_option("FILE", flags->files,
                      "trajectories of ponder generate or eval, output and requests of OpenAI's "
                      "batches or vllm run-batch, lm-eval's samples, rows of a question, an answer "
                      "and responses, problems; in any order");
  command
      ->add_option("--problems", flags->problems,
                   "files of problems with gold answers, separated by commas")
      ->delimiter(',');
  command->add_option("--model-name", flags->model_name,
                      "of the responses whose rows do not name their model");
  command->add_flag("--explain", flags->explain, "list the rows that were left out, and why");
  add_common_options(*command, flags->common);
  command->footer(
      "Examples:\n"
      "  ponder pool import pool rollouts.jsonl --problems problems.jsonl\n"
      "  ponder pool import pool requests.jsonl batch_output.jsonl problems.jsonl\n"
      "  ponder pool import pool samples_gsm8k.jsonl --model-name Qwen/Qwen3-8B --explain");
  return [flags](const std::string& run, const CommonOptions&) {
    ImportFlags given = *flags;
    if (!run.empty()) {  // pool RUN import FILE…
      given.files.insert(given.files.begin(), given.folder);
      given.folder = run;
    }
    if (given.files.empty()) throw CLI::RequiredError("FILE");
    import_pool(given);
  };
}

}  // namespace ponder::cli
