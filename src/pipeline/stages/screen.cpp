#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/rollouts.h"

namespace ponder {
namespace {

StagePlan plan_screen(const PlanContext& context, const Stage& /*stage*/) {
  return context.rollouts(context.problems_of_a_round(), 1, context.recipe().explore.max_tokens);
}

StageOutcome run_screen(StageContext& context) {
  InferenceModel model = open_model(context);
  SamplingSettings greedy;
  greedy.temperature = 0;
  greedy.max_tokens = static_cast<int>(context.recipe.explore.max_tokens);
  if (!roll_out(context, model,
                problems_of_round(context.recipe, context.stage.round, &context.log), greedy, 1,
                nullptr)) {
    return StageOutcome::stopped();
  }
  const Tally tally = tally_of(context.pool, context.stage.name);
  Json result = to_json(tally);
  result["hard"] = tally.problems.size() - tally.solved.size();
  return {.rows = tally.samples, .result = result};
}

}  // namespace

const StageKind kScreen = {"screen", plan_screen, run_screen};

}  // namespace ponder
