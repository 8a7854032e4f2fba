#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pipeline/stages/training.h"

namespace ponder {
namespace {

StagePlan plan_imitate(const PlanContext& context, const Stage& stage) {
  const RowLengths& rows = context.rows(stage.set);
  return context.training({rows.units, rows.tokens, rows.trained, rows.longest, rows.longest, 0},
                          context.recipe().sft);
}

// At most per_problem rows of every problem so far, as long as a demonstration.
StagePlan plan_improve(const PlanContext& context, const Stage& stage) {
  const RefineOptions& refine = context.recipe().refine;
  const RowLengths& main = context.rows(0);
  int64_t rows = context.problems_of_a_round() * stage.round * refine.per_problem;
  if (refine.max_rows > 0) rows = std::min(rows, refine.max_rows * stage.round);
  const int64_t longest = std::max(main.longest, context.mean_row());
  return context.training({main.units + rows, main.tokens + rows * context.mean_row(),
                           main.trained + rows * context.mean_response(), longest, longest, 0},
                          context.recipe().sft);
}

// A stage's training rows, with where each comes from.
struct RowSet {
  std::vector<TokenRow> rows;
  std::vector<RowOrigin> origins;
  int64_t demonstrations = 0, explored = 0;
  std::map<std::string, int64_t> rejected;
  Json sources = Json::array();  // the account of each source, for ponder.json
};

void add_demonstrations(const StageContext& context, const TrainingText& text,
                        const ImitationSet& set, RowSet& out) {
  Pool::Transaction transaction(context.pool);
  const ContaminationFilter contaminated = contamination_filter_of(context.recipe);
  for (const Source& source : set.demonstrations) {
    ReadReport account;
    const std::vector<Demonstration> demonstrations =
        demonstrations_of(source, account, &contaminated);
    log_rejected(context.log, source, account);
    const std::string name = source_name(source);
    RowVisitor visitor;
    visitor.name = [&](size_t i) { return fmt::format("{}#{}", name, i); };
    visitor.row = [&](size_t i, TokenRow row) {
      const int64_t id =
          context.pool.add_demonstration(name, static_cast<int64_t>(i), demonstrations[i]);
      out.rows.push_back(std::move(row));
      out.origins.push_back({RowOrigin::Kind::kDemonstration, id});
      ++out.demonstrations;
    };
    visitor.rejected = [&](size_t i, const Rejection& why) {
      context.log.event(
          "rejected",
          {{"source", name}, {"row", i}, {"reason", why.reason}, {"detail", why.detail}});
    };
    visit_rows(text.builder, demonstrations, context.recipe.system, account, visitor);
    for (const auto& [reason, count] : account.rejected)
      out.rejected[reason] += static_cast<int64_t>(count);
    out.sources.push_back(source_account(
        source.file.empty() ? source_name(source) : source.file.filename().string(), account));
  }
  transaction.commit();
}

// What every round so far selected.
void add_selected(const StageContext& context, const TrainingText& text, RowSet& out) {
  int round = 0;
  for (const std::string& refine : context.stage.reads) {
    ReadReport account;
    for (const Selection& selection : context.pool.selections(refine)) {
      if (selection.filter != "selected" || !selection.kept) continue;
      const std::optional<StoredTrajectory> stored = context.pool.trajectory(selection.origin.id);
      if (!stored)
        throw Error("run.db",
                    fmt::format("the selected trajectory {} is missing", selection.origin.id));
      const std::optional<Problem> problem = context.pool.problem(stored->trajectory.problem_id);
      if (!problem)
        throw Error("run.db", "the problem " + stored->trajectory.problem_id + " is missing");
      auto row = text.builder.row(
          fmt::format("{}/{}", stored->trajectory.problem_id, stored->trajectory.sample),
          context.recipe.system, problem->question, {"", stored->trajectory.token_ids});
      ++account.rows;
      if (!row) {
        ++out.rejected[row.why().reason];
        ++account.rejected[row.why().reason];
        continue;
      }
      ++account.kept;
      out.rows.push_back(std::move(*row));
      out.origins.push_back(selection.origin);
      ++out.explored;
    }
    out.sources.push_back(
        source_account(fmt::format("selected from exploration, round {}", ++round), account));
  }
}

// Records the rows and trains on them. `label`: what the report calls the model.
StageOutcome train_on(StageContext& context, const TrainingText& text, RowSet set,
                      const std::string& label) {
  for (const auto& [reason, count] : set.rejected) {
    context.log.warning(fmt::format("{}: {} rows rejected: {}", context.stage.name, count, reason));
  }
  if (set.rows.empty())
    throw Error(context.stage.name, "no row is left to train on", "see log.jsonl for the reasons");
  Pool::Transaction transaction(context.pool);
  for (size_t i = 0; i < set.rows.size(); ++i) {
    context.pool.add_training_row({context.stage.name, static_cast<int64_t>(i), set.origins[i],
                                   ids_sha256(set.rows[i].tokens), set.rows[i].num_tokens()});
  }
  transaction.commit();

  const auto rows = static_cast<int64_t>(set.rows.size());
  const Json data = {{"demonstrations", set.demonstrations},
                     {"explored", set.explored},
                     {"rejected", set.rejected}};
  SftTask task(std::move(set.rows));
  Json provenance = provenance_of(context, text, std::move(set.sources));
  provenance["data"] = data;
  std::optional<Json> result =
      train(context, task, context.recipe.sft, text, std::move(provenance));
  if (!result) return StageOutcome::stopped();
  result->update(data);
  (*result)["label"] = label;
  return {.rows = rows, .result = *result};
}

StageOutcome run_imitate(StageContext& context) {
  const TrainingText text(context);
  RowSet set;
  add_demonstrations(context, text, context.recipe.imitation[context.stage.set], set);
  const std::string label = fmt::format("imitation, {} demonstrations", set.demonstrations);
  return train_on(context, text, std::move(set), label);
}

StageOutcome run_improve(StageContext& context) {
  const TrainingText text(context);
  RowSet set;
  add_demonstrations(context, text, context.recipe.imitation[0], set);
  add_selected(context, text, set);
  const std::string label =
      fmt::format("imitation + {} explored, round {}", set.explored, context.stage.round);
  return train_on(context, text, std::move(set), label);
}

}  // namespace

const StageKind kImitate = {"imitate", plan_imitate, run_imitate};
const StageKind kImprove = {"improve", plan_improve, run_improve};

}  // namespace ponder
