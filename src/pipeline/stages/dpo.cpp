#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "pipeline/candidates.h"
#include "pipeline/pair_choice.h"
#include "pipeline/plan_context.h"
#include "pipeline/rescoring.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/outside.h"
#include "pipeline/stages/preference_probe.h"
#include "pipeline/stages/training.h"

namespace ponder::pipeline {
namespace {

StagePlan plan_dpo(const PlanContext& context, const Stage& stage) {
  const DpoVariant& dpo = context.recipe().dpo[stage.set];
  const int64_t longest = context.rows(0).longest;
  int64_t pairs = 0;
  for (int64_t t = dpo.first_round; t <= dpo.last_round; ++t)
    pairs += context.problems_of_round(static_cast<int>(t)) * dpo.per_problem;
  if (pairs == 0) return {.note = none_left_for(static_cast<int>(dpo.first_round))};
  if (dpo.max_pairs > 0) pairs = std::min(pairs, dpo.max_pairs);
  const int64_t tokens = 2 * pairs * context.mean_row();
  StagePlan plan = context.training(
      {pairs, tokens, 2 * pairs * context.mean_response(), 2 * longest, longest, tokens},
      dpo.train);
  // The last good weights lie beside those that are saved.
  if (dpo.held_out > 0 || dpo.probe_problems > 0) plan.disk_bytes += plan.disk_bytes / 2;
  return plan;
}

// Keeps a stage's decisions about rollouts, each rollout's in the order of `add`.
class DecisionBook {
 public:
  explicit DecisionBook(const StageContext& context) : context_(context) {}

  void add(int64_t rollout, const Decision& decision) {
    pool::Selection selection;
    selection.stage = context_.stage.name;
    selection.round = context_.stage.round;
    selection.strategy = "pairs";
    selection.origin = {pool::RowOrigin::Kind::kRollout, rollout};
    selection.step = steps_[rollout]++;
    selection.filter = decision.filter;
    selection.kept = decision.kept;
    selection.rank = decision.rank;
    selection.detail = decision.detail;
    context_.pool.add_selection(selection);
  }

 private:
  const StageContext& context_;
  std::map<int64_t, int> steps_;
};

struct PairSet {
  std::vector<data::TokenPair> train, held_out;
  std::map<std::string, int64_t> rejected;
  int64_t chosen = 0;  // pairs, before any was rejected
};

// The pairs of the variant, recorded with every decision about a rollout that led to them.
PairSet pairs_of(const StageContext& context, const DpoVariant& variant,
                 const data::ModelText& text, const std::vector<Candidate>& candidates) {
  const data::RowBuilder builder(text, context.recipe.max_length);
  const PairChoices choices =
      choose_pairs(candidates, {.chosen = variant.chosen,
                                .rejected = variant.rejected,
                                .per_problem = variant.per_problem,
                                .max_pairs = variant.max_pairs,
                                .unfinished_rejected = variant.unfinished_rejected,
                                .seed = context.recipe.seed});
  std::vector<std::string> problems;
  for (const PairChoice& choice : choices.pairs)
    problems.push_back(candidates[choice.chosen].problem_id);
  const std::vector<std::string> held_out =
      held_out_problems(problems, variant.held_out, context.recipe.seed);

  PairSet set;
  DecisionBook book(context);
  pool::Pool::Transaction transaction(context.pool);
  for (size_t i = 0; i < candidates.size(); ++i)
    for (const Decision& decision : choices.decisions[i]) book.add(candidates[i].id, decision);
  for (const PairChoice& choice : choices.pairs) {
    const Candidate &right = candidates[choice.chosen], &wrong = candidates[choice.rejected];
    const auto chosen = context.pool.rollout(right.id);
    const auto other = context.pool.rollout(wrong.id);
    const auto problem = context.pool.problem(right.problem_id);
    if (!chosen || !other || !problem)
      throw Error("run.db", "a chosen pair is missing its trajectories or problem");
    ++set.chosen;
    const auto decide = [&](const std::string& filter, bool kept, const std::string& detail) {
      book.add(right.id, {filter, kept, 0, detail});
      book.add(wrong.id, {filter, kept, 0, detail});
    };
    auto pair =
        builder.pair(problem->id, context.recipe.system, problem->question,
                     response_of(chosen->rollout), response_of(other->rollout), variant.align);
    if (!pair) {
      ++set.rejected[pair.why().reason];
      decide(pair.why().reason, false, pair.why().detail);
      continue;
    }
    if (std::binary_search(held_out.begin(), held_out.end(), problem->id)) {
      decide("held_out", false, "its problem's pairs measure the training");
      set.held_out.push_back(std::move(*pair));
      continue;
    }
    const auto index = static_cast<int64_t>(set.train.size());
    context.pool.add_pair({context.stage.name, index, chosen->id, other->id});
    const auto in_pair = [&](const Candidate& own, const Candidate& against, const char* what,
                             Strategy strategy, const char* side) {
      book.add(own.id,
               {what, true, 0,
                fmt::format("pair {}: by {} among the {} ones, against sample {}; {}", index,
                            to_string(strategy), side, against.sample, measures_of(own, false))});
    };
    in_pair(right, wrong, "chosen", variant.chosen, "right");
    in_pair(wrong, right, "rejected", variant.rejected, "wrong");
    set.train.push_back(std::move(*pair));
  }
  transaction.commit();
  return set;
}

std::vector<data::Problem> probe_problems(const StageContext& context, const DpoVariant& variant,
                                          const std::vector<Candidate>& candidates) {
  std::set<std::pair<double, std::string>> in_order;
  for (const Candidate& c : candidates)
    in_order.emplace(problem_order(c.problem_id, context.recipe.seed), c.problem_id);
  std::vector<data::Problem> problems;
  for (const auto& [order, id] : in_order) {
    if (static_cast<int64_t>(problems.size()) == variant.probe_problems) break;
    if (auto problem = context.pool.problem(id)) problems.push_back(std::move(*problem));
  }
  return problems;
}

StageOutcome run_dpo(StageContext& context) {
  const DpoVariant& variant = context.recipe.dpo[context.stage.set];
  const data::ModelText text = open_text(context);
  std::vector<Candidate> candidates;
  for (const std::string& explored : context.stage.reads) {
    for (Candidate& candidate : candidates_of(context.pool, explored))
      candidates.push_back(std::move(candidate));
  }
  // Sides ranked by perplexity. The objective computes what it reads of either model by itself.
  const auto ranked = [&](const Candidate& c) {
    const bool right = c.verdict == judge::Verdict::kCorrect;
    return asks_perplexity(right ? variant.chosen : variant.rejected) &&
           may_be_paired(c, {.unfinished_rejected = variant.unfinished_rejected});
  };
  if (!score_missing(context, candidates, ranked)) return StageOutcome::stopped();
  PairSet set = pairs_of(context, variant, text, candidates);
  if (set.train.empty()) {
    return StageOutcome::nothing(
        "exploration left no problem with both a right and a wrong finished response; more "
        "problems or samples may give some");
  }
  const auto rows = static_cast<int64_t>(set.train.size());
  const auto num_held_out = static_cast<int64_t>(set.held_out.size());
  data::RowAccount account;
  account.rows = static_cast<uint64_t>(set.chosen - num_held_out);
  account.kept = static_cast<uint64_t>(rows);
  for (const auto& [reason, count] : set.rejected)
    account.rejected[reason] = static_cast<uint64_t>(count);
  const std::string rounds =
      variant.first_round == variant.last_round
          ? fmt::format("round {}", variant.first_round)
          : fmt::format("rounds {} to {}", variant.first_round, variant.last_round);
  Json provenance = provenance_of(
      context, text,
      Json::array({source_account("preference pairs from exploration, " + rounds, account)}));
  provenance["pairs"] = rows;
  if (num_held_out > 0) provenance["held_out_pairs"] = num_held_out;
  std::optional<train::JobProbe> probe;
  try {
    probe = preference_probe(context, variant, std::move(set.held_out),
                             probe_problems(context, variant, candidates));
  } catch (const model::Interrupted&) {
    return StageOutcome::stopped();
  }
  std::optional<pool::TrainResult> result;
  if (context.recipe.trainer.outside()) {
    result = train_outside(context, {.pairs = std::move(set.train), .variant = &variant},
                           variant.train, text, std::move(provenance), std::move(probe));
  } else {
    train::DpoTask task(std::move(set.train), variant.options, variant.align);
    result = train(context, task, variant.train, text, std::move(provenance), std::move(probe));
  }
  if (!result) return StageOutcome::stopped();
  if (result->sha256.empty()) {
    return StageOutcome::nothing(fmt::format(
        "training was stopped by its alarm before any weights were worth keeping ({}); a lower "
        "dpo lr or a higher sft_weight may do",
        *result->alarm));
  }
  result->label = fmt::format("SFT & DPO, {} pairs{}", rows, by_trainer(context.recipe));
  if (variant.name != "dpo") result->label += fmt::format(" ({})", variant.name);
  result->pairs = rows;
  if (num_held_out > 0) result->held_out_pairs = num_held_out;
  result->rejected = std::move(set.rejected);
  return {.rows = rows, .result = pool::to_json(*result)};
}

}  // namespace

const StageKind kDpo = {
    .name = pool::stage_kind::kDpo,
    .version = 1,
    .keys = {"chat_template", "allow_template_change", "instruction", "prompt_prefix",
             "prompt_suffix", "system", "precision", "max_length", "dtype", "seed", "train_seed",
             "dpo", "trainer"},
    .sources = {},
    .plan = plan_dpo,
    .run = run_dpo,
};

}  // namespace ponder::pipeline
