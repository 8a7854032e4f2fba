#include <fmt/format.h>

#include "pipeline/recipe_parts.h"

namespace ponder::pipeline {

// All are younger than runs that go on.
void read_budget(TomlSection& explore, ExploreOptions& o) {
  if (explore.given("enough_of"))
    o.enough_usable = explore.choice("enough_of", "judged", {"judged", "usable"}) == "usable";
  if (explore.given("budget_samples"))
    o.budget_samples = explore.integer("budget_samples", 0, 1, kMany);
  if (explore.given("budget_tokens")) {
    o.budget_tokens = explore.integer("budget_tokens", 0, 1, std::numeric_limits<int64_t>::max());
    if (o.budget_tokens < o.max_tokens) {
      explore.fail(
          "budget_tokens",
          fmt::format("expected at least what one sample may take (explore.max_tokens = {}), "
                      "found {}",
                      o.max_tokens, o.budget_tokens));
    }
  }
  if (explore.given("budget_hours")) o.budget_hours = explore.number("budget_hours", 0, 1e-4, 1e6);
  if (explore.given("budget_wave")) o.budget_wave = explore.integer("budget_wave", 64, 1, kMany);
}

}  // namespace ponder::pipeline
