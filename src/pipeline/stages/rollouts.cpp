#include "pipeline/stages/rollouts.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"
#include "eval/judging.h"
#include "generate/scorer.h"
#include "rollout/run_rollouts.h"

namespace ponder::pipeline {

namespace {

// Rollouts in one transaction, at most.
constexpr size_t kMostUnsaved = 256;

generate::Engine open_engine(const StageContext& context, generate::InferenceModel& model) {
  const auto& engine = context.recipe.engine;
  return generate::Engine(
      model.decoder(), &model.text().tokenizer(), context.threads,
      model.engine_options(static_cast<int>(engine.max_batch), engine.kv_cache_bytes));
}

void tell_left_out(const StageContext& context, const std::string& benchmark,
                   const data::RowAccount& account) {
  const std::string of = benchmark.empty() ? "" : " of " + benchmark;
  for (const auto& [reason, count] : account.rejected) {
    context.monitor.warning(
        fmt::format("{}: {} problems{} left out: {}", context.stage.name, count, of, reason));
  }
  for (const data::RejectedRow& row : account.examples) {
    context.monitor.record("rejected", {{"source", row.file},
                                        {"row", row.line},
                                        {"id", row.id},
                                        {"reason", row.reason},
                                        {"detail", row.detail}});
  }
  if (account.rows > 0 && account.kept == 0) {
    throw Error(context.stage.name,
                fmt::format("no problem{} can be asked: {}", of, account.left_out_by_id(1).at(0)));
  }
}

// Of all that decides the completions of a problem.
std::string sha256_of(const rollout::RolloutRequest& request, const std::string& model_sha256) {
  const data::SamplingSettings& sampling = request.sampling;
  return sha256_hex(
      dump_json(Json::array({model_sha256, request.problem_id, request.prompt_ids, request.seed,
                             sampling.temperature, sampling.top_p, sampling.top_k,
                             sampling.max_tokens, request.stop_ids, request.stop_strings})));
}

// Whether the request would give the rollout. One of an earlier recipe may be of another.
bool is_of(const rollout::RolloutRequest& request, const data::Rollout& t,
           const std::string& model_sha256) {
  const data::SamplingSettings &asked = request.sampling, &had = t.sampling;
  return t.sample < request.num_samples && t.completion.model_sha256 == model_sha256 &&
         t.template_sha256 == request.template_sha256 && t.seed == request.seed &&
         t.prompt_ids == request.prompt_ids && had.temperature == asked.temperature &&
         had.top_p == asked.top_p && had.top_k == asked.top_k && had.max_tokens == asked.max_tokens;
}

// Takes what is behind the first samples that are enough out of the pool: a rule that has changed may
// ask for fewer.
void leave_enough(StageContext& context, const RolloutWork& work,
                  rollout::RolloutRequest& request) {
  std::vector<data::Rollout>& done = request.done;  // in the order of the samples
  for (size_t n = 1; n < done.size(); ++n) {
    if (done[n - 1].sample + 1 != static_cast<int>(n)) return;  // one before is still to be made
    if (!work.group_complete(std::span(done).first(n))) continue;
    for (size_t i = n; i < done.size(); ++i)
      context.pool.remove_rollout(context.stage.name, done[i], work.benchmark);
    done.resize(n);
    return;
  }
}

// Gives the requests what the pool has of rollouts that are not finished. What they would not go on
// with to the same rollout leaves the pool.
void take_begun(StageContext& context, const std::string& benchmark,
                const std::map<std::string, rollout::RolloutRequest*>& request_of,
                const std::string& model_sha256) {
  for (pool::PartialRecord& partial : context.pool.partials(context.stage.name)) {
    if (partial.benchmark != benchmark) continue;
    const auto request = request_of.find(partial.problem_id);
    if (request == request_of.end() ||
        partial.request_sha256 != sha256_of(*request->second, model_sha256)) {
      context.pool.remove_partial(partial);
    } else {
      request->second->begun[partial.sample] = std::move(partial.tokens);
    }
  }
}

}  // namespace

generate::InferenceModel open_model(const StageContext& context, std::optional<bool> thinking) {
  tokenizer::TemplateChoice choice = context.recipe.chat_template;
  choice.thinking = thinking;
  return generate::InferenceModel(context.checkpoint(context.stage.input), context.threads, choice);
}

bool roll_out(StageContext& context, generate::InferenceModel& model, RolloutWork& work) {
  {
    pool::Pool::Transaction transaction(context.pool);
    for (const data::Problem& problem : work.problems)
      context.pool.add_problem(problem, work.benchmark);
    transaction.commit();
  }
  generate::RolloutSpec spec;
  spec.samples = work.samples;
  spec.sampling = work.sampling;
  spec.seed = context.recipe.seed;
  spec.system = context.recipe.system;
  data::RowAccount account = data::RowAccount::of(work.problems.size());
  std::vector<rollout::RolloutRequest> requests =
      model.rollout_requests(work.problems, spec, account);
  tell_left_out(context, work.benchmark, account);
  work.rejected = account.rejected;
  std::map<std::string, const data::Problem*> by_id;
  for (const data::Problem& problem : work.problems) by_id[problem.id] = &problem;
  std::map<std::string, rollout::RolloutRequest*> request_of;
  for (rollout::RolloutRequest& request : requests) {
    request_of[request.problem_id] = &request;
    const auto expected = work.expected_tokens.find(request.problem_id);
    if (expected != work.expected_tokens.end()) request.expected_tokens = expected->second;
  }
  const auto judge = [&](data::Rollout& t) {
    return eval::judge_rollout(*by_id.at(t.problem_id), work.strictness, t);
  };
  context.pool.for_each_rollout(
      {.stage = context.stage.name}, [&](const pool::StoredRollout& stored) {
        if (stored.benchmark != work.benchmark) return;
        const auto request = request_of.find(stored.rollout.problem_id);
        if (request == request_of.end() ||
            !is_of(*request->second, stored.rollout, model.sha256())) {
          context.pool.remove_rollout(stored.stage, stored.rollout, stored.benchmark);
          return;
        }
        data::Rollout done = stored.rollout;
        if (!done.verdict) {  // its stage is done again
          judge(done);
          context.pool.set_verdict(stored.id, *done.verdict, done.proof);
        }
        request->second->done.push_back(std::move(done));
      });

  if (work.group_complete) {
    for (rollout::RolloutRequest& request : requests) leave_enough(context, work, request);
  }
  take_begun(context, work.benchmark, request_of, model.sha256());

  std::vector<data::Rollout> unsaved;
  const auto save = [&](std::span<const rollout::NewTokens> begun) {
    if (unsaved.empty() && begun.empty()) return;
    pool::Pool::Transaction transaction(context.pool);
    for (const data::Rollout& t : unsaved)
      context.pool.add_rollout(context.stage.name, context.stage.round, t, work.benchmark);
    for (const rollout::NewTokens& part : begun) {
      context.pool.add_partial({context.stage.name, work.benchmark, part.problem_id, part.sample,
                                sha256_of(*request_of.at(part.problem_id), model.sha256()),
                                part.first, part.tokens});
    }
    transaction.commit();
    unsaved.clear();
  };
  rollout::RolloutHooks hooks;
  hooks.judge = [&](data::Rollout& t) {
    const judge::Judgement judgement = judge(t);
    if (work.on_judged) work.on_judged(t, judgement);
    // Sampled and scored by one forward: the recorded log-probabilities are the perplexity.
    t.perplexity = generate::make_score(*t.completion.logprobs).perplexity;
    t.perplexity_model_sha256 = t.completion.model_sha256;
  };
  hooks.group_complete = work.group_complete;
  hooks.on_completion = [&](const data::Rollout& t) {
    unsaved.push_back(t);
    if (unsaved.size() >= kMostUnsaved) save({});
  };
  hooks.save = save;
  generate::Engine engine = open_engine(context, model);
  const rollout::RolloutReport report = rollout::run_rollouts(
      engine, requests, hooks,
      {.monitor = &context.monitor, .task = context.stage.name, .unit = "rollouts"}, context.stop);
  save({});
  return !report.interrupted;
}

pool::RolloutResult rollouts_of(const pool::Pool& pool, const std::string& stage,
                                const RolloutWork& work) {
  const pool::PoolCounts::Stage counts = pool.counts_of(stage);
  pool::RolloutResult result;
  result.problems = counts.problems;
  result.solved = counts.problems_solved;
  result.samples = counts.rollouts;
  result.correct = counts.correct;
  result.incorrect = counts.incorrect;
  result.undecided = counts.undecided + counts.unjudged;
  result.unfinished = counts.unfinished;
  result.tokens = counts.tokens;
  result.rejected = {work.rejected.begin(), work.rejected.end()};
  return result;
}

}  // namespace ponder::pipeline
