// ponder benchmarks: names for files of benchmarks.
#include <fmt/format.h>

#include <cctype>
#include <memory>

#include "base/error.h"
#include "cli/benchmark_names.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "data/readers.h"
#include "data/shards.h"

namespace ponder::cli {
namespace {

namespace fs = std::filesystem;

struct BenchmarksOptions {
  CommonOptions common;
  std::string name, file, from;
};

void check_benchmark_name(const std::string& name) {
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.') continue;
    throw Error(ErrorKind::kUsage, "NAME", fmt::format("\"{}\" is no name", excerpt(name)),
                "letters, digits, '-', '_' and '.'");
  }
}

Json json_of(const std::string& name, const NamedBenchmark& one) {
  return {{"name", name},
          {"file", one.file},
          {"n", one.num_problems > 0 ? Json(one.num_problems) : Json(nullptr)},
          {"sha256", one.sha256},
          {"source", one.from}};
}

void run_add(const BenchmarksOptions& options) {
  check_benchmark_name(options.name);
  data::RowAccount account;
  const auto problems = data::read_problems(options.file, account, {});  // it is one
  auto names = read_benchmark_names();
  NamedBenchmark& one = names[options.name];
  one = {fs::absolute(options.file).lexically_normal().string(), data::source_sha256(options.file),
         options.from, static_cast<int64_t>(problems.size())};
  write_benchmark_names(names);
  if (!options.common.quiet && !options.common.json)
    print("{}: {} problems\n", options.name, problems.size());
  if (options.common.json) print_json(json_of(options.name, one));
}

void run_list(const BenchmarksOptions& options) {
  Json rows = Json::array();
  for (const auto& [name, one] : read_benchmark_names()) {
    if (options.common.json)
      rows.push_back(json_of(name, one));
    else
      print("{:<20} {}{}\n", name, one.file, one.from.empty() ? "" : " (" + one.from + ")");
  }
  if (options.common.json) print_json({{"benchmarks", rows}});
}

void run_remove(const BenchmarksOptions& options) {
  auto names = read_benchmark_names();
  if (names.erase(options.name) == 0) {
    throw Error(ErrorKind::kNotFound, options.name, "is the name of no benchmark",
                "ponder benchmarks lists the names");
  }
  write_benchmark_names(names);
}

CLI::App* add_action(CLI::App& parent, const char* name, const char* what,
                     const std::shared_ptr<BenchmarksOptions>& options,
                     void (*run)(const BenchmarksOptions&)) {
  CLI::App* sub = parent.add_subcommand(name, what);
  add_common_options(*sub, options->common);
  sub->callback([options, run] { run(*options); });
  return sub;
}

}  // namespace

void register_benchmarks(CLI::App& app) {
  auto options = std::make_shared<BenchmarksOptions>();
  CLI::App* sub = app.add_subcommand("benchmarks", "names for files of benchmarks; lists them");
  sub->require_subcommand(0, 1);
  add_common_options(*sub, options->common);
  sub->callback([options, sub] {
    if (sub->get_subcommands().empty()) run_list(*options);
  });
  sub->footer(
      "Example:\n  ponder benchmarks add math500 MATH-500.jsonl --from "
      "huggingface.co/datasets/HuggingFaceH4/MATH-500\n"
      "  ponder benchmarks\n"
      "ponder eval and compare take the name in the place of the file.");
  CLI::App* add = add_action(*sub, "add", "gives a file a name", options, run_add);
  add->add_option("NAME", options->name, "its name for --benchmark")->required();
  add->add_option("FILE", options->file, "file of problems (or a folder, or a pattern)")
      ->required();
  add->add_option("--from", options->from, "where it comes from, for the list");
  add_action(*sub, "list", "the names, their files and where they come from", options, run_list);
  CLI::App* remove =
      add_action(*sub, "remove", "forgets a name; the file stays", options, run_remove);
  remove->add_option("NAME", options->name, "the name")->required();
}

}  // namespace ponder::cli
