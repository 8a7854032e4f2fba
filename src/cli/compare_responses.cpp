#include "cli/compare_responses.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "cli/benchmark_names.h"
#include "cli/printing.h"
#include "cli/server_flags.h"
#include "cli/stop_signals.h"
#include "data/readers.h"
#include "eval/benchmark.h"
#include "eval/contest.h"

namespace ponder::cli {
namespace {

namespace fs = std::filesystem;

// Whether its rows have verdicts: by the first.
bool has_verdicts(const std::string& file) {
  JsonRowReader reader(file);
  JsonRow row;
  return reader.next(row) && row.value.is_object() && row.value.contains("verdict");
}

struct Questions {
  std::string name;
  std::vector<data::Problem> problems;
};

eval::VerdictTable answered(const std::string& model, const Questions& benchmark,
                            const ResponsesToCompare& what, const CommonOptions& common,
                            ThreadPool& threads, Monitor& monitor) {
  generate::InferenceModel loaded(model, threads, what.sampling.chat_template,
                                  what.sampling.precision);
  generate::RolloutSpec spec;
  spec.samples = what.samples;
  spec.seed = common.seed;
  spec.sampling.temperature = what.samples == 1 ? 0.0 : 1.0;
  std::vector<data::Problem> problems = benchmark.problems;
  data::RowAccount account = data::RowAccount::of(problems.size());
  const auto requests =
      rollout_requests(loaded, what.sampling, spec, benchmark.name, problems, account, monitor);
  Sampler sampler(what.sampling, ServerFlags(), loaded, monitor);
  eval::BenchmarkOptions settings;
  settings.monitor = &monitor;
  std::optional<eval::BenchmarkResult> result = ponder::eval::evaluate(
      sampler.generator(), benchmark.name, problems, requests, settings, stop_flag());
  if (!result) throw Stopped{stop_signal()};
  eval::VerdictTable verdicts = ponder::eval::verdicts_of(*result, problems);
  if (loaded.precision() != tensor::Precision::kF32)
    verdicts.arithmetics.emplace(tensor::stored_name(loaded.precision()));
  return verdicts;
}

}  // namespace

void compare_responses(const ResponsesToCompare& what, const CommonOptions& common) {
  TerminalMonitor monitor(common.quiet ? TerminalMonitor::Level::kWarning
                                       : TerminalMonitor::Level::kInfo);
  std::vector<Questions> benchmarks;
  for (const std::string& file : what.benchmarks) {
    data::RowAccount account;
    const std::string path = benchmark_file(file);
    benchmarks.push_back(
        {path == file ? data::dataset_name(file) : file, data::read_problems(path, account)});
    if (account.kept != account.rows) monitor.warning(account.summary());
  }
  for (const std::string& one : what.contestants) {
    const bool model = fs::is_directory(one);
    if (model && !fs::exists(fs::path(one) / "config.json")) {
      throw Error(
          one, "is neither a run directory nor a model: it has no recipe.toml and no config.json");
    }
    if (!model && !fs::exists(one)) throw Error(ErrorKind::kNotFound, one, "there is no such file");
    if (benchmarks.empty() && (model || !has_verdicts(one))) {
      throw Error(ErrorKind::kUsage, one,
                  model ? "a model needs problems to answer" : "its rows have no verdicts",
                  "name benchmark files with --benchmark");
    }
  }
  if (benchmarks.empty()) benchmarks.push_back({"verdicts", {}});
  ThreadPool threads(common.threads);
  for (const Questions& benchmark : benchmarks) {
    std::vector<eval::Contestant> contestants;
    for (const std::string& one : what.contestants) {
      eval::Contestant& contestant = contestants.emplace_back();
      contestant.name = one;
      if (fs::is_directory(one)) {
        contestant.verdicts = answered(one, benchmark, what, common, threads, monitor);
      } else if (has_verdicts(one)) {
        contestant.verdicts = ponder::eval::read_verdicts(one);
        if (!what.benchmarks.empty())
          contestant.verdicts = ponder::eval::verdicts_on(contestant.verdicts, benchmark.problems,
                                                          benchmark.name, one);
      } else {
        const eval::BenchmarkResult result =
            ponder::eval::score_responses(benchmark.name, benchmark.problems, one);
        contestant.verdicts = ponder::eval::verdicts_of(result, benchmark.problems);
      }
    }
    const std::vector<eval::ContestRow> rows = ponder::eval::hold_contest(contestants, common.seed);
    if (common.json) {
      print_json({{"benchmark", benchmark.name}, {"contestants", ponder::eval::to_json(rows)}});
    } else {
      print_text(benchmark.name + "\n" + ponder::eval::to_text(rows));
    }
  }
  if (common.json) return;
  print_text(
      "\naccuracy in % with its 95 % interval over problems; differences in points, paired by "
      "problem; p "
      "corrected by Holm; told apart: below 0.05\none training each: another training seed would "
      "move "
      "the scores by more\n");
}

}  // namespace ponder::cli
