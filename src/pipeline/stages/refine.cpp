#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "generate/scorer.h"
#include "pipeline/candidates.h"
#include "pipeline/plan_context.h"
#include "pipeline/rescoring.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/rollouts.h"
#include "pool/stage_result.h"

namespace ponder::pipeline {
namespace {

StagePlan plan_refine(const PlanContext& /*context*/, const Stage& /*stage*/) { return {}; }

SelectionOptions options_of(const Recipe& recipe) {
  const RefineOptions& refine = recipe.refine;
  SelectionOptions options;
  options.strategy = *strategy_from_string(refine.strategy);
  options.per_problem = refine.per_problem;
  options.max_rows = refine.max_rows;
  options.seed = recipe.seed;
  options.agreement = refine.agreement;
  options.length_band = refine.length_band;
  options.perplexity_band = refine.perplexity_band;
  options.per_domain = refine.per_domain;
  return options;
}

// Puts the perplexities under the stage's input model in the place of those under the model that
// sampled, of the candidates that can be selected. False when stopped.
bool score_again(const StageContext& context, std::vector<Candidate>& candidates) {
  constexpr size_t kAtOnce = 256;
  generate::InferenceModel model = open_model(context);
  model.decoder().set_stop(context.stop);
  std::vector<Candidate*> all;
  for (Candidate& c : candidates)
    if (passes_rules(c)) all.push_back(&c);
  for (size_t begin = 0; begin < all.size(); begin += kAtOnce) {
    if (context.stopping()) return false;
    const size_t end = std::min(begin + kAtOnce, all.size());
    std::vector<generate::ScoreRow> rows;
    for (size_t i = begin; i < end; ++i) rows.push_back(score_row_of(context.pool, all[i]->id));
    try {
      const std::vector<generate::Score> scores = generate::score_rows(model.decoder(), rows);
      for (size_t i = begin; i < end; ++i) {
        all[i]->perplexity = scores[i - begin].perplexity;
        all[i]->perplexity_precision = context.recipe.precision;
      }
    } catch (const model::Interrupted&) {
      return false;
    }
    context.monitor.progress(context.stage.name, static_cast<int64_t>(end),
                             static_cast<int64_t>(all.size()), "rollouts scored", {});
  }
  return true;
}

// Rollouts without log-probabilities get them where they are read: all that pass the rules where a rule
// ranks by perplexity, else those that are selected. False when stopped.
bool score_unscored(const StageContext& context, std::vector<Candidate>& candidates,
                    const SelectionOptions& options) {
  if (asks_perplexity(options)) return score_missing(context, candidates, passes_rules);
  const auto decisions = select(candidates, options);
  std::set<int64_t> chosen;
  for (size_t i = 0; i < candidates.size(); ++i)
    if (selected(decisions[i])) chosen.insert(candidates[i].id);
  return score_missing(context, candidates,
                       [&](const Candidate& c) { return chosen.contains(c.id); });
}

StageOutcome run_refine(StageContext& context) {
  std::vector<Candidate> candidates = candidates_of(context.pool, context.stage.reads[0]);
  const std::string& scorer = context.recipe.refine.perplexity_model;
  const SelectionOptions options = options_of(context.recipe);
  const bool scored = scorer.empty() ? score_unscored(context, candidates, options)
                                     : score_again(context, candidates);
  if (!scored) return StageOutcome::stopped();
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
    if (!selected(decisions[i])) continue;
    selection.filter = "selected";
    selection.kept = true;
    selection.rank = 0;
    selection.detail = scorer.empty() ? "" : "perplexities under " + scorer;
    context.pool.add_selection(selection);
    ++result.rows;
    tokens += candidates[i].num_tokens;
    perplexity += candidates[i].perplexity;
  }
  transaction.commit();
  result.dropped = dropped_by(decisions);
  const double n = std::max<double>(1, static_cast<double>(result.rows));
  result.mean_tokens = static_cast<double>(tokens) / n;
  result.mean_perplexity = perplexity / n;
  if (!scorer.empty()) result.perplexity_model = scorer;
  const ThoughtShare right = true_thoughts_of_right(candidates),
                     rows = true_thoughts_of_selected(candidates, decisions);
  if (right.checked > 0) {
    result.checked_right = right.checked;
    result.true_right = right.is_true;
    result.checked_rows = rows.checked;
    result.true_rows = rows.is_true;
  }
  if (result.rows == 0 && result.candidates > 0) {
    context.monitor.warning(fmt::format("{}: no row is left of {} rollouts; left out by {}",
                                        context.stage.name, result.candidates,
                                        dropped_text(result.dropped)));
  }
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
