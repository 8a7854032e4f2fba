#include "pipeline/stages/rollouts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "eval/judging.h"
#include "generate/scorer.h"
#include "pipeline/server_records.h"
#include "pipeline/stages/stage_sampler.h"
#include "rollout/run_rollouts.h"
#include "tokenizer/thought_format.h"

namespace ponder::pipeline {

namespace {

// Rollouts in one transaction, at most.
constexpr size_t kMostUnsaved = 256;

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

// What samples: weights and arithmetic, and whether the tokens are drawn as our engine draws them.
struct Sampler {
  std::string model_sha256;
  tensor::Precision precision;
  bool otherwise = false;
};

// Of all that decides the completions of a problem.
std::string sha256_of(const rollout::RolloutRequest& request, const Sampler& sampler) {
  const data::SamplingSettings& sampling = request.sampling;
  // Not how many tokens it may take: whoever has fewer goes on.
  Json all = Json::array({sampler.model_sha256, request.problem_id, request.prompt_ids,
                          request.seed, sampling.temperature, sampling.top_p, sampling.top_k,
                          request.stop_ids, request.stop_strings});
  if (sampler.precision != tensor::Precision::kF32)
    all.push_back(tensor::stored_name(sampler.precision));
  if (sampler.otherwise) all.push_back("otherwise");
  return sha256_hex(dump_json(all));
}

// Whether the request would give the rollout. One of an earlier recipe may be of another.
bool is_of(const rollout::RolloutRequest& request, const data::Rollout& t, const Sampler& sampler) {
  const data::SamplingSettings &asked = request.sampling, &had = t.sampling;
  const bool drawn_otherwise = t.completion.logprob_source != data::LogprobSource::kEngine;
  return t.sample < request.num_samples && t.completion.model_sha256 == sampler.model_sha256 &&
         t.completion.precision == sampler.precision && drawn_otherwise == sampler.otherwise &&
         t.template_sha256 == request.template_sha256 && t.seed == request.seed &&
         t.prompt_ids == request.prompt_ids && had.temperature == asked.temperature &&
         had.top_p == asked.top_p && had.top_k == asked.top_k;
}

// What becomes of a rollout that was allowed another number of tokens.
enum class Allowed { kSame, kNothing, kGoesOn };
Allowed with_tokens_allowed(const data::Rollout& t, int max_tokens) {
  const data::Completion& made = t.completion;
  const bool cut = made.finish_reason == data::FinishReason::kLength;
  if (!made.token_ids) return Allowed::kNothing;
  if (cut) return t.sampling.max_tokens < max_tokens ? Allowed::kGoesOn : Allowed::kNothing;
  // A loop is looked for behind the limit, so one at the limit itself would be cut there.
  const bool loop = made.finish_reason == data::FinishReason::kRepetition;
  return made.num_tokens() + loop <= max_tokens ? Allowed::kSame : Allowed::kNothing;
}

// The tokens of one that was cut off, to go on with. Whether it ends with the last of them is for the
// rules to say again, so that one is sampled again.
void put_back(StageContext& context, const data::Rollout& t, const std::string& benchmark,
              const std::string& request_sha256) {
  data::Partial tokens{*t.completion.token_ids, {}};
  if (tokens.size() < 2) return;
  // Those that were computed afterwards are not the sampler's.
  if (t.completion.logprob_source == data::LogprobSource::kEngine)
    tokens.logprobs = *t.completion.logprobs;
  tokens.cut(tokens.size() - 1);
  context.pool.add_partial({context.stage.name, benchmark, t.problem_id, t.sample, request_sha256,
                            0, std::move(tokens)});
}

// The request for one sample of a problem, those before it being there.
rollout::RolloutRequest only_sample(const rollout::RolloutRequest& request, int sample) {
  rollout::RolloutRequest one = request;
  one.num_samples = sample + 1;
  one.done.clear();
  for (int before = 0; before < sample; ++before) one.done.emplace_back().sample = before;
  std::erase_if(one.begun, [&](const auto& begun) { return begun.first != sample; });
  return one;
}

void count(ProblemTally& tally, const data::Rollout& t) {
  ++tally.samples;
  tally.tokens += t.completion.num_tokens();
  if (!is_usable(t)) return;
  tally.right += t.verdict == judge::Verdict::kCorrect;
  tally.wrong += t.verdict == judge::Verdict::kIncorrect;
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
                const Sampler& sampler) {
  for (pool::PartialRecord& partial : context.pool.partials(context.stage.name)) {
    if (partial.benchmark != benchmark) continue;
    const auto request = request_of.find(partial.problem_id);
    if (request == request_of.end() ||
        partial.request_sha256 != sha256_of(*request->second, sampler) ||
        partial.tokens.size() >= request->second->sampling.max_tokens) {
      context.pool.remove_partial(partial);
    } else {
      request->second->begun[partial.sample] = std::move(partial.tokens);
    }
  }
}

// One call of roll_out: passes over what the pool lacks, until nothing of it was thrown away again.
class RollOut {
 public:
  RollOut(StageContext& context, generate::InferenceModel& model, RolloutWork& work)
      : context_(context),
        model_(model),
        work_(work),
        sampler_{model.sha256(), model.precision(),
                 context.recipe.fleet.samples_otherwise(context.stage.kind->name)},
        records_(context, work.benchmark) {}

  bool run() {
    make_requests();
    try {
      source_.emplace(context_, model_, requests_, records_);
    } catch (const Error&) {
      save({});  // what was found of servers
      throw;
    }
    save({});
    if (!source_->generator()) return false;  // stopped before a server was there
    for (;;) {
      records_.ask_again();
      take_done();
      std::vector<ProblemTally> tallies(requests_.size());
      if (!(work_.next_wave ? ask_in_waves(tallies) : ask(requests_, hooks()))) return false;
      const std::vector<std::string> unproven = source_->prove(context_);
      save({});
      if (context_.stopping()) return false;
      if (records_.any_withdrawn()) continue;
      records_.tell_unproven(unproven);
      if (work_.next_wave) leave_within_budget(tallies);
      return true;
    }
  }

 private:
  void make_requests() {
    {
      pool::Pool::Transaction transaction(context_.pool);
      for (const data::Problem& problem : work_.problems)
        context_.pool.add_problem(problem, work_.benchmark);
      transaction.commit();
    }
    generate::RolloutSpec spec;
    spec.samples = work_.samples;
    spec.sampling = work_.sampling;
    spec.seed = context_.recipe.seed;
    spec.system = context_.recipe.system;
    data::RowAccount account = data::RowAccount::of(work_.problems.size());
    requests_ = model_.rollout_requests(work_.problems, spec, account);
    tell_left_out(context_, work_.benchmark, account);
    work_.rejected = account.rejected;
    for (const data::Problem& problem : work_.problems) by_id_[problem.id] = &problem;
    for (rollout::RolloutRequest& request : requests_) {
      request_of_[request.problem_id] = &request;
      const auto expected = work_.expected_tokens.find(request.problem_id);
      if (expected != work_.expected_tokens.end()) request.expected_tokens = expected->second;
    }
  }

  judge::Judgement judge(data::Rollout& t) const {
    return eval::judge_rollout(*by_id_.at(t.problem_id), work_.strictness, t);
  }

  // Gives the requests what the pool has of their rollouts; what they would not give leaves it.
  void take_done() {
    for (rollout::RolloutRequest& request : requests_) {
      request.done.clear();
      request.begun.clear();
    }
    context_.pool.for_each_rollout(
        {.stage = context_.stage.name}, [&](const pool::StoredRollout& stored) {
          if (stored.benchmark != work_.benchmark) return;
          const auto request = request_of_.find(stored.rollout.problem_id);
          if (request == request_of_.end() || !is_of(*request->second, stored.rollout, sampler_)) {
            context_.pool.remove_rollout(stored.stage, stored.rollout, stored.benchmark);
            return;
          }
          take_done(stored, *request->second);
        });
    if (work_.group_complete && !work_.next_wave) {
      for (rollout::RolloutRequest& request : requests_) leave_enough(context_, work_, request);
    }
    take_begun(context_, work_.benchmark, request_of_, sampler_);
  }

  void take_done(const pool::StoredRollout& stored, rollout::RolloutRequest& request) {
    data::Rollout done = stored.rollout;
    const int allowed = request.sampling.max_tokens;
    const bool as_allowed = done.sampling.max_tokens == allowed;
    const Allowed now = as_allowed ? Allowed::kSame : with_tokens_allowed(done, allowed);
    if (!as_allowed) context_.pool.remove_rollout(stored.stage, done, stored.benchmark);
    if (now == Allowed::kGoesOn)
      put_back(context_, done, work_.benchmark, sha256_of(request, sampler_));
    if (now != Allowed::kSame) return;
    if (!done.verdict) judge(done);  // its stage is done again
    if (!as_allowed) {
      done.sampling.max_tokens = allowed;
      context_.pool.add_rollout(stored.stage, stored.round, done, stored.benchmark);
    } else if (!stored.rollout.verdict) {
      context_.pool.set_verdict(stored.id, *done.verdict, done.proof);
    }
    request.done.push_back(std::move(done));
  }

  void save(std::span<const rollout::NewTokens> begun) {
    if (unsaved_.empty() && begun.empty() && !records_.any()) return;
    pool::Pool::Transaction transaction(context_.pool);
    records_.write();
    for (const data::Rollout& t : unsaved_) {
      if (records_.counts(t.problem_id, t.sample))
        context_.pool.add_rollout(context_.stage.name, context_.stage.round, t, work_.benchmark);
    }
    for (const rollout::NewTokens& part : begun) {
      if (!records_.counts(part.problem_id, part.sample)) continue;
      records_.keep_begun(part.problem_id, part.sample, part.first + part.tokens.size());
      context_.pool.add_partial({context_.stage.name, work_.benchmark, part.problem_id, part.sample,
                                 sha256_of(*request_of_.at(part.problem_id), sampler_), part.first,
                                 part.tokens});
    }
    transaction.commit();
    unsaved_.clear();
  }

  rollout::RolloutHooks hooks() {
    rollout::RolloutHooks hooks;
    hooks.judge = [this](data::Rollout& t) {
      const judge::Judgement judgement = judge(t);
      if (work_.on_judged) work_.on_judged(t, judgement);
      if (samples_on_servers(context_) && t.completion.endpoint.empty())  // it was whole at a stop
        t.completion.endpoint = records_.last_server_of(t.problem_id, t.sample);
      // Of the stage's model, as its servers were found to have it; scored when something reads it.
      t.completion.model_sha256 = sampler_.model_sha256;
      t.completion.precision = sampler_.precision;
      if (!t.completion.logprobs) return;
      // Sampled and scored by one forward: the recorded log-probabilities are the perplexity.
      t.perplexity = generate::make_score(*t.completion.logprobs).perplexity;
      t.perplexity_model_sha256 = t.completion.model_sha256;
      t.perplexity_precision = t.completion.precision;
    };
    hooks.group_complete = work_.group_complete;
    hooks.on_completion = [this](const data::Rollout& t) {
      unsaved_.push_back(t);
      if (unsaved_.size() >= kMostUnsaved) save({});
    };
    hooks.save = [this](std::span<const rollout::NewTokens> begun) { save(begun); };
    return hooks;
  }

  // False when stopped.
  bool ask(std::span<const rollout::RolloutRequest> asked, const rollout::RolloutHooks& hooks) {
    const rollout::RolloutReport report = rollout::run_rollouts(
        *source_->generator(), asked, hooks,
        {.monitor = &source_->monitor(context_), .task = context_.stage.name, .unit = "rollouts"},
        context_.stop);
    save({});
    source_->tell(context_);
    return !report.interrupted;
  }

  bool ask_in_waves(std::vector<ProblemTally>& tallies) {
    std::map<std::string, ProblemTally*> tally_of;
    for (size_t i = 0; i < requests_.size(); ++i) {
      tallies[i].expected_tokens = requests_[i].expected_tokens;
      tally_of[requests_[i].problem_id] = &tallies[i];
    }
    // Its memory is for all of them, not for the first wave.
    for (const rollout::RolloutRequest& request : requests_)
      source_->generator()->announce(rollout::completion_request(request, 0), 1);
    rollout::RolloutHooks hooks = this->hooks();
    hooks.group_complete = nullptr;
    hooks.on_completion = [&, keep = hooks.on_completion](const data::Rollout& t) {
      keep(t);
      count(*tally_of.at(t.problem_id), t);
    };
    for (work_.waves = 0;; ++work_.waves) {
      const std::vector<size_t> wave = work_.next_wave(tallies);
      if (wave.empty()) return true;
      std::vector<rollout::RolloutRequest> asked;
      std::vector<std::pair<size_t, const data::Rollout*>> there;
      for (const size_t p : wave) {
        const rollout::RolloutRequest& request = requests_[p];
        const auto sample = static_cast<int>(tallies[p].samples);
        const auto done = std::find_if(request.done.begin(), request.done.end(),
                                       [&](const data::Rollout& t) { return t.sample == sample; });
        if (done != request.done.end()) {
          there.emplace_back(p, &*done);
        } else {
          asked.push_back(only_sample(request, sample));
        }
      }
      if (!asked.empty() && work_.out_of_time && work_.out_of_time()) return true;
      for (const auto& [p, done] : there) count(tallies[p], *done);
      if (!asked.empty() && !ask(asked, hooks)) return false;
      if (context_.stopping()) return false;
    }
  }

  // What an earlier, larger budget made leaves the pool.
  void leave_within_budget(const std::vector<ProblemTally>& tallies) {
    for (size_t i = 0; i < requests_.size(); ++i) {
      for (const data::Rollout& t : requests_[i].done) {
        if (t.sample >= tallies[i].samples)
          context_.pool.remove_rollout(context_.stage.name, t, work_.benchmark);
      }
    }
  }

  StageContext& context_;
  generate::InferenceModel& model_;
  RolloutWork& work_;
  const Sampler sampler_;
  std::vector<rollout::RolloutRequest> requests_;
  std::map<std::string, const data::Problem*> by_id_;
  std::map<std::string, rollout::RolloutRequest*> request_of_;  // by problem
  std::vector<data::Rollout> unsaved_;
  ServerRecords records_;
  std::optional<StageSampler> source_;  // the last: it tells the records
};

}  // namespace

generate::InferenceModel open_model(const StageContext& context, std::optional<bool> thinking) {
  tokenizer::TemplateChoice choice = context.recipe.chat_template;
  choice.thinking = thinking;
  return generate::InferenceModel(
      context.checkpoint(context.stage.input), context.threads, choice, context.recipe.precision,
      samples_on_servers(context) ? generate::Weights::kLeave : generate::Weights::kLoad);
}

bool roll_out(StageContext& context, generate::InferenceModel& model, RolloutWork& work) {
  return RollOut(context, model, work).run();
}

bool is_usable(const data::Rollout& rollout) {
  return rollout.completion.finish_reason == data::FinishReason::kStop &&
         tokenizer::parse_thought(rollout.completion.text).fault == tokenizer::ThoughtFault::kNone;
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
