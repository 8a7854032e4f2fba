#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <list>
#include <map>

#include "base/error.h"
#include "cli/command.h"
#include "cli/pool_command.h"
#include "cli/printing.h"
#include "pipeline/recipe.h"
#include "report/runs_table.h"

namespace ponder::cli {
namespace {

namespace fs = std::filesystem;

struct CompareOptions {
  CommonOptions common;
  std::vector<std::string> runs;
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

void compare(const CompareOptions& options) {
  std::list<Run> runs;
  for (const std::string& folder : options.runs) {
    const fs::path recipe = fs::path(folder) / "recipe.toml";
    if (!fs::exists(recipe)) {
      throw Error(folder, "is no run directory: it has no recipe.toml",
                  "give directories that `ponder run --out DIR` made");
    }
    const pipeline::Recipe read =
        pipeline::load_recipe(recipe, {}, pipeline::RecipeFiles::kMayBeAbsent);
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
  const report::RunsTable table = report::runs_table(groups);
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
    Json result = report::to_json(table);
    result["recipes"] = changed;
    print_json(result);
    return;
  }
  if (options.markdown) {
    print_text(report::to_markdown(table));
    return;
  }
  for (const Json& one : changed) {
    print("{} against {}: {}\n", one["run"].get<std::string>(), groups[0].name,
          one["change"].get<std::string>());
  }
  print_text(report::to_text(table));
}

}  // namespace

void register_compare(CLI::App& app) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = app.add_subcommand(
      "compare", "runs beside each other: means over training seeds, and what can be told apart");
  command
      ->add_option("runs", options->runs,
                   "run directories; those whose recipes differ in seed and train_seed alone are "
                   "trainings of one kind")
      ->required();
  command->add_flag("--markdown", options->markdown, "the scores as a table of Markdown");
  add_common_options(*command, options->common);
  command->footer(
      "Example:\n  ponder run recipes/quickstart.toml --set train_seed=2 --out runs/second\n"
      "  ponder compare runs/quickstart runs/second");
  command->callback([options] { compare(*options); });
}

}  // namespace ponder::cli
