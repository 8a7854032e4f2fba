#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/outside.h"
#include "pipeline/stages/training.h"

namespace ponder::pipeline {
namespace {

StagePlan plan_imitate(const PlanContext& context, const Stage& stage) {
  const RowLengths& rows = context.rows(stage.set);
  return context.training({rows.units, rows.tokens, rows.trained, rows.longest, rows.longest, 0},
                          context.recipe().sft);
}

// At most per_problem rows of every problem so far, as long as a demonstration.
StagePlan plan_improve(const PlanContext& context, const Stage& stage) {
  if (context.problems_of_round(stage.round) == 0 && !context.recipe().explore.retry_unsolved)
    return {.note = none_left_for(stage.round)};
  const RefineOptions& refine = context.recipe().refine;
  const RowLengths& main = context.rows(0);
  int64_t rows = 0;
  for (int t = 1; t <= stage.round; ++t) rows += context.problems_of_round(t) * refine.per_problem;
  if (refine.max_rows > 0) rows = std::min(rows, refine.max_rows * stage.round);
  const int64_t longest = std::max(main.longest, context.mean_row());
  StagePlan plan =
      context.training({main.units + rows, main.tokens + rows * context.mean_row(),
                        main.trained + rows * context.mean_response(), longest, longest, 0},
                       context.recipe().sft);
  // Half of the problems may be solved, or none.
  const auto demonstrations = static_cast<double>(main.units),
             all = demonstrations + static_cast<double>(rows);
  plan.expect_less((demonstrations + all) / (2 * all), demonstrations / all);
  return plan;
}

// A stage's training rows, with where each comes from.
struct RowSet {
  std::vector<data::TokenRow> rows;
  std::vector<pool::RowOrigin> origins;
  int64_t demonstrations = 0, explored = 0;
  std::map<std::string, int64_t> rejected;
  Json sources = Json::array();  // the account of each source, for ponder.json
  pool::MixTable mix;
};

void add_demonstrations(const StageContext& context, const data::ModelText& text,
                        const std::string& set, RowSet& out) {
  const data::RowBuilder builder(text, context.recipe.max_length);
  pool::Pool::Transaction transaction(context.pool);
  std::set<int64_t> told;  // a source may be given twice
  for (const pool::SourceRecord& source :
       sources_of(context.pool, pool::SourceRecord::Role::kDemonstrations, set)) {
    const std::vector<int64_t> ids = context.pool.demonstrations_of(source.id);
    std::vector<data::Demonstration> demonstrations;
    for (const int64_t id : ids) {
      if (text.thought_form() == data::ThoughtForm::kAsWritten && !context.pool.knows_written(id)) {
        throw Error("thought_form",
                    "is as-written, and an earlier ponder read this run's demonstrations, which "
                    "kept no tags",
                    "start a new run with another --out");
      }
      demonstrations.push_back(context.pool.demonstration(id));
    }
    data::RowAccount account = source.account;
    data::RowVisitor visitor;
    visitor.name = [&](size_t i) { return fmt::format("{}#{}", source.name, i); };
    visitor.row = [&](size_t i, data::TokenRow row) {
      out.mix.add(demonstrations[i].domain, pool::teacher_of(demonstrations[i]), row.num_tokens());
      if (told.insert(ids[i]).second) {
        pool::Selection decision;
        decision.stage = context.stage.name;
        decision.round = context.stage.round;
        decision.origin = {pool::RowOrigin::Kind::kDemonstration, ids[i]};
        decision.filter = "max_length";
        decision.kept = true;
        decision.detail =
            fmt::format("{} tokens, at most {}", row.num_tokens(), context.recipe.max_length);
        context.pool.add_selection(decision);
      }
      out.rows.push_back(std::move(row));
      out.origins.push_back({pool::RowOrigin::Kind::kDemonstration, ids[i]});
      ++out.demonstrations;
    };
    visitor.rejected = [&](size_t i, const data::Rejection& why) {
      if (told.insert(ids[i]).second) {
        pool::Selection decision;
        decision.stage = context.stage.name;
        decision.round = context.stage.round;
        decision.origin = {pool::RowOrigin::Kind::kDemonstration, ids[i]};
        decision.filter = why.reason;
        decision.detail = why.detail;
        context.pool.add_selection(decision);
      }
      context.monitor.record(
          "rejected",
          {{"source", source.name}, {"row", i}, {"reason", why.reason}, {"detail", why.detail}});
    };
    data::visit_rows(builder, demonstrations, context.recipe.system, account, visitor);
    for (const auto& [reason, count] : account.rejected)
      out.rejected[reason] += static_cast<int64_t>(count);
    // A file's name is enough to find it again; its folder is nobody's business.
    const bool file = !source.name.starts_with("synth:");
    out.sources.push_back(source_account(
        file ? std::filesystem::path(source.name).filename().string() : source.name, account));
  }
  transaction.commit();
}

// What every round so far selected. Gives how many rows the last of them adds.
int64_t add_selected(const StageContext& context, const data::ModelText& text, RowSet& out) {
  const data::RowBuilder builder(text, context.recipe.max_length);
  int round = 0;
  uint64_t last = 0;
  for (const std::string& refine : context.stage.reads) {
    if (context.pool.stage(refine)->kind != pool::stage_kind::kRefine) continue;
    data::RowAccount account;
    for (const pool::Selection& selection : context.pool.selections(refine)) {
      if (selection.filter != "selected" || !selection.kept) continue;
      const std::optional<pool::StoredRollout> stored = context.pool.rollout(selection.origin.id);
      if (!stored)
        throw Error("run.db",
                    fmt::format("the selected trajectory {} is missing", selection.origin.id));
      const std::optional<data::Problem> problem = context.pool.problem(stored->rollout.problem_id);
      if (!problem)
        throw Error("run.db", "the problem " + stored->rollout.problem_id + " is missing");
      auto row =
          builder.row(fmt::format("{}/{}", stored->rollout.problem_id, stored->rollout.sample),
                      context.recipe.system, problem->question, response_of(stored->rollout));
      ++account.rows;
      if (!row) {
        ++out.rejected[row.why().reason];
        ++account.rejected[row.why().reason];
        continue;
      }
      ++account.kept;
      out.mix.add(problem->domain, context.pool.stage(refine)->inputs.at(0) + ", explored",
                  row->num_tokens());
      out.rows.push_back(std::move(*row));
      out.origins.push_back(selection.origin);
      ++out.explored;
    }
    out.sources.push_back(
        source_account(fmt::format("selected from exploration, round {}", ++round), account));
    last = account.kept;
  }
  return static_cast<int64_t>(last);
}

// Why a round has no row to add.
std::string nothing_selected(const StageContext& context) {
  const std::optional<pool::StageRecord> refine = context.pool.stage(context.stage.reads.back());
  std::string why;
  if (const auto result = pool::result_of<pool::RefineResult>(*refine)) {
    why = fmt::format(" of {} rollouts", result->candidates);
    const char* separator = " (left out by ";
    for (const auto& [filter, count] : result->dropped) {
      why += fmt::format("{}{} {}", separator, filter, count);
      separator = ", ";
    }
    if (!result->dropped.empty()) why += ")";
  }
  return fmt::format("round {} selected no row to train on{}: {} would be {} again",
                     context.stage.round, why, context.stage.output, context.stage.instead);
}

// Records the rows and trains on them. `label`: what the report calls the model.
StageOutcome train_on(StageContext& context, const data::ModelText& text, RowSet set,
                      const std::string& label) {
  for (const auto& [reason, count] : set.rejected) {
    context.monitor.warning(
        fmt::format("{}: {} rows rejected: {}", context.stage.name, count, reason));
  }
  if (set.rows.empty())
    throw Error(context.stage.name, "no row is left to train on", "see log.jsonl for the reasons");
  pool::Pool::Transaction transaction(context.pool);
  for (size_t i = 0; i < set.rows.size(); ++i) {
    context.pool.add_training_row({context.stage.name, static_cast<int64_t>(i), set.origins[i],
                                   ids_sha256(set.rows[i].tokens), set.rows[i].num_tokens()});
  }
  transaction.commit();

  const std::vector<pool::MixPart> parts = set.mix.parts();
  for (const std::string& line : pool::mix_lines(parts))
    context.monitor.info(fmt::format("{}: {}", context.stage.name, line));
  Json mix = pool::to_json(parts);

  const auto rows = static_cast<int64_t>(set.rows.size());
  const Json data = {{"demonstrations", set.demonstrations},
                     {"explored", set.explored},
                     {"rejected", set.rejected}};
  Json provenance = provenance_of(context, text, std::move(set.sources));
  provenance["data"] = data;
  std::optional<pool::TrainResult> result;
  if (context.recipe.trainer.outside()) {
    result = train_outside(context, {.rows = std::move(set.rows)}, context.recipe.sft, text,
                           std::move(provenance));
  } else {
    train::SftTask task(std::move(set.rows));
    result = train(context, task, context.recipe.sft, text, std::move(provenance));
  }
  if (!result) return StageOutcome::stopped();
  result->label = label + by_trainer(context.recipe);
  result->mix = std::move(mix);
  result->demonstrations = set.demonstrations;
  result->explored = set.explored;
  result->rejected = std::move(set.rejected);
  return {.rows = rows, .result = pool::to_json(*result)};
}

StageOutcome run_imitate(StageContext& context) {
  const data::ModelText text = open_text(context);
  RowSet set;
  add_demonstrations(context, text, context.recipe.imitation[context.stage.set].name, set);
  const std::string label = fmt::format("imitation, {} demonstrations", set.demonstrations);
  return train_on(context, text, std::move(set), label);
}

StageOutcome run_improve(StageContext& context) {
  const data::ModelText text = open_text(context);
  RowSet set;
  add_demonstrations(context, text, "", set);
  if (add_selected(context, text, set) == 0)
    return StageOutcome::nothing(nothing_selected(context));
  const std::string label =
      fmt::format("imitation + {} explored, round {}", set.explored, context.stage.round);
  return train_on(context, text, std::move(set), label);
}

}  // namespace

const StageKind kImitate = {
    .name = pool::stage_kind::kImitate,
    .version = 3,  // direct answers begin as the template begins them
    .keys = {"chat_template", "allow_template_change", "instruction", "prompt_prefix",
             "prompt_suffix", "thought_form", "add_tokens", "system", "precision", "max_length",
             "dtype", "seed", "train_seed", "sft", "trainer"},
    .sources = pool::SourceRecord::Role::kDemonstrations,
    .plan = plan_imitate,
    .run = run_imitate,
};
const StageKind kImprove = {
    .name = pool::stage_kind::kImprove,
    .version = 3,  // direct answers begin as the template begins them
    .keys = {"chat_template", "allow_template_change", "instruction", "prompt_prefix",
             "prompt_suffix", "thought_form", "add_tokens", "system", "precision", "max_length",
             "dtype", "seed", "train_seed", "sft", "trainer", "improve"},
    .sources = pool::SourceRecord::Role::kDemonstrations,
    .plan = plan_improve,
    .run = run_improve,
};

}  // namespace ponder::pipeline
