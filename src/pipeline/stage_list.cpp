#include "pipeline/stage_list.h"

namespace ponder {

std::vector<Stage> stages_of(const Recipe& recipe) {
  std::vector<Stage> stages;
  const auto evaluate = [&](const std::string& model) {
    if (recipe.evaluate.benchmarks.empty()) return;
    stages.push_back({"evaluate-" + model, StageKind::kEvaluate, 0, 0, model, ""});
  };
  evaluate("M0");
  for (size_t i = 0; i < recipe.imitation.size(); ++i) {
    const std::string suffix = i == 0 ? "" : "-" + recipe.imitation[i].name;
    stages.push_back({"imitate" + suffix, StageKind::kImitate, 0, i, "M0", "M1" + suffix});
    evaluate("M1" + suffix);
  }
  for (int t = 1; t <= recipe.explore.rounds; ++t) {
    const std::string round = "-" + std::to_string(t);
    const std::string now = "M" + std::to_string(t), next = "M" + std::to_string(t + 1);
    if (recipe.explore.hard_only)
      stages.push_back({"screen" + round, StageKind::kScreen, t, 0, now, ""});
    stages.push_back({"explore" + round, StageKind::kExplore, t, 0, now, ""});
    stages.push_back({"refine" + round, StageKind::kRefine, t, 0, now, ""});
    stages.push_back({"improve" + round, StageKind::kImprove, t, 0, "M0", next});
    evaluate(next);
  }
  if (recipe.dpo.enabled) {
    stages.push_back({"dpo", StageKind::kDpo, 0, 0, "M1", "M1-dpo"});
    evaluate("M1-dpo");
  }
  return stages;
}

}  // namespace ponder
