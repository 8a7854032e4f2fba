#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "eval/benchmark.h"
#include "generate/inference_model.h"
#include "generate/scorer.h"
#include "pipeline/selection.h"
#include "pipeline/sources.h"
#include "pipeline/stages.h"
#include "train/model_card.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

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

// Rolls out `problems` and keeps every finished sample in the pool, a few hundred to a transaction:
// what a kill can cost is the last of these. `expected_tokens`: lengths of completions by problem
// id, where they are known. False when stopped.
bool roll_out(StageContext& context, InferenceModel& model, const std::vector<Problem>& problems,
              const SamplingSettings& sampling, int samples,
              const std::function<bool(std::span<const Trajectory>)>& enough,
              const std::map<std::string, int64_t>& expected_tokens = {}) {
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
    const Problem& problem = *by_id.at(t.problem_id);
    const Judgement judgement =
        judge_response(problem.answer, t.text, t.finish_reason == FinishReason::kStop,
                       judge_options(problem, context.recipe.explore.strictness));
    t.verdict = judgement.verdict;
    t.proof = judgement.proof;
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

struct Tally {
  int64_t samples = 0, correct = 0, incorrect = 0, undecided = 0, tokens = 0, unfinished = 0;
  std::set<std::string> problems, solved;
};

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

}  // namespace

std::vector<Problem> problems_of_round(const Recipe& recipe, int round, Log* log) {
  std::vector<Problem> all;
  const ContaminationFilter contaminated = contamination_filter_of(recipe);
  for (const Source& source : recipe.explore.problems) {
    ReadReport report;
    for (Problem& problem : problems_of(source, report, &contaminated))
      all.push_back(std::move(problem));
    if (log) log_rejected(*log, source, report);
  }
  const auto total = static_cast<int64_t>(all.size());
  const int64_t rounds = recipe.explore.rounds, each = recipe.explore.problems_per_round;
  const int64_t begin =
      std::min(total, each > 0 ? each * (round - 1) : total * (round - 1) / rounds);
  const int64_t end = std::min(total, each > 0 ? each * round : total * round / rounds);
  if (begin == end) {
    throw Error(fmt::format("explore-{}", round), fmt::format("the {} problems are used up", total),
                "give more problems, or fewer rounds or problems_per_round");
  }
  return {all.begin() + begin, all.begin() + end};
}

std::vector<Candidate> candidates_of(const Pool& pool, const std::string& stage) {
  std::vector<Candidate> candidates;
  pool.for_each_trajectory({stage, "", std::nullopt, true}, [&](const StoredTrajectory& stored) {
    candidates.push_back(candidate_of(stored.id, stored.trajectory));
  });
  return candidates;
}

std::optional<StageOutcome> run_screen(StageContext& context) {
  InferenceModel model = open_model(context);
  SamplingSettings greedy;
  greedy.temperature = 0;
  greedy.max_tokens = static_cast<int>(context.recipe.explore.max_tokens);
  if (!roll_out(context, model,
                problems_of_round(context.recipe, context.stage.round, &context.log), greedy, 1,
                nullptr)) {
    return std::nullopt;
  }
  const Tally tally = tally_of(context.pool, context.stage.name);
  Json result = to_json(tally);
  result["hard"] = tally.problems.size() - tally.solved.size();
  return StageOutcome{tally.samples, result};
}

std::optional<StageOutcome> run_explore(StageContext& context) {
  const ExploreOptions& e = context.recipe.explore;
  std::vector<Problem> problems =
      problems_of_round(context.recipe, context.stage.round, &context.log);
  std::map<std::string, int64_t> expected_tokens;
  if (e.hard_only) {
    std::set<std::string> solved;
    context.pool.for_each_trajectory(
        {fmt::format("screen-{}", context.stage.round), "", std::nullopt, true},
        [&](const StoredTrajectory& stored) {
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
  const auto enough = [&](std::span<const Trajectory> samples) {
    int64_t correct = 0, incorrect = 0;
    for (const Trajectory& t : samples) {
      correct += t.verdict == Verdict::kCorrect;
      incorrect += t.verdict == Verdict::kIncorrect;
    }
    return correct >= e.enough_correct && incorrect >= e.enough_incorrect;
  };
  if (!roll_out(context, model, problems, sampling, static_cast<int>(e.samples), enough,
                expected_tokens))
    return std::nullopt;
  const Tally tally = tally_of(context.pool, context.stage.name);
  return StageOutcome{tally.samples, to_json(tally)};
}

std::optional<StageOutcome> run_refine(StageContext& context) {
  const std::vector<Candidate> candidates =
      candidates_of(context.pool, fmt::format("explore-{}", context.stage.round));
  SelectionOptions options;
  options.strategy = *strategy_from_string(context.recipe.refine.strategy);
  options.per_problem = context.recipe.refine.per_problem;
  options.max_rows = context.recipe.refine.max_rows;
  options.seed = context.recipe.seed;
  const auto decisions = select(candidates, options);
  Pool::Transaction transaction(context.pool);
  int64_t rows = 0, tokens = 0;
  double perplexity = 0;
  std::map<std::string, int64_t> dropped;
  for (size_t i = 0; i < candidates.size(); ++i) {
    Selection selection;
    selection.stage = context.stage.name;
    selection.round = context.stage.round;
    selection.strategy = context.recipe.refine.strategy;
    selection.origin = {RowOrigin::Kind::kTrajectory, candidates[i].id};
    for (const Decision& d : decisions[i]) {
      selection.filter = d.filter;
      selection.kept = d.kept;
      selection.rank = d.rank;
      selection.detail = d.detail;
      context.pool.add_selection(selection);
      ++selection.step;
    }
    if (!selected(decisions[i])) {
      ++dropped[decisions[i].back().filter];
      continue;
    }
    selection.filter = "selected";
    selection.kept = true;
    selection.rank = 0;
    selection.detail = "";
    context.pool.add_selection(selection);
    ++rows;
    tokens += candidates[i].num_tokens;
    perplexity += candidates[i].perplexity;
  }
  transaction.commit();
  const double n = std::max<double>(1, static_cast<double>(rows));
  return StageOutcome{rows,
                      {{"strategy", context.recipe.refine.strategy},
                       {"candidates", candidates.size()},
                       {"rows", rows},
                       {"mean_tokens", static_cast<double>(tokens) / n},
                       {"mean_perplexity", perplexity / n},
                       {"dropped", dropped}}};
}

std::optional<StageOutcome> run_evaluate(StageContext& context) {
  InferenceModel model = open_model(context);
  const EvaluateOptions& e = context.recipe.evaluate;
  fs::create_directories(context.folder / "evaluations");
  Json scores = Json::array();
  Pool::Transaction transaction(context.pool);
  for (const Source& source : e.benchmarks) {
    ReadReport report;
    const std::vector<Problem> problems = problems_of(source, report);
    BenchmarkOptions options;
    options.samples = static_cast<int>(e.samples);
    options.sampling.temperature = e.temperature;
    options.sampling.top_p = e.temperature > 0 ? e.top_p : 1.0;
    options.sampling.max_tokens = static_cast<int>(e.max_tokens);
    options.seed = context.recipe.seed;
    options.system = context.recipe.system;
    options.strictness = e.strictness;
    options.engine = engine_options(context, model);
    options.progress = [&](const EngineProgress& p) { show_progress(context, p); };
    std::map<std::pair<std::string, int>, std::string>
        lines;  // in the order of the ids, whatever the order of arrival
    options.deliver = [&](const Trajectory& t) {
      lines[{t.problem_id, t.sample}] = dump_json({{"problem_id", t.problem_id},
                                                   {"sample", t.sample},
                                                   {"verdict", to_string(*t.verdict)},
                                                   {"proof", t.proof},
                                                   {"finish_reason", to_string(t.finish_reason)},
                                                   {"tokens", t.token_ids.size()},
                                                   {"response", t.text}});
    };
    if (context.stopping()) return std::nullopt;
    BenchmarkResult result;
    try {
      result = evaluate(model, source.name, problems, options, context.stop);
    } catch (const Error&) {
      if (context.stopping())
        return std::nullopt;  // evaluate ends with an Error when it was told to stop
      throw;
    }
    const BenchmarkScore& score = result.score;
    std::string correct;  // one character a problem: '0' to '9', tenths of its samples that are
                          // right, 'x' all
    for (const ProblemResult& p : result.problems) {
      const double share = p.share_correct();
      correct += share >= 1.0 ? 'x' : static_cast<char>('0' + static_cast<int>(share * 10));
    }
    Json extra = ponder::to_json(score);
    extra["correct"] = correct;
    context.pool.add_score({context.stage.name, context.stage.input, source.name, score.n,
                            score.samples, score.accuracy, score.interval_95.low,
                            score.interval_95.high, score.finished, score.format_failures,
                            score.mean_tokens, extra});
    std::string text;
    for (const auto& [key, line] : lines) text += line + "\n";
    write_file_atomic(context.folder / "evaluations" /
                          fmt::format("{}-{}.jsonl", context.stage.input, source.name),
                      text);
    scores.push_back(ponder::to_json(score));
    context.log.info(fmt::format("{} on {}: {:.1f} % [{:.1f}, {:.1f}] of {}", context.stage.input,
                                 source.name, 100 * score.accuracy, 100 * score.interval_95.low,
                                 100 * score.interval_95.high, score.n));
  }
  // The card of a model made here says how good it is; the base belongs to somebody else.
  if (context.stage.input != "M0")
    write_model_card(context.checkpoint(context.stage.input), scores);
  transaction.commit();
  return StageOutcome{static_cast<int64_t>(scores.size()),
                      {{"model", context.stage.input}, {"benchmarks", scores}}};
}

}  // namespace ponder
