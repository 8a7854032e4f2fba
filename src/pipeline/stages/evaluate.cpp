#include <fmt/format.h>

#include <map>

#include "base/file.h"
#include "eval/benchmark.h"
#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/rollouts.h"
#include "train/model_card.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

StagePlan plan_evaluate(const PlanContext& context, const Stage& /*stage*/) {
  const EvaluateOptions& e = context.recipe().evaluate;
  return context.rollouts(context.benchmark_problems(), e.samples, e.max_tokens);
}

StageOutcome run_evaluate(StageContext& context) {
  InferenceModel model = open_model(context);
  const EvaluateOptions& e = context.recipe.evaluate;
  fs::create_directories(context.folder / "evaluations");
  Json scores = Json::array();
  Pool::Transaction transaction(context.pool);
  for (const Source& source : e.benchmarks) {
    ReadReport report;
    const std::vector<Problem> problems = problems_of(source, report);
    RolloutSpec spec;
    spec.samples = static_cast<int>(e.samples);
    spec.sampling.temperature = e.temperature;
    spec.sampling.top_p = e.temperature > 0 ? e.top_p : 1.0;
    spec.sampling.max_tokens = static_cast<int>(e.max_tokens);
    spec.seed = context.recipe.seed;
    spec.system = context.recipe.system;
    std::vector<RolloutRequest> requests;
    for (const Problem& problem : problems) {
      requests.push_back(model.rollout_request(problem, spec));
    }
    BenchmarkOptions options;
    options.strictness = e.strictness;
    options.progress = [&](const RolloutProgress& progress) {
      show_progress(context.log, context.stage.name, progress, "rollouts");
    };
    std::map<std::pair<std::string, int>, std::string>
        lines;  // in the order of the ids, whatever the order of arrival
    options.on_completion = [&](const Trajectory& t) {
      lines[{t.problem_id, t.sample}] = dump_json({{"problem_id", t.problem_id},
                                                   {"sample", t.sample},
                                                   {"verdict", to_string(*t.verdict)},
                                                   {"proof", t.proof},
                                                   {"finish_reason", to_string(t.finish_reason)},
                                                   {"tokens", t.token_ids.size()},
                                                   {"response", t.text}});
    };
    Engine engine = open_engine(context, model);
    const std::optional<BenchmarkResult> result =
        evaluate(engine, source.name, problems, requests, options, context.stop);
    if (!result) return StageOutcome::stopped();
    const BenchmarkScore& score = result->score;
    std::string correct;  // one character a problem: '0' to '9', tenths of its samples that are
                          // right, 'x' all
    for (const ProblemResult& p : result->problems) {
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
  return {.rows = static_cast<int64_t>(scores.size()),
          .result = {{"model", context.stage.input}, {"benchmarks", scores}}};
}

}  // namespace

const StageKind kEvaluate = {"evaluate", plan_evaluate, run_evaluate};

}  // namespace ponder
