// The recipes of recipes/, as they were when the program was built (cmake/shipped_recipes.cmake).
#pragma once

#include <span>
#include <string_view>

namespace ponder::cli {

struct ShippedRecipe {
  std::string_view name, text;
};
std::span<const ShippedRecipe> shipped_recipes();

}  // namespace ponder::cli
