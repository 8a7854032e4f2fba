// The recipe that `run` and `plan` are given.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "pipeline/recipe.h"

namespace ponder::cli {

struct RecipeFlags {
  CommonOptions common;
  std::string recipe;
  std::vector<std::string> set;
  bool seed_given = false, smoke = false;

  pipeline::Recipe load() const;
};

// Adds the recipe, --set, --smoke and the common options.
void add_recipe_flags(CLI::App& command, RecipeFlags& flags);

}  // namespace ponder::cli
