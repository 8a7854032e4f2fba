#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <set>

#include "pipeline/hardness.h"
#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/rollouts.h"

namespace ponder::pipeline {
namespace {

StagePlan plan_explore(const PlanContext& context, const Stage& stage) {
  const ExploreOptions& e = context.recipe().explore;
  const int64_t problems = context.problems_of_round(stage.round);
  if (problems == 0 && !e.retry_unsolved) return {.note = none_left_for(stage.round)};
  if (problems == 0) return context.rollouts(stage, 0, e.samples, e.max_tokens);
  int64_t samples = e.samples;
  if (e.budget_samples > 0)
    samples = std::min(samples, (e.budget_samples + problems - 1) / problems);
  StagePlan plan = context.rollouts(stage, problems, samples, e.max_tokens);
  if (e.budget_tokens > 0 && e.budget_tokens < plan.tokens) {
    const double share = static_cast<double>(e.budget_tokens) / static_cast<double>(plan.tokens);
    plan.tokens = e.budget_tokens;
    plan.flops *= share;
    plan.expect(plan.seconds_high * share, 1, 1);
  }
  // Easy problems are left out, and a problem that has enough right and wrong answers asks no more.
  double likely = e.hard_only ? 0.5 : 1, least = e.hard_only ? 0.25 : 1;
  if (e.enough_correct > 0 && e.enough_incorrect > 0) {
    const auto enough = static_cast<double>(e.enough_correct + e.enough_incorrect);
    const double fewest = std::min(1.0, enough / static_cast<double>(samples));
    likely *= std::sqrt(fewest);
    least *= fewest;
  }
  plan.expect_less(likely, least);
  if (e.budget_hours > 0) {
    for (double* seconds : {&plan.seconds_low, &plan.seconds, &plan.seconds_high})
      *seconds = std::min(*seconds, 3600 * e.budget_hours);
  }
  return plan;
}

// Where the budget of a round is spent. `hours` is looked at between waves.
class Budget {
 public:
  explicit Budget(const StageContext& context) : context_(context) {
    const ExploreOptions& e = context.recipe.explore;
    rule_ = {e.samples,        e.enough_correct, e.enough_incorrect,
             e.budget_samples, e.budget_tokens,  e.budget_wave};
    if (const auto record = context.pool.stage(context.stage.name)) spent_before_ = record->seconds;
  }

  std::vector<size_t> next(std::span<const ProblemTally> problems) const {
    return next_wave(problems, rule_);
  }
  bool out_of_time() const {
    const double hours = context_.recipe.explore.budget_hours;
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - start_;
    return hours > 0 && spent_before_ + since.count() >= 3600 * hours;
  }

 private:
  const StageContext& context_;
  BudgetRule rule_;
  double spent_before_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

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
  Budget budget(context);
  if (e.has_budget()) {
    work.next_wave = [&](std::span<const ProblemTally> problems) { return budget.next(problems); };
    work.out_of_time = [&] { return budget.out_of_time(); };
  }
  work.group_complete = [&e](std::span<const data::Rollout> samples) {
    int64_t correct = 0, incorrect = 0;
    for (const data::Rollout& t : samples) {
      if (e.enough_usable && !is_usable(t)) continue;
      correct += t.verdict == judge::Verdict::kCorrect;
      incorrect += t.verdict == judge::Verdict::kIncorrect;
    }
    return correct >= e.enough_correct && incorrect >= e.enough_incorrect;
  };
  if (!roll_out(context, model, work)) return StageOutcome::stopped();
  pool::RolloutResult result = rollouts_of(context.pool, context.stage.name, work);
  if (e.has_budget()) result.waves = work.waves;
  return {.rows = result.samples, .result = pool::to_json(result)};
}

}  // namespace

const StageKind kExplore = {
    .name = pool::stage_kind::kExplore,
    .version = 1,
    .keys = {"chat_template", "allow_template_change", "instruction", "prompt_prefix",
             "prompt_suffix", "system", "precision", "seed", "explore", "-explore.problems",
             "-explore.rounds", "-explore.problems_per_round", "fleet.kind"},
    .sources = pool::SourceRecord::Role::kProblems,
    .plan = plan_explore,
    .run = run_explore,
};

}  // namespace ponder::pipeline
