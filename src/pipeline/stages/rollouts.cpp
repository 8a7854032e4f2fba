#include "pipeline/stages/rollouts.h"

#include "eval/judging.h"
#include "generate/scorer.h"

namespace ponder {

InferenceModel open_model(const StageContext& context) {
  return InferenceModel(context.checkpoint(context.stage.input), context.threads,
                        context.recipe.chat_template);
}

EngineOptions engine_options(const StageContext& context, const InferenceModel& model) {
  EngineOptions options = model.engine_options();
  options.max_batch = static_cast<int>(context.recipe.engine.max_batch);
  options.kv_cache_bytes = context.recipe.engine.kv_cache_bytes;
  return options;
}

void show_progress(const StageContext& context, const EngineProgress& p) {
  context.log.progress(context.stage.name, static_cast<uint64_t>(p.finished),
                       static_cast<uint64_t>(p.total), "rollouts, " + to_text(p));
}

bool roll_out(StageContext& context, InferenceModel& model, const std::vector<Problem>& problems,
              const SamplingSettings& sampling, int samples,
              const std::function<bool(std::span<const Trajectory>)>& enough,
              const std::map<std::string, int64_t>& expected_tokens) {
  std::map<std::string, const Problem*> by_id;
  std::vector<RolloutRequest> requests;
  {
    Pool::Transaction transaction(context.pool);
    for (const Problem& problem : problems) context.pool.add_problem(problem);
    transaction.commit();
  }
  for (const Problem& problem : problems) {
    by_id[problem.id] = &problem;
    RolloutRequest request;
    request.problem_id = problem.id;
    request.prompt_ids = model.prompt_ids(problem.question, context.recipe.system);
    request.num_samples = samples;
    request.sampling = sampling;
    request.seed = context.recipe.seed;
    const auto expected = expected_tokens.find(problem.id);
    if (expected != expected_tokens.end()) request.expected_tokens = expected->second;
    requests.push_back(std::move(request));
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
  EngineHooks hooks;
  hooks.judge = [&](Trajectory& t) {
    judge_rollout(*by_id.at(t.problem_id), context.recipe.explore.strictness, t);
    // Sampled and scored by one forward: the recorded log-probabilities are the perplexity.
    t.perplexity = make_score(t.logprobs).perplexity;
    t.perplexity_model_sha256 = t.model_sha256;
  };
  hooks.enough = enough;
  hooks.deliver = [&](const Trajectory& t) {
    unsaved.push_back(t);
    if (unsaved.size() >= 256) save();
  };
  hooks.progress = [&](const EngineProgress& p) { show_progress(context, p); };
  Engine engine(model.decoder(), &model.tokenizer(), context.threads,
                engine_options(context, model));
  const EngineReport report = engine.run(requests, hooks, context.stop);
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
