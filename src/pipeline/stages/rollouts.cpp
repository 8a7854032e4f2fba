#include "pipeline/stages/rollouts.h"

#include "eval/judging.h"
#include "generate/scorer.h"
#include "rollout/run_rollouts.h"

namespace ponder {

namespace {

Engine open_engine(const StageContext& context, InferenceModel& model) {
  const auto& engine = context.recipe.engine;
  return Engine(model.decoder(), &model.text().tokenizer(), context.threads,
                model.engine_options(static_cast<int>(engine.max_batch), engine.kv_cache_bytes));
}

}  // namespace

InferenceModel open_model(const StageContext& context) {
  return InferenceModel(context.checkpoint(context.stage.input), context.threads,
                        context.recipe.chat_template);
}

bool roll_out(StageContext& context, InferenceModel& model, const RolloutWork& work) {
  std::map<std::string, const Problem*> by_id;
  std::vector<RolloutRequest> requests;
  {
    Pool::Transaction transaction(context.pool);
    for (const Problem& problem : work.problems) context.pool.add_problem(problem, work.benchmark);
    transaction.commit();
  }
  RolloutSpec spec;
  spec.samples = work.samples;
  spec.sampling = work.sampling;
  spec.seed = context.recipe.seed;
  spec.system = context.recipe.system;
  for (const Problem& problem : work.problems) {
    by_id[problem.id] = &problem;
    RolloutRequest& request = requests.emplace_back(model.rollout_request(problem, spec));
    const auto expected = work.expected_tokens.find(problem.id);
    if (expected != work.expected_tokens.end()) request.expected_tokens = expected->second;
  }
  std::map<std::string, RolloutRequest*> request_of;
  for (RolloutRequest& request : requests) request_of[request.problem_id] = &request;
  context.pool.for_each_trajectory(
      {.stage = context.stage.name}, [&](const StoredTrajectory& stored) {
        if (stored.benchmark != work.benchmark) return;
        const auto request = request_of.find(stored.trajectory.problem_id);
        if (request != request_of.end()) request->second->done.push_back(stored.trajectory);
      });

  std::vector<Trajectory> unsaved;
  const auto save = [&] {
    if (unsaved.empty()) return;
    Pool::Transaction transaction(context.pool);
    for (const Trajectory& t : unsaved)
      context.pool.add_trajectory(context.stage.name, context.stage.round, t, work.benchmark);
    transaction.commit();
    unsaved.clear();
  };
  RolloutHooks hooks;
  hooks.judge = [&](Trajectory& t) {
    const Judgement judgement = judge_rollout(*by_id.at(t.problem_id), work.strictness, t);
    if (work.on_judged) work.on_judged(t, judgement);
    // Sampled and scored by one forward: the recorded log-probabilities are the perplexity.
    t.perplexity = make_score(t.logprobs).perplexity;
    t.perplexity_model_sha256 = t.model_sha256;
  };
  hooks.group_complete = work.group_complete;
  hooks.on_completion = [&](const Trajectory& t) {
    unsaved.push_back(t);
    if (unsaved.size() >= 256) save();
  };
  Engine engine = open_engine(context, model);
  const RolloutReport report = run_rollouts(
      engine, requests, hooks,
      {.monitor = &context.monitor, .task = context.stage.name, .unit = "rollouts"}, context.stop);
  save();
  return !report.interrupted;
}

RolloutResult rollouts_of(const Pool& pool, const std::string& stage) {
  const PoolCounts::Stage counts = pool.counts_of(stage);
  RolloutResult result;
  result.problems = counts.problems;
  result.solved = counts.problems_solved;
  result.samples = counts.trajectories;
  result.correct = counts.correct;
  result.incorrect = counts.incorrect;
  result.undecided = counts.undecided + counts.unjudged;
  result.unfinished = counts.unfinished;
  result.tokens = counts.tokens;
  return result;
}

}  // namespace ponder
