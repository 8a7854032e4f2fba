#include <algorithm>

#include "pipeline/candidates.h"
#include "pipeline/plan_context.h"
#include "pipeline/stages/kinds.h"
#include "pool/stage_result.h"

namespace ponder::pipeline {
namespace {

StagePlan plan_refine(const PlanContext& /*context*/, const Stage& /*stage*/) { return {}; }

StageOutcome run_refine(StageContext& context) {
  const std::vector<Candidate> candidates = candidates_of(context.pool, context.stage.reads[0]);
  SelectionOptions options;
  options.strategy = *strategy_from_string(context.recipe.refine.strategy);
  options.per_problem = context.recipe.refine.per_problem;
  options.max_rows = context.recipe.refine.max_rows;
  options.seed = context.recipe.seed;
  const auto decisions = select(candidates, options);
  pool::Pool::Transaction transaction(context.pool);
  pool::RefineResult result;
  result.strategy = context.recipe.refine.strategy;
  result.candidates = static_cast<int64_t>(candidates.size());
  int64_t tokens = 0;
  double perplexity = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    pool::Selection selection;
    selection.stage = context.stage.name;
    selection.round = context.stage.round;
    selection.strategy = context.recipe.refine.strategy;
    selection.origin = {pool::RowOrigin::Kind::kRollout, candidates[i].id};
    for (const Decision& d : decisions[i]) {
      selection.filter = d.filter;
      selection.kept = d.kept;
      selection.rank = d.rank;
      selection.detail = d.detail;
      context.pool.add_selection(selection);
      ++selection.step;
    }
    if (!selected(decisions[i])) {
      ++result.dropped[decisions[i].back().filter];
      continue;
    }
    selection.filter = "selected";
    selection.kept = true;
    selection.rank = 0;
    selection.detail = "";
    context.pool.add_selection(selection);
    ++result.rows;
    tokens += candidates[i].num_tokens;
    perplexity += candidates[i].perplexity;
  }
  transaction.commit();
  const double n = std::max<double>(1, static_cast<double>(result.rows));
  result.mean_tokens = static_cast<double>(tokens) / n;
  result.mean_perplexity = perplexity / n;
  return {.rows = result.rows, .result = pool::to_json(result)};
}

}  // namespace

const StageKind kRefine = {
    .name = pool::stage_kind::kRefine,
    .version = 1,
    .keys = {"refine", "seed"},
    .sources = {},
    .plan = plan_refine,
    .run = run_refine,
};

}  // namespace ponder::pipeline
