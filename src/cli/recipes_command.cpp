// ponder recipes: the recipes that come with the program, listed and copied.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "cli/shipped_recipes.h"

namespace ponder::cli {
namespace fs = std::filesystem;
namespace {

struct RecipesOptions {
  CommonOptions common;
  std::string name, out;
};

// The first sentence of its comment.
std::string summary_of(std::string_view text) {
  std::string comment;
  while (text.starts_with("#")) {
    const size_t end = std::min(text.size(), text.find('\n'));
    comment += std::string(text.substr(1, end - 1));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  const size_t end =
      std::min({comment.size(), comment.find(". "), comment.find(": "), comment.find("; ")});
  return comment.substr(std::min<size_t>(1, comment.size()), end - 1);
}

// What its comment says of the time it takes, where somebody has measured it: the rest of the line "# Takes: …".
std::string takes_of(std::string_view text) {
  constexpr std::string_view kMark = "\n# Takes: ";
  const size_t at = text.substr(0, text.find("\nname = ")).find(kMark);
  if (at == std::string_view::npos) return "";
  text.remove_prefix(at + kMark.size());
  return std::string(text.substr(0, text.find('\n')));
}

Json listed(const ShippedRecipe& recipe) {
  const std::string takes = takes_of(recipe.text);
  return {{"name", recipe.name},
          {"summary", summary_of(recipe.text)},
          {"takes", takes.empty() ? Json() : Json(takes)}};
}

// The value of the line `key = "value"`, and where it stands.
struct Setting {
  size_t begin = 0, size = 0;
  std::string_view value;
};
std::optional<Setting> base_of(std::string_view text) {
  constexpr std::string_view kKey = "\nbase = \"";
  const size_t key = text.find(kKey);
  if (key == std::string_view::npos) return std::nullopt;
  const size_t begin = key + kKey.size(), size = text.find('"', begin) - begin;
  return Setting{begin, size, text.substr(begin, size)};
}

// A recipe's base is looked for from its own folder: where the program lies in a checkout, from the
// folder of `out` it is another path.
std::string text_for(const ShippedRecipe& recipe, const fs::path& out) {
  std::string text(recipe.text);
  const std::optional<Setting> base = base_of(text);
  const fs::path folder = fs::absolute(out).parent_path();
  if (!base || fs::exists(folder / base->value)) return text;
  std::error_code unknown;
  for (fs::path above = fs::read_symlink("/proc/self/exe", unknown).parent_path();
       above.has_relative_path(); above = above.parent_path()) {
    const fs::path there = (above / "recipes" / base->value).lexically_normal();
    if (!fs::exists(above / "recipes" / (std::string(recipe.name) + ".toml")) || !fs::exists(there))
      continue;
    return text.replace(base->begin, base->size, there.string());
  }
  tell(fmt::format("its base {} is not there, seen from {}: set base in it before it is run",
                   base->value, out.string()));
  return text;
}

const ShippedRecipe& recipe_named(const std::string& name) {
  std::vector<std::string_view> names;
  for (const ShippedRecipe& recipe : shipped_recipes()) {
    if (recipe.name == name) return recipe;
    names.push_back(recipe.name);
  }
  const std::string near = nearest(name, names.data(), names.size());
  throw Error(ErrorKind::kUsage, name, "no such recipe",
              near.empty() ? fmt::format("the recipes are {}", fmt::join(names, ", "))
                           : fmt::format("did you mean {}?", near));
}

void recipes(const RecipesOptions& options) {
  if (options.name.empty()) {
    Json rows = Json::array();
    for (const ShippedRecipe& recipe : shipped_recipes()) {
      if (options.common.json) {
        rows.push_back(listed(recipe));
        continue;
      }
      const std::string takes = takes_of(recipe.text);
      print(
          "{:<14}{}\n{:14}{}\n", recipe.name, summary_of(recipe.text), "",
          takes.empty() ? "time not measured: ponder plan says what to expect" : "takes " + takes);
    }
    if (options.common.json) print_json({{"recipes", rows}});
    return;
  }
  const ShippedRecipe& recipe = recipe_named(options.name);
  if (options.out.empty()) {
    if (options.common.json) {
      Json row = listed(recipe);
      row["text"] = recipe.text;
      print_json(row);
    } else {
      print_text(recipe.text);
    }
    return;
  }
  if (fs::exists(options.out))
    throw Error(ErrorKind::kUsage, options.out, "is there already", "choose another --out");
  write_file_atomic(options.out, text_for(recipe, options.out));
  if (!options.common.quiet)
    tell(fmt::format("{}: what it would do and cost says `ponder plan {}`", options.out,
                     options.out));
}

}  // namespace

void register_recipes(CLI::App& app) {
  auto options = std::make_shared<RecipesOptions>();
  CLI::App* command = app.add_subcommand(
      "recipes", "the recipes that come with the program: listed, shown, copied");
  auto* name = command->add_option("NAME", options->name, "the recipe to show or copy");
  command->add_option("--out", options->out, "the file to copy it to")->needs(name);
  add_common_options(*command, options->common);
  command->footer("Examples:\n  ponder recipes\n  ponder recipes quickstart --out mine.toml");
  command->callback([options] { recipes(*options); });
}

}  // namespace ponder::cli
