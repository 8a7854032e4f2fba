#include <map>
#include <set>

#include "base/error.h"
#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/rollouts.h"

namespace ponder {
namespace {

StagePlan plan_explore(const PlanContext& context, const Stage& /*stage*/) {
  const ExploreOptions& e = context.recipe().explore;
  return context.rollouts(context.problems_of_a_round(), e.samples, e.max_tokens);
}

StageOutcome run_explore(StageContext& context) {
  const ExploreOptions& e = context.recipe.explore;
  std::vector<Problem> problems =
      problems_of_round(context.recipe, context.stage.round, &context.log);
  std::map<std::string, int64_t> expected_tokens;
  if (e.hard_only) {
    std::set<std::string> solved;
    context.pool.for_each_trajectory(
        {context.stage.reads[0], "", std::nullopt, true}, [&](const StoredTrajectory& stored) {
          const Trajectory& greedy = stored.trajectory;
          expected_tokens[greedy.problem_id] = static_cast<int64_t>(greedy.token_ids.size());
          if (greedy.verdict == Verdict::kCorrect) solved.insert(greedy.problem_id);
        });
    std::erase_if(problems, [&](const Problem& problem) { return solved.contains(problem.id); });
    if (problems.empty()) {
      throw Error(context.stage.name, "the model solves every problem of this round greedily",
                  "give harder problems, or set explore.hard_only = false");
    }
  }
  InferenceModel model = open_model(context);
  SamplingSettings sampling;
  sampling.temperature = e.temperature;
  sampling.top_p = e.top_p;
  sampling.max_tokens = static_cast<int>(e.max_tokens);
  const auto group_complete = [&](std::span<const Trajectory> samples) {
    int64_t correct = 0, incorrect = 0;
    for (const Trajectory& t : samples) {
      correct += t.verdict == Verdict::kCorrect;
      incorrect += t.verdict == Verdict::kIncorrect;
    }
    return correct >= e.enough_correct && incorrect >= e.enough_incorrect;
  };
  if (!roll_out(context, model, problems, sampling, static_cast<int>(e.samples), group_complete,
                expected_tokens))
    return StageOutcome::stopped();
  const Tally tally = tally_of(context.pool, context.stage.name);
  return {.rows = tally.samples, .result = to_json(tally)};
}

}  // namespace

const StageKind kExplore = {"explore", plan_explore, run_explore};

}  // namespace ponder
