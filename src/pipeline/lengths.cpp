#include "pipeline/lengths.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "model/checkpoint.h"
#include "pipeline/plan_context.h"

namespace ponder::pipeline {

int64_t positions_of(const std::filesystem::path& model) {
  try {
    return model::load_config(model).max_position_embeddings;
  } catch (const Error&) {
    return 0;  // whoever opens the model says what is wrong with it
  }
}

int64_t usual_max_length(int64_t positions) {
  constexpr int64_t kReport = 20000;
  return positions == 0 ? kReport : std::clamp<int64_t>(positions, 2, kReport);
}

int64_t usual_max_tokens(int64_t positions) {
  constexpr int64_t kReport = 32768, kPrompt = 2048;
  if (positions == 0) return kReport;
  return std::clamp<int64_t>(positions - std::min(kPrompt, positions / 8), 1, kReport);
}

std::vector<std::string> length_warnings(const PlanContext& context) {
  const Recipe& recipe = context.recipe();
  std::vector<std::string> warnings;
  for (size_t set = 0; set < recipe.imitation.size(); ++set) {
    const RowLengths& rows = context.rows(set);
    if (rows.too_long == 0) continue;
    const std::string& name = recipe.imitation[set].name;
    warnings.push_back(fmt::format(
        "max_length = {} leaves out {} of {} demonstrations{}, the longest ones; the model has "
        "positions for {}",
        recipe.max_length, rows.too_long, rows.too_long + rows.units,
        name.empty() ? "" : " of " + name, context.max_positions()));
  }
  const RowLengths& main = context.rows(0);
  const auto check = [&](const char* key, int64_t limit) {
    const auto longer = std::count_if(main.responses.begin(), main.responses.end(),
                                      [&](int64_t tokens) { return tokens > limit; });
    if (longer == 0) return;
    warnings.push_back(
        fmt::format("{} = {} is less than {} of {} demonstrations teach, the longest {} tokens: "
                    "answers of that "
                    "length are cut, and count as wrong",
                    key, limit, longer, main.units,
                    *std::max_element(main.responses.begin(), main.responses.end())));
  };
  if (recipe.explore.rounds > 0) check("explore.max_tokens", recipe.explore.max_tokens);
  if (!recipe.evaluate.benchmarks.empty()) check("evaluate.max_tokens", recipe.evaluate.max_tokens);
  return warnings;
}

}  // namespace ponder::pipeline
