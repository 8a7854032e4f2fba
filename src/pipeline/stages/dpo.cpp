#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "pipeline/candidates.h"
#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/training.h"

namespace ponder::pipeline {
namespace {

StagePlan plan_dpo(const PlanContext& context, const Stage& /*stage*/) {
  const DpoStage& dpo = context.recipe().dpo;
  const int64_t longest = context.rows(0).longest;
  int64_t pairs = context.problems_of_round(1);
  if (pairs == 0) return {.note = none_left_for(1)};
  if (dpo.max_pairs > 0) pairs = std::min(pairs, dpo.max_pairs);
  const int64_t tokens = 2 * pairs * context.mean_row();
  return context.training(
      {pairs, tokens, 2 * pairs * context.mean_response(), 2 * longest, longest, tokens},
      dpo.train);
}

// What choose_pairs decided about a pair that is trained on.
void record_choice(pool::Pool& pool, const Stage& stage, const Candidate& candidate, bool chosen) {
  pool::Selection selection;
  selection.stage = stage.name;
  selection.round = stage.round;
  selection.strategy = "pairs";
  selection.origin = {pool::RowOrigin::Kind::kRollout, candidate.id};
  selection.filter = chosen ? "chosen" : "rejected";
  selection.kept = true;
  selection.detail =
      fmt::format("the {} of {} perplexity, {:.4f}", chosen ? "correct one" : "incorrect one",
                  chosen ? "highest" : "lowest", candidate.perplexity);
  pool.add_selection(selection);
}

StageOutcome run_dpo(StageContext& context) {
  const data::ModelText text = open_text(context);
  const data::RowBuilder builder(text, context.recipe.max_length);
  const std::vector<Candidate> candidates = candidates_of(context.pool, context.stage.reads[0]);
  const std::vector<PairChoice> choices =
      choose_pairs(candidates, context.recipe.dpo.max_pairs, context.recipe.seed);
  std::vector<data::TokenPair> pairs;
  std::map<std::string, int64_t> rejected;
  pool::Pool::Transaction transaction(context.pool);
  for (const PairChoice& choice : choices) {
    const auto chosen = context.pool.rollout(candidates[choice.chosen].id);
    const auto other = context.pool.rollout(candidates[choice.rejected].id);
    const auto problem = context.pool.problem(candidates[choice.chosen].problem_id);
    if (!chosen || !other || !problem)
      throw Error("run.db", "a chosen pair is missing its trajectories or problem");
    auto pair = builder.pair(problem->id, context.recipe.system, problem->question,
                             response_of(chosen->rollout), response_of(other->rollout),
                             context.recipe.dpo.align);
    if (!pair) {
      ++rejected[pair.why().reason];
      continue;
    }
    context.pool.add_pair(
        {context.stage.name, static_cast<int64_t>(pairs.size()), chosen->id, other->id});
    record_choice(context.pool, context.stage, candidates[choice.chosen], true);
    record_choice(context.pool, context.stage, candidates[choice.rejected], false);
    pairs.push_back(std::move(*pair));
  }
  transaction.commit();
  if (pairs.empty()) {
    return StageOutcome::nothing(
        "exploration left no problem with both a right and a wrong finished response; more "
        "problems or samples may");
  }
  const auto rows = static_cast<int64_t>(pairs.size());
  train::DpoTask task(std::move(pairs), context.recipe.dpo.options, context.recipe.dpo.align);
  data::RowAccount account;
  account.rows = choices.size();
  account.kept = static_cast<uint64_t>(rows);
  for (const auto& [reason, count] : rejected)
    account.rejected[reason] = static_cast<uint64_t>(count);
  Json provenance = provenance_of(
      context, text,
      Json::array({source_account("preference pairs from exploration, round 1", account)}));
  provenance["pairs"] = rows;
  std::optional<pool::TrainResult> result =
      train(context, task, context.recipe.dpo.train, text, std::move(provenance));
  if (!result) return StageOutcome::stopped();
  result->label = fmt::format("SFT & DPO, {} pairs", rows);
  result->pairs = rows;
  result->rejected = std::move(rejected);
  return {.rows = rows, .result = pool::to_json(*result)};
}

}  // namespace

const StageKind kDpo = {
    .name = pool::stage_kind::kDpo,
    .version = 1,
    .keys = {"chat_template", "allow_template_change", "instruction", "prompt_prefix",
             "prompt_suffix", "system", "max_length", "dtype", "seed", "dpo"},
    .sources = {},
    .plan = plan_dpo,
    .run = run_dpo,
};

}  // namespace ponder::pipeline
