#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/file.h"
#include "eval/benchmark.h"
#include "judge/judge.h"
#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/rollouts.h"
#include "train/model_card.h"

namespace ponder::pipeline {
namespace {

namespace fs = std::filesystem;

StagePlan plan_evaluate(const PlanContext& context, const Stage& stage) {
  const EvaluateOptions& e = context.recipe().evaluate;
  return context.rollouts(stage, context.benchmark_problems(), e.samples, e.max_tokens);
}

// A benchmark's rollouts as the pool has them: per problem, and as lines of the evaluation's file
// in the order of the ids.
struct Judged {
  std::vector<eval::ProblemResult> results;
  std::string lines;
  int64_t cut = 0;  // answers at the token limit
};

// What the judge found beside verdict and proof, of the samples made now: (problem, sample).
using Found = std::map<std::pair<std::string, int>, judge::Judgement>;

Judged judged(const StageContext& context, const RolloutWork& work, const Found& found) {
  Judged judged;
  std::map<std::string_view, size_t> place;
  for (const data::Problem& problem : work.problems) {
    place.emplace(problem.id, judged.results.size());
    judged.results.push_back({problem.id, {}});
  }
  std::map<std::pair<std::string, int>, std::string> lines;
  context.pool.for_each_rollout(
      {.stage = context.stage.name, .with_tokens = false}, [&](const pool::StoredRollout& stored) {
        const data::Rollout& t = stored.rollout;
        const data::Completion& made = t.completion;
        const auto at = place.find(t.problem_id);
        if (stored.benchmark != work.benchmark || at == place.end()) return;
        const auto known = found.find({t.problem_id, t.sample});
        judge::Judgement judgement =
            known != found.end()
                ? known->second
                : eval::judge_completion(work.problems[at->second], work.strictness, made.text,
                                         made.finish_reason);
        judgement.verdict = *t.verdict;  // what counts is what is stored
        judged.cut += made.finish_reason == data::FinishReason::kLength;
        judged.results[at->second].samples.push_back(eval::sample_result(
            std::move(judgement), made.text, made.finish_reason, made.num_tokens()));
        lines[{t.problem_id, t.sample}] =
            dump_json({{"problem_id", t.problem_id},
                       {"sample", t.sample},
                       {"verdict", judge::to_string(*t.verdict)},
                       {"proof", t.proof},
                       {"finish_reason", data::to_string(made.finish_reason)},
                       {"tokens", made.num_tokens()},
                       {"response", made.text}});
      });
  for (const auto& [key, line] : lines) judged.lines += line + "\n";
  return judged;
}

// One character a problem: '0' to '9', tenths of its samples that are right, 'x' all.
std::string shares_of(const std::vector<eval::ProblemResult>& results) {
  std::string correct;
  for (const eval::ProblemResult& p : results) {
    const double share = p.share_correct();
    correct += share >= 1.0 ? 'x' : static_cast<char>('0' + static_cast<int>(share * 10));
  }
  return correct;
}

// Correct samples of each problem.
Json counts_of(const std::vector<eval::ProblemResult>& results) {
  Json counts = Json::array();
  for (const eval::ProblemResult& p : results) counts.push_back(p.num_correct());
  return counts;
}

StageOutcome run_evaluate(StageContext& context) {
  const EvaluateOptions& e = context.recipe.evaluate;
  generate::InferenceModel model = open_model(context, e.thinking);
  const std::string& name = context.stage.input;
  fs::create_directories(context.folder / "evaluations");
  Json scores = Json::array();
  for (const DataSource& source : e.benchmarks) {
    RolloutWork work;
    std::string benchmark_sha256;
    for (const pool::SourceRecord& read :
         sources_of(context.pool, pool::SourceRecord::Role::kBenchmark, source.name)) {
      work.problems = context.pool.problems_of(read.id);
      benchmark_sha256 = read.rows_sha256;
    }
    work.benchmark = source.name;
    work.samples = static_cast<int>(e.samples);
    work.sampling.temperature = e.temperature;
    work.sampling.top_p = e.temperature > 0 ? e.top_p : 1.0;
    work.sampling.max_tokens = static_cast<int>(e.max_tokens);
    work.strictness = e.strictness;
    Found found;
    work.on_judged = [&](const data::Rollout& t, const judge::Judgement& judgement) {
      found[{t.problem_id, t.sample}] = judgement;
    };
    if (!roll_out(context, model, work)) return StageOutcome::stopped();

    const Judged rollouts = judged(context, work, found);
    if (rollouts.cut > 0) {
      context.monitor.warning(fmt::format(
          "{} on {}: {} of {} answers were cut at evaluate.max_tokens = {}, and count as "
          "wrong",
          name, source.name, rollouts.cut, work.problems.size() * static_cast<size_t>(e.samples),
          e.max_tokens));
    }
    eval::BenchmarkScore score =
        eval::aggregate(source.name, work.problems, rollouts.results, e.strictness);
    score.rejected = std::move(work.rejected);
    Json extra = ponder::eval::to_json(score);
    extra["benchmark_sha256"] = benchmark_sha256;
    extra["judge_version"] = judge::kVersion;
    extra["correct"] = shares_of(rollouts.results);
    if (e.samples > 10)
      extra["num_correct"] = counts_of(rollouts.results);  // tenths are no more exact
    context.pool.add_score({context.stage.name, name, source.name, score.n, score.samples,
                            score.accuracy, score.interval_95.low, score.interval_95.high,
                            score.finished, score.format_failures, score.mean_tokens, extra});
    write_file_atomic(
        context.folder / "evaluations" / fmt::format("{}-{}.jsonl", name, source.name),
        rollouts.lines);
    scores.push_back(ponder::eval::to_json(score));
    context.monitor.info(fmt::format("{} on {}: {:.1f} % [{:.1f}, {:.1f}] of {}", name, source.name,
                                     100 * score.accuracy, 100 * score.interval_95.low,
                                     100 * score.interval_95.high, score.n));
  }
  // The card of a model made here says how good it is; the base belongs to somebody else.
  if (name != "M0") train::write_model_card(context.checkpoint(name), scores);
  const auto rows = static_cast<int64_t>(scores.size());
  return {.rows = rows, .result = pool::to_json(pool::EvaluateResult{name, std::move(scores)})};
}

}  // namespace

const StageKind kEvaluate = {
    .name = pool::stage_kind::kEvaluate,
    .version = 1,
    .keys = {"chat_template", "allow_template_change", "instruction", "prompt_prefix",
             "prompt_suffix", "system", "precision", "seed", "evaluate", "-evaluate.benchmarks",
             "fleet.kind"},
    .sources = pool::SourceRecord::Role::kBenchmark,
    .plan = plan_evaluate,
    .run = run_evaluate,
};

}  // namespace ponder::pipeline
