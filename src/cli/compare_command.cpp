#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <list>
#include <map>

#include "base/error.h"
#include "cli/command.h"
#include "cli/compare_responses.h"
#include "cli/number_option.h"
#include "cli/pool_command.h"
#include "cli/printing.h"
#include "judge/judge.h"
#include "pipeline/recipe.h"
#include "report/loop_table.h"
#include "report/runs_table.h"

namespace ponder::cli {
namespace {

namespace fs = std::filesystem;

struct CompareOptions {
  CommonOptions common;
  std::vector<std::string> runs;
  ResponsesToCompare responses;
  bool markdown = false;
};

struct Run {
  std::string folder, seeds;
  std::string recipe;  // resolved
  pool::Pool pool;
};

// Without what runs of one recipe may differ in.
std::map<std::string, std::string> keys_but_seeds(const std::string& resolved) {
  std::map<std::string, std::string> keys = pipeline::recipe_keys(resolved);
  for (const char* key : {"name", "seed", "train_seed"}) keys.erase(key);
  return keys;
}

std::string name_of(const std::string& folder) {
  const fs::path path = fs::absolute(folder).lexically_normal();
  return (path.filename().empty() ? path.parent_path() : path).filename().string();
}

// The judge that a run's last score is of.
std::string judge_version_of(const pool::Pool& run) {
  const std::vector<pool::ScoreRecord> scores = run.scores();
  if (scores.empty()) return fmt::to_string(judge::kVersion);
  const Json version = report::measure_of(scores.back()).judge_version;
  return version.is_null() ? "unknown" : version.dump();
}

// How a run's scores were measured: what differs here is not one measure.
std::string measure_of(const std::string& resolved, const pool::Pool& run) {
  const std::map<std::string, std::string> keys = pipeline::recipe_keys(resolved);
  const auto value = [&](const char* key, const char* otherwise) {
    const auto found = keys.find(key);
    if (found == keys.end()) return std::string(otherwise);
    const std::string& text = found->second;  // TOML's: a string stands in quotes
    return text.size() > 1 && text.front() == '\'' ? text.substr(1, text.size() - 2) : text;
  };
  return fmt::format("arithmetic {}; judge: version {}, units {}, order {}, forms {}",
                     value("precision", "f32"), judge_version_of(run),
                     value("evaluate.units", "lenient"), value("evaluate.order", "lenient"),
                     value("evaluate.forms", "exact"));
}

void compare(const CompareOptions& options) {
  const bool no_run = std::none_of(options.runs.begin(), options.runs.end(), [](const auto& one) {
    return fs::exists(fs::path(one) / "recipe.toml");
  });
  if (no_run && (!options.responses.benchmarks.empty() || fs::is_regular_file(options.runs[0]))) {
    ResponsesToCompare responses = options.responses;
    responses.contestants = options.runs;
    return compare_responses(responses, options.common);
  }
  std::list<Run> runs;
  for (const std::string& folder : options.runs) {
    const fs::path recipe = fs::path(folder) / "recipe.toml";
    if (!fs::exists(recipe)) {
      throw Error(folder, "is no run directory: it has no recipe.toml",
                  "give directories that `ponder run --out DIR` made; models need --benchmark");
    }
    const pipeline::Recipe read = pipeline::load_recipe(recipe, {}, pipeline::RecipeFiles::kOfARun);
    runs.push_back({folder, fmt::format("seed {}, train_seed {}", read.seed, read.train_seed),
                    read.resolved, open_pool(folder)});
  }
  std::vector<report::RunGroup> groups;
  std::vector<const Run*> first;  // of each group
  std::vector<std::vector<const Run*>> members;
  for (const Run& run : runs) {
    const auto same = std::find_if(first.begin(), first.end(), [&](const Run* other) {
      return keys_but_seeds(other->recipe) == keys_but_seeds(run.recipe);
    });
    const auto at = static_cast<size_t>(same - first.begin());
    if (same == first.end()) {
      first.push_back(&run);
      groups.push_back({name_of(run.folder), {}});
      members.emplace_back();
    }
    for (const Run* other : members[at]) {
      if (other->seeds != run.seeds) continue;
      throw Error(ErrorKind::kUsage, run.folder,
                  fmt::format("is {} again, with {}", other->folder, run.seeds),
                  "give each training once; train_seed in the recipe makes another");
    }
    members[at].push_back(&run);
    groups[at].runs.push_back(&run.pool);
  }
  // Two runs of one name in different folders: their whole path tells them apart.
  for (size_t i = 0; i < groups.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (groups[i].name != groups[j].name) continue;
      groups[i].name = first[i]->folder;
      groups[j].name = first[j]->folder;
    }
  }
  // A table for each way of measuring, in the order in which they come.
  std::vector<std::string> measures;
  std::vector<std::vector<report::RunGroup>> measured;
  for (size_t g = 0; g < groups.size(); ++g) {
    const std::string measure = measure_of(first[g]->recipe, first[g]->pool);
    const auto known = std::find(measures.begin(), measures.end(), measure);
    const auto at = static_cast<size_t>(known - measures.begin());
    if (known == measures.end()) {
      measures.push_back(measure);
      measured.emplace_back();
    }
    measured[at].push_back(groups[g]);
  }
  std::vector<report::RunsTable> tables;
  for (const std::vector<report::RunGroup>& one : measured)
    tables.push_back(report::runs_table(one));
  Json changed = Json::array();
  for (size_t g = 1; g < groups.size(); ++g) {
    for (const std::string& difference :
         pipeline::recipe_differences(first[0]->recipe, first[g]->recipe)) {
      const std::string key = difference.substr(0, difference.find(':'));
      if (key != "name" && key != "seed" && key != "train_seed")
        changed.push_back({{"run", groups[g].name}, {"change", difference}});
    }
  }
  if (options.common.json) {
    for (size_t i = 0; i < tables.size(); ++i) {
      Json result = report::to_json(tables[i]);
      result["recipes"] = changed;
      if (tables.size() > 1) result["measured_in"] = measures[i];
      print_json(result);
    }
    return;
  }
  const auto heading = [&](size_t i) {
    return tables.size() == 1 ? ""
                              : fmt::format("{}measured in {}\n", i == 0 ? "" : "\n", measures[i]);
  };
  if (options.markdown) {
    for (size_t i = 0; i < tables.size(); ++i)
      print_text(heading(i) + (tables.size() == 1 ? "" : "\n") + report::to_markdown(tables[i]));
    return;
  }
  for (const Json& one : changed) {
    print("{} against {}: {}\n", one["run"].get<std::string>(), groups[0].name,
          one["change"].get<std::string>());
  }
  for (size_t i = 0; i < tables.size(); ++i) print_text(heading(i) + report::to_text(tables[i]));
  if (tables.size() > 1) {
    print_text(
        "\nscores that were not measured alike stand in tables of their own: no difference is told "
        "between them\n");
  }
}

}  // namespace

void register_compare(CLI::App& app) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = app.add_subcommand(
      "compare",
      "runs, models or responses beside each other: means, intervals, and what can be told apart");
  command
      ->add_option(
          "runs", options->runs,
          "run directories (those whose recipes differ in seed and train_seed alone are "
          "trainings of one kind); or, each against the first, models and files of responses "
          "or of verdicts (what ponder eval writes with --out and --details)")
      ->required();
  command
      ->add_option("--benchmark", options->responses.benchmarks,
                   "for models and responses without verdicts: benchmark files (or names of ponder "
                   "benchmarks), separated by commas")
      ->delimiter(',');
  add_number_option(*command, "--samples", options->responses.samples, 1, 100000,
                    "of models: samples of each problem (default: 1, greedy)");
  add_sampling_flags(*command, options->responses.sampling);
  command->add_flag("--markdown", options->markdown, "the scores as a table of Markdown");
  add_common_options(*command, options->common);
  command->footer(
      "Example:\n  ponder run recipes/quickstart.toml --set train_seed=2 --out runs/second\n"
      "  ponder compare runs/quickstart runs/second\n"
      "  ponder compare models/nano-base runs/quickstart/checkpoints/M1 --benchmark easy.jsonl");
  command->callback([options] { compare(*options); });
}

}  // namespace ponder::cli
