#include "pipeline/hardness.h"
#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/rollouts.h"

namespace ponder::pipeline {
namespace {

StagePlan plan_explore(const PlanContext& context, const Stage& stage) {
  const ExploreOptions& e = context.recipe().explore;
  if (context.problems_of_round(stage.round) == 0 && !e.retry_unsolved)
    return {.note = none_left_for(stage.round)};
  return context.rollouts(context.problems_of_round(stage.round), e.samples, e.max_tokens);
}

StageOutcome run_explore(StageContext& context) {
  const ExploreOptions& e = context.recipe.explore;
  RolloutWork work;
  work.problems = problems_to_explore(context.pool, context.recipe, context.stage.round);
  if (work.problems.empty()) return StageOutcome::nothing(none_left_for(context.stage.round));
  if (e.hard_only) {
    const auto counts = pass_counts(context.pool, context.stage.reads.back());
    for (const auto& [id, count] : counts) work.expected_tokens[id] = count.tokens / count.samples;
    Picked picked = pick_problems(work.problems, counts, e, context.stage.input);
    if (picked.problems.empty()) return StageOutcome::nothing(picked.nothing);
    work.problems = std::move(picked.problems);
  }
  generate::InferenceModel model = open_model(context);
  work.sampling.temperature = e.temperature;
  work.sampling.top_p = e.top_p;
  work.sampling.max_tokens = static_cast<int>(e.max_tokens);
  work.samples = static_cast<int>(e.samples);
  work.strictness = e.strictness;
  work.group_complete = [&e](std::span<const data::Rollout> samples) {
    int64_t correct = 0, incorrect = 0;
    for (const data::Rollout& t : samples) {
      correct += t.verdict == judge::Verdict::kCorrect;
      incorrect += t.verdict == judge::Verdict::kIncorrect;
    }
    return correct >= e.enough_correct && incorrect >= e.enough_incorrect;
  };
  if (!roll_out(context, model, work)) return StageOutcome::stopped();
  const pool::RolloutResult result = rollouts_of(context.pool, context.stage.name, work);
  return {.rows = result.samples, .result = pool::to_json(result)};
}

}  // namespace

const StageKind kExplore = {
    .name = pool::stage_kind::kExplore,
    .version = 1,
    .keys = {"chat_template", "allow_template_change", "instruction", "prompt_prefix",
             "prompt_suffix", "system", "seed", "explore", "-explore.problems", "-explore.rounds",
             "-explore.problems_per_round"},
    .sources = pool::SourceRecord::Role::kProblems,
    .plan = plan_explore,
    .run = run_explore,
};

}  // namespace ponder::pipeline
