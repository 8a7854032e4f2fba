#include "pipeline/stage_list.h"

#include "pipeline/stages/kinds.h"

namespace ponder::pipeline {

std::vector<Stage> stages_of(const Recipe& recipe) {
  std::vector<Stage> stages;
  const auto evaluate = [&](const std::string& model) {
    if (recipe.evaluate.benchmarks.empty()) return;
    stages.push_back({.name = "evaluate-" + model,
                      .kind = &kEvaluate,
                      .input = model,
                      .only_its_input = true,
                      .reads = {"ingest"}});
  };
  stages.push_back({.name = "ingest", .kind = &kIngest});
  evaluate("M0");
  for (size_t i = 0; i < recipe.imitation.size(); ++i) {
    const std::string suffix = i == 0 ? "" : "-" + recipe.imitation[i].name;
    stages.push_back({.name = "imitate" + suffix,
                      .kind = &kImitate,
                      .set = i,
                      .input = "M0",
                      .output = "M1" + suffix,
                      .reads = {"ingest"}});
    evaluate("M1" + suffix);
  }
  std::vector<std::string> trained = {"ingest"};  // and the selections of all rounds so far
  for (int t = 1; t <= recipe.explore.rounds; ++t) {
    const std::string round = "-" + std::to_string(t);
    const std::string now = "M" + std::to_string(t), next = "M" + std::to_string(t + 1);
    std::vector<std::string> explored = {"ingest"};
    if (recipe.explore.retry_unsolved && t > 1)
      explored.push_back("explore-" + std::to_string(t - 1));
    if (recipe.explore.hard_only) {
      stages.push_back({.name = "screen" + round,
                        .kind = &kScreen,
                        .round = t,
                        .input = now,
                        .reads = explored});
      explored.push_back("screen" + round);
    }
    stages.push_back({.name = "explore" + round,
                      .kind = &kExplore,
                      .round = t,
                      .input = now,
                      .reads = explored});
    stages.push_back(
        {.name = "refine" + round,
         .kind = &kRefine,
         .round = t,
         .input = recipe.refine.perplexity_model.empty() ? now : recipe.refine.perplexity_model,
         .reads = {"explore" + round}});
    trained.push_back("refine" + round);
    stages.push_back({.name = "improve" + round,
                      .kind = &kImprove,
                      .round = t,
                      .input = recipe.improve_from_current ? now : "M0",
                      .output = next,
                      .instead = now,
                      .reads = trained});
    evaluate(next);
  }
  for (size_t i = 0; i < recipe.dpo.size(); ++i) {
    const DpoVariant& variant = recipe.dpo[i];
    std::vector<std::string> explored;
    for (int64_t t = variant.first_round; t <= variant.last_round; ++t)
      explored.push_back("explore-" + std::to_string(t));
    stages.push_back({.name = variant.stage(),
                      .kind = &kDpo,
                      .set = i,
                      .input = variant.from,
                      .output = variant.model(),
                      .reads = explored});
    evaluate(variant.model());
  }
  return stages;
}

}  // namespace ponder::pipeline
