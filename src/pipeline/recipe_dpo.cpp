#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "pipeline/recipe_parts.h"

namespace ponder::pipeline {
namespace {

std::vector<std::string> models_before(const Recipe& recipe) {
  std::vector<std::string> models = {"M0"};
  for (const ImitationSet& set : recipe.imitation)
    models.push_back(set.name.empty() ? "M1" : "M1-" + set.name);
  for (int64_t t = 1; t <= recipe.explore.rounds; ++t) models.push_back(fmt::format("M{}", t + 1));
  for (const DpoVariant& variant : recipe.dpo) models.push_back(variant.model());
  return models;
}

bool has_name(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A key of a list's variant is written out in the resolved recipe with its default; of a single
// table only where it is given, which is how recipes were before there were lists.
DpoVariant read_variant(TomlSection& s, bool of_list, const Recipe& recipe) {
  DpoVariant v;
  const auto wanted = [&](const char* key) { return of_list || s.given(key); };
  if (of_list) {
    v.held_out = 0.1;
    v.probe_problems = 32;
  }
  if (wanted("name")) {
    v.name = s.text("name", "");
    s.check_name("name", v.name);
  }
  for (const DpoVariant& other : recipe.dpo) {
    if (other.name == v.name)
      s.fail("name", fmt::format("two DPO variants are named \"{}\"", v.name),
             "each makes a stage and a model of its own: give one of them another name");
  }
  const std::vector<std::string> models = models_before(recipe);
  if (wanted("from")) {
    v.from = s.text("from", v.from);
    if (!has_name(models, v.from)) {
      s.fail("from", fmt::format("there is no model \"{}\" before it", excerpt(v.from)),
             fmt::format("there are {}", fmt::join(models, ", ")));
    }
  }
  if (has_name(models, v.model())) {
    s.fail("name", fmt::format("two models would be named {}", v.model()),
           "give the variant another name");
  }
  if (recipe.explore.rounds == 0)
    s.fail("", "DPO needs pairs, which exploration makes", "set explore.rounds to 1 or more");
  if (wanted("rounds")) {
    s.range("rounds", v.first_round, v.last_round, 1, 1000);
    if (v.last_round > recipe.explore.rounds) {
      s.fail("rounds",
             fmt::format("expected rounds of exploration from 1 to {}, found {}",
                         recipe.explore.rounds, v.last_round),
             "raise explore.rounds, or pair the rollouts of earlier rounds");
    }
  }
  v.max_pairs = s.integer("max_pairs", 0, 0, kMany);
  if (wanted("per_problem")) v.per_problem = s.integer("per_problem", 1, 1, kMany);
  if (wanted("chosen")) v.chosen = read_strategy(s, "chosen", v.chosen);
  if (wanted("rejected")) v.rejected = read_strategy(s, "rejected", v.rejected);
  if (wanted("unfinished_rejected"))
    v.unfinished_rejected = s.boolean("unfinished_rejected", false);
  if (wanted("held_out")) v.held_out = s.number("held_out", v.held_out, 0, 0.9);
  if (wanted("probe_problems"))
    v.probe_problems = s.integer("probe_problems", v.probe_problems, 0, kMany);
  if (wanted("probe_steps")) v.probe_steps = s.integer("probe_steps", 0, 0, kMany);
  if (wanted("finish_drop")) v.finish_drop = s.number("finish_drop", v.finish_drop, 0, 1);
  v.align = *data::align_from_string(s.choice(
      "align", "thought", {"thought", "solution", "response", "thought+end", "solution+end"}));
  v.options.beta = s.number("beta", 0.1, 1e-6, 1e6);
  v.options.sft_weight = s.number("sft_weight", 0.1, 0, 1e6);
  if (wanted("sft_term"))
    v.options.sft_term =
        *train::sft_term_from_string(s.choice("sft_term", "pair", {"pair", "token"}));
  if (wanted("length_normalised"))
    v.options.length_normalised = s.boolean("length_normalised", false);
  v.train = read_training(s, 5e-7, recipe);
  s.finish();
  return v;
}

}  // namespace

void read_dpo(TomlSection& top, Recipe& recipe) {
  if (!top.given("dpo")) return;
  if (!top.is_list("dpo")) {
    TomlSection table = top.section("dpo");
    recipe.dpo.push_back(read_variant(table, false, recipe));
    return;
  }
  for (TomlSection& item : top.sections("dpo"))
    recipe.dpo.push_back(read_variant(item, true, recipe));
}

void check_result_names(const Recipe& recipe, const TomlSection& evaluate) {
  const std::vector<std::string> models = models_before(recipe);
  for (const std::string& one : models) {
    for (const std::string& other : models) {
      if (!other.starts_with(one + "-")) continue;
      for (const DataSource& a : recipe.evaluate.benchmarks) {
        for (const DataSource& b : recipe.evaluate.benchmarks) {
          if (other.substr(one.size() + 1) + "-" + a.name != b.name) continue;
          evaluate.fail("benchmarks",
                        fmt::format("\"{}\" of {} and \"{}\" of {} would have one name", b.name,
                                    one, a.name, other),
                        "give one of them another name");
        }
      }
    }
  }
}

}  // namespace ponder::pipeline
