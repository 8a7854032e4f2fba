#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "pipeline/recipe_parts.h"

namespace ponder::pipeline {

Strategy read_strategy(TomlSection& section, const char* key, Strategy fallback) {
  const std::string name = section.text(key, to_string(fallback));
  const std::optional<Strategy> strategy = strategy_from_string(name);
  if (!strategy) {
    section.fail(key, fmt::format("unknown strategy \"{}\"", excerpt(name)), strategy_advice(name));
  }
  return *strategy;
}

RefineOptions read_refine(TomlSection& top, const Recipe& recipe) {
  TomlSection refine = top.section("refine");
  RefineOptions o;
  o.strategy = to_string(read_strategy(refine, "strategy", Strategy::kLongest));
  o.per_problem = refine.integer("per_problem", 1, 1, kMany);
  o.max_rows = refine.integer("max_rows", 0, 0, kMany);
  // Younger than runs that go on.
  if (refine.given("agreement")) o.agreement = refine.integer("agreement", 0, 0, kMany);
  if (refine.given("length_band"))
    refine.band("length_band", o.length_band.low, o.length_band.high, 0, 1);
  if (refine.given("perplexity_band"))
    refine.band("perplexity_band", o.perplexity_band.low, o.perplexity_band.high, 0, 1);
  if (refine.given("per_domain")) o.per_domain = refine.integer("per_domain", 0, 0, kMany);
  if (refine.given("perplexity_model")) {
    o.perplexity_model = refine.text("perplexity_model", "");
    std::vector<std::string> models = {"M0"};
    for (const ImitationSet& set : recipe.imitation)
      models.push_back(set.name.empty() ? "M1" : "M1-" + set.name);
    if (std::find(models.begin(), models.end(), o.perplexity_model) == models.end()) {
      refine.fail(
          "perplexity_model",
          fmt::format("there is no model \"{}\" before the rounds", excerpt(o.perplexity_model)),
          fmt::format("there are {}", fmt::join(models, ", ")));
    }
  }
  refine.finish();
  if (o.agreement > recipe.explore.samples) {
    refine.fail("agreement",
                fmt::format("asks for {} right rollouts of a problem that has {} at most "
                            "(explore.samples)",
                            o.agreement, recipe.explore.samples));
  }
  return o;
}

}  // namespace ponder::pipeline
