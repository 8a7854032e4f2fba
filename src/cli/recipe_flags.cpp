#include "cli/recipe_flags.h"

#include <fmt/format.h>

#include "base/error.h"
#include "pipeline/smoke.h"

namespace ponder::cli {

void add_recipe_flags(CLI::App& command, RecipeFlags& flags) {
  command.add_option("recipe", flags.recipe, "recipe file (TOML)")->required();
  command.add_option("--set", flags.set,
                     "override one key of the recipe, e.g. --set sft.lr=1e-4 (repeatable)");
  command.add_flag("--smoke", flags.smoke,
                   "five rows of everything, one epoch, short responses: does all of it run?");
  add_common_options(command, flags.common);
  command.parse_complete_callback(
      [&command, &flags] { flags.seed_given = command.count("--seed") > 0; });
}

pipeline::Recipe RecipeFlags::load() const {
  namespace fs = std::filesystem;
  if (fs::is_directory(recipe)) {
    const bool is_run = fs::exists(fs::path(recipe) / "run.db");
    throw Error(
        recipe, fmt::format("expected a recipe, found {}", is_run ? "a run" : "a folder"),
        is_run
            ? fmt::format("a run goes on with its recipe: ponder run RECIPE.toml --out {}", recipe)
            : "give the file RECIPE.toml; `ponder recipes` lists those that come with "
              "the program");
  }
  if (!fs::exists(recipe)) {
    throw Error(
        ErrorKind::kNotFound, recipe, "expected a recipe, found no such file",
        "`ponder recipes` lists those that come with the program, `ponder recipes NAME --out "
        "FILE` copies one");
  }
  std::vector<std::string> overrides = set;
  if (seed_given) overrides.push_back(fmt::format("seed={}", common.seed));
  if (smoke) {
    const std::vector<std::string> small = pipeline::smoke_overrides(recipe, overrides);
    overrides.insert(overrides.end(), small.begin(), small.end());
  }
  return pipeline::load_recipe(recipe, overrides);
}

}  // namespace ponder::cli
