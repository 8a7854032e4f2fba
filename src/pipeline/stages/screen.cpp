#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/rollouts.h"

namespace ponder::pipeline {
namespace {

StagePlan plan_screen(const PlanContext& context, const Stage& stage) {
  if (context.problems_of_round(stage.round) == 0) return {.note = none_left_for(stage.round)};
  return context.rollouts(context.problems_of_round(stage.round), 1,
                          context.recipe().explore.max_tokens);
}

StageOutcome run_screen(StageContext& context) {
  RolloutWork work;
  work.problems = problems_of_round(context.pool, context.recipe, context.stage.round);
  if (work.problems.empty()) return StageOutcome::nothing(none_left_for(context.stage.round));
  generate::InferenceModel model = open_model(context);
  work.sampling.temperature = 0;
  work.sampling.max_tokens = static_cast<int>(context.recipe.explore.max_tokens);
  work.strictness = context.recipe.explore.strictness;
  if (!roll_out(context, model, work)) return StageOutcome::stopped();
  pool::RolloutResult result = rollouts_of(context.pool, context.stage.name, work);
  result.hard = result.problems - result.solved;
  return {.rows = result.samples, .result = pool::to_json(result)};
}

}  // namespace

const StageKind kScreen = {
    .name = pool::stage_kind::kScreen,
    .version = 1,
    .keys = {"chat_template", "allow_template_change", "system", "seed", "explore.max_tokens",
             "explore.units", "explore.order", "explore.forms"},
    .sources = pool::SourceRecord::Role::kProblems,
    .plan = plan_screen,
    .run = run_screen,
};

}  // namespace ponder::pipeline
