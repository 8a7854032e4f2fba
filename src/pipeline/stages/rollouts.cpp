#include "pipeline/stages/rollouts.h"

#include "eval/judging.h"
#include "generate/scorer.h"
#include "rollout/run_rollouts.h"

namespace ponder {

InferenceModel open_model(const StageContext& context) {
  return InferenceModel(context.checkpoint(context.stage.input), context.threads,
                        context.recipe.chat_template);
}

Engine open_engine(const StageContext& context, InferenceModel& model) {
  const auto& engine = context.recipe.engine;
  return Engine(model.decoder(), &model.tokenizer(), context.threads,
                model.engine_options(static_cast<int>(engine.max_batch), engine.kv_cache_bytes));
}

bool roll_out(StageContext& context, InferenceModel& model, const std::vector<Problem>& problems,
              const SamplingSettings& sampling, int samples,
              const std::function<bool(std::span<const Trajectory>)>& group_complete,
              const std::map<std::string, int64_t>& expected_tokens) {
  std::map<std::string, const Problem*> by_id;
  std::vector<RolloutRequest> requests;
  {
    Pool::Transaction transaction(context.pool);
    for (const Problem& problem : problems) context.pool.add_problem(problem);
    transaction.commit();
  }
  RolloutSpec spec;
  spec.samples = samples;
  spec.sampling = sampling;
  spec.seed = context.recipe.seed;
  spec.system = context.recipe.system;
  for (const Problem& problem : problems) {
    by_id[problem.id] = &problem;
    RolloutRequest& request = requests.emplace_back(model.rollout_request(problem, spec));
    const auto expected = expected_tokens.find(problem.id);
    if (expected != expected_tokens.end()) request.expected_tokens = expected->second;
  }
  std::map<std::string, RolloutRequest*> request_of;
  for (RolloutRequest& request : requests) request_of[request.problem_id] = &request;
  context.pool.for_each_trajectory(
      {context.stage.name, "", std::nullopt, true}, [&](const StoredTrajectory& stored) {
        const auto request = request_of.find(stored.trajectory.problem_id);
        if (request != request_of.end()) request->second->done.push_back(stored.trajectory);
      });

  std::vector<Trajectory> unsaved;
  const auto save = [&] {
    if (unsaved.empty()) return;
    Pool::Transaction transaction(context.pool);
    for (const Trajectory& t : unsaved)
      context.pool.add_trajectory(context.stage.name, context.stage.round, t);
    transaction.commit();
    unsaved.clear();
  };
  RolloutHooks hooks;
  hooks.judge = [&](Trajectory& t) {
    judge_rollout(*by_id.at(t.problem_id), context.recipe.explore.strictness, t);
    // Sampled and scored by one forward: the recorded log-probabilities are the perplexity.
    t.perplexity = make_score(t.logprobs).perplexity;
    t.perplexity_model_sha256 = t.model_sha256;
  };
  hooks.group_complete = group_complete;
  hooks.on_completion = [&](const Trajectory& t) {
    unsaved.push_back(t);
    if (unsaved.size() >= 256) save();
  };
  hooks.progress = [&](const RolloutProgress& progress) {
    show_progress(context.log, context.stage.name, progress, "rollouts");
  };
  Engine engine = open_engine(context, model);
  const RolloutReport report = run_rollouts(engine, requests, hooks, {}, context.stop);
  save();
  return !report.interrupted;
}

Tally tally_of(const Pool& pool, const std::string& stage) {
  Tally tally;
  pool.for_each_trajectory({stage, "", std::nullopt, true}, [&](const StoredTrajectory& stored) {
    const Trajectory& t = stored.trajectory;
    ++tally.samples;
    tally.tokens += static_cast<int64_t>(t.token_ids.size());
    tally.unfinished += t.finish_reason != FinishReason::kStop;
    tally.problems.insert(t.problem_id);
    if (t.verdict == Verdict::kCorrect) {
      ++tally.correct;
      tally.solved.insert(t.problem_id);
    } else if (t.verdict == Verdict::kIncorrect) {
      ++tally.incorrect;
    } else {
      ++tally.undecided;
    }
  });
  return tally;
}

Json to_json(const Tally& t) {
  return {{"problems", t.problems.size()}, {"solved", t.solved.size()}, {"samples", t.samples},
          {"correct", t.correct},          {"incorrect", t.incorrect},  {"undecided", t.undecided},
          {"unfinished", t.unfinished},    {"tokens", t.tokens}};
}

}  // namespace ponder
