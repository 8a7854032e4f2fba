#include "pipeline/hardness.h"
#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/rollouts.h"

namespace ponder::pipeline {
namespace {

StagePlan plan_screen(const PlanContext& context, const Stage& stage) {
  const ExploreOptions& e = context.recipe().explore;
  if (context.problems_of_round(stage.round) == 0 && !e.retry_unsolved)
    return {.note = none_left_for(stage.round)};
  return context.rollouts(stage, context.problems_of_round(stage.round), e.screen_samples,
                          e.max_tokens);
}

StageOutcome run_screen(StageContext& context) {
  RolloutWork work;
  const ExploreOptions& e = context.recipe.explore;
  work.problems = problems_to_explore(context.pool, context.recipe, context.stage.round);
  if (work.problems.empty()) return StageOutcome::nothing(none_left_for(context.stage.round));
  generate::InferenceModel model = open_model(context);
  work.samples = static_cast<int>(e.screen_samples);
  work.sampling.temperature = e.screen_temperature;
  work.sampling.top_p = e.screen_top_p;
  work.sampling.max_tokens = static_cast<int>(e.max_tokens);
  work.strictness = e.strictness;
  if (!roll_out(context, model, work)) return StageOutcome::stopped();
  pool::RolloutResult result = rollouts_of(context.pool, context.stage.name, work);
  result.hard =
      pick_problems(problems_to_explore(context.pool, context.recipe, context.stage.round),
                    pass_counts(context.pool, context.stage.name), e, context.stage.input)
          .by_rate;
  return {.rows = result.samples, .result = pool::to_json(result)};
}

}  // namespace

const StageKind kScreen = {
    .name = pool::stage_kind::kScreen,
    .version = 1,
    .keys = {"chat_template", "allow_template_change", "instruction", "prompt_prefix",
             "prompt_suffix", "system", "precision", "seed", "explore.max_tokens", "explore.units",
             "explore.order", "explore.forms", "explore.screen", "explore.retry_unsolved",
             "fleet.kind"},
    .sources = pool::SourceRecord::Role::kProblems,
    .plan = plan_screen,
    .run = run_screen,
};

}  // namespace ponder::pipeline
