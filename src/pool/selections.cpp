// Selections, training rows, pairs, scores and counts.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "pool/pool.h"
#include "pool/pool_impl.h"

namespace ponder::pool {
namespace {

RowOrigin origin_of(const sqlite::Statement& row, int rollout_column) {
  if (!row.is_null(rollout_column)) {
    return {RowOrigin::Kind::kRollout, row.integer(rollout_column)};
  }
  return {RowOrigin::Kind::kDemonstration, row.integer(rollout_column + 1)};
}

constexpr const char* kSelectionColumns =
    "SELECT s.stage, s.round, s.strategy, s.trajectory, s.demonstration, s.step, s.filter, s.kept, "
    "s.rank, "
    "s.detail, s.rowid FROM selections s";

Selection selection_from(const sqlite::Statement& row) {
  return {row.text(0),         static_cast<int>(row.integer(1)), row.text(2),
          origin_of(row, 3),   static_cast<int>(row.integer(5)), row.text(6),
          row.integer(7) != 0, static_cast<int>(row.integer(8)), row.text(9)};
}

std::vector<Selection> selections_from(sqlite::Statement& row) {
  std::vector<Selection> result;
  while (row.step()) result.push_back(selection_from(row));
  return result;
}

// A candidate's last decision: one that left it out, or one that no other follows.
constexpr const char* kEndsAWay =
    "(s.kept = 0 AND (?4 = '' OR s.filter = ?4) OR s.kept = 1 AND (?4 = '' OR ?4 = 'kept') AND "
    "NOT EXISTS (SELECT 1 FROM selections n WHERE n.trajectory = s.trajectory AND "
    "n.stage = s.stage AND n.step > s.step) AND "
    "NOT EXISTS (SELECT 1 FROM selections n WHERE n.demonstration = s.demonstration AND "
    "n.stage = s.stage AND n.step > s.step))";

constexpr const char* kStageCounts =
    "SELECT t.stage, count(*), count(*) FILTER (WHERE verdict = 'correct'), "
    "count(*) FILTER (WHERE verdict = 'incorrect'), "
    "count(*) FILTER (WHERE verdict = 'undecided'), count(*) FILTER (WHERE verdict IS NULL), "
    "count(*) FILTER (WHERE finish_reason <> 'stop'), count(DISTINCT problem), "
    "count(DISTINCT CASE WHEN verdict = 'correct' THEN problem END), sum(num_tokens) "
    "FROM trajectories t JOIN stages s ON s.name = t.stage";

PoolCounts::Stage stage_counts_of(const sqlite::Statement& row) {
  return {row.text(0),    row.integer(1), row.integer(2), row.integer(3), row.integer(4),
          row.integer(5), row.integer(6), row.integer(7), row.integer(8), row.integer(9)};
}

}  // namespace

void Pool::Impl::require_origin(RowOrigin origin) const {
  if (origin.kind == RowOrigin::Kind::kRollout) return require_rollout(origin.id);
  auto row = prepare("SELECT 1 FROM demonstrations WHERE id = ?");
  if (!row.bind(origin.id).step()) {
    refuse(fmt::format("unknown demonstration {}", origin.id), "add the demonstration first");
  }
}

void Pool::Impl::bind_origin(sqlite::Statement& statement, RowOrigin origin) const {
  const bool rollout = origin.kind == RowOrigin::Kind::kRollout;
  rollout ? statement.bind(origin.id) : statement.bind_null();
  rollout ? statement.bind_null() : statement.bind(origin.id);
}

void Pool::add_selection(const Selection& selection) {
  impl_->require_stage(selection.stage);
  impl_->require_origin(selection.origin);
  auto row = impl_->prepare(
      "INSERT INTO selections (stage, round, strategy, trajectory, demonstration, step, filter, "
      "kept, rank, "
      "detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  row.bind(selection.stage).bind(selection.round).bind(selection.strategy);
  impl_->bind_origin(row, selection.origin);
  row.bind(selection.step).bind(selection.filter).bind(selection.kept).bind(selection.rank);
  row.bind(selection.detail).run();
}

std::vector<Selection> Pool::selections(std::string_view stage) const {
  auto row =
      impl_->prepare(fmt::format("{} WHERE s.stage = ? ORDER BY s.rowid", kSelectionColumns));
  row.bind(stage);
  return selections_from(row);
}

std::vector<Selection> Pool::selections_of(RowOrigin origin) const {
  auto row = impl_->prepare(
      fmt::format("{} JOIN stages g ON g.name = s.stage WHERE s.{} = ? ORDER BY g.position, s.step",
                  kSelectionColumns,
                  origin.kind == RowOrigin::Kind::kRollout ? "trajectory" : "demonstration"));
  row.bind(origin.id);
  return selections_from(row);
}

SelectionEnds Pool::selection_ends(std::string_view stage, std::string_view filter, int64_t after,
                                   size_t most, std::chrono::milliseconds time) const {
  constexpr int64_t kAtOnce = 5000;  // decisions between two looks at the clock: milliseconds
  const auto deadline = std::chrono::steady_clock::now() + time;
  SelectionEnds found;
  auto range = impl_->prepare(
      "SELECT (SELECT min(rowid) - 1 FROM selections WHERE stage = ?1), "
      "(SELECT max(rowid) FROM selections WHERE stage = ?1)");
  range.bind(stage);
  if (!range.step() || range.is_null(0)) {
    found.complete = true;
    return found;
  }
  const int64_t end = range.integer(1);
  found.last = std::max(after, range.integer(0));
  while (found.last < end && found.ends.size() < most &&
         std::chrono::steady_clock::now() < deadline) {
    auto row = impl_->prepare(
        fmt::format("{} WHERE s.stage = ?1 AND s.rowid > ?2 AND s.rowid <= ?3 AND {} "
                    "ORDER BY s.rowid LIMIT ?5",
                    kSelectionColumns, kEndsAWay));
    const int64_t to = std::min(end, found.last + kAtOnce);
    row.bind(stage).bind(found.last).bind(to).bind(filter);
    row.bind(static_cast<int64_t>(most - found.ends.size()));
    found.last = to;
    while (row.step()) {
      found.ends.push_back(selection_from(row));
      if (found.ends.size() == most) found.last = row.integer(10);
    }
  }
  found.complete = found.last >= end;
  return found;
}

void Pool::add_training_row(const TrainingRow& training_row) {
  impl_->require_stage(training_row.stage);
  impl_->require_origin(training_row.origin);
  auto row = impl_->prepare(
      "INSERT INTO training_rows (stage, row_index, trajectory, demonstration, text_sha256, "
      "num_tokens) "
      "VALUES (?, ?, ?, ?, ?, ?)");
  row.bind(training_row.stage).bind(training_row.index);
  impl_->bind_origin(row, training_row.origin);
  row.bind(training_row.text_sha256).bind(training_row.num_tokens).run();
}

std::vector<TrainingRow> Pool::training_rows(std::string_view stage, Slice slice) const {
  std::vector<TrainingRow> result;
  auto row = impl_->prepare(
      "SELECT stage, row_index, trajectory, demonstration, text_sha256, num_tokens FROM "
      "training_rows "
      "WHERE stage = ? ORDER BY row_index LIMIT ? OFFSET ?");
  row.bind(stage).bind(slice.count).bind(slice.first);
  while (row.step()) {
    result.push_back({row.text(0), row.integer(1), origin_of(row, 2), row.text(4), row.integer(5)});
  }
  return result;
}

void Pool::add_pair(const PairRow& pair) {
  impl_->require_stage(pair.stage);
  impl_->require_rollout(pair.chosen);
  impl_->require_rollout(pair.rejected);
  impl_->prepare("INSERT INTO pairs (stage, row_index, chosen, rejected) VALUES (?, ?, ?, ?)")
      .bind(pair.stage)
      .bind(pair.index)
      .bind(pair.chosen)
      .bind(pair.rejected)
      .run();
}

std::vector<PairRow> Pool::pairs(std::string_view stage, Slice slice) const {
  std::vector<PairRow> result;
  auto row = impl_->prepare(
      "SELECT stage, row_index, chosen, rejected FROM pairs WHERE stage = ? ORDER BY row_index "
      "LIMIT ? OFFSET ?");
  row.bind(stage).bind(slice.count).bind(slice.first);
  while (row.step())
    result.push_back({row.text(0), row.integer(1), row.integer(2), row.integer(3)});
  return result;
}

int64_t Pool::num_training_rows(std::string_view stage) const {
  auto row = impl_->prepare("SELECT count(*) FROM training_rows WHERE stage = ?");
  return row.bind(stage).step() ? row.integer(0) : 0;
}

int64_t Pool::num_pairs(std::string_view stage) const {
  auto row = impl_->prepare("SELECT count(*) FROM pairs WHERE stage = ?");
  return row.bind(stage).step() ? row.integer(0) : 0;
}

void Pool::add_score(const ScoreRecord& score) {
  impl_->require_stage(score.stage);
  impl_
      ->prepare(
          "INSERT INTO scores (stage, model, benchmark, n, samples, accuracy, interval_low, "
          "interval_high, "
          "finished, format_failures, mean_tokens, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
          "?)")
      .bind(score.stage)
      .bind(score.model)
      .bind(score.benchmark)
      .bind(score.n)
      .bind(score.samples)
      .bind(score.accuracy)
      .bind(score.interval_low)
      .bind(score.interval_high)
      .bind(score.finished)
      .bind(score.format_failures)
      .bind(score.mean_tokens)
      .bind(dump_json(score.extra))
      .run();
}

std::vector<ScoreRecord> Pool::scores() const {
  constexpr int64_t kMostProblems = int64_t{1} << 31, kMostSamples = 1'000'000;
  std::vector<ScoreRecord> result;
  auto row = impl_->prepare(
      "SELECT stage, model, benchmark, n, samples, accuracy, interval_low, interval_high, "
      "finished, "
      "format_failures, mean_tokens, extra FROM scores ORDER BY position");
  while (row.step()) {
    result.push_back({row.text(0), row.text(1), row.text(2), row.integer(3, 0, kMostProblems),
                      row.integer(4, 0, kMostSamples), row.real(5), row.real(6), row.real(7),
                      row.real(8), row.real(9), row.real(10),
                      parse_json(row.text(11), impl_->database->name())});
  }
  return result;
}

PoolCounts Pool::counts() const {
  const sqlite::Database& database = *impl_->database;
  PoolCounts counts;
  counts.problems = database.value("SELECT count(*) FROM problems WHERE benchmark = ''");
  counts.benchmark_problems = database.value("SELECT count(*) FROM problems WHERE benchmark <> ''");
  counts.demonstrations = database.value("SELECT count(*) FROM demonstrations");
  counts.models = database.value("SELECT count(*) FROM models");
  counts.evaluation_rollouts = database.value(
      "SELECT count(*) FROM trajectories t JOIN problems p ON p.position = t.problem "
      "WHERE p.benchmark <> ''");
  counts.rollouts =
      database.value("SELECT count(*) FROM trajectories") - counts.evaluation_rollouts;
  counts.training_rows = database.value("SELECT count(*) FROM training_rows");
  counts.pairs = database.value("SELECT count(*) FROM pairs");
  auto row = impl_->prepare(fmt::format("{} GROUP BY t.stage ORDER BY s.position", kStageCounts));
  while (row.step()) counts.stages.push_back(stage_counts_of(row));
  return counts;
}

PoolCounts::Stage Pool::counts_of(std::string_view stage) const {
  auto row = impl_->prepare(fmt::format("{} WHERE t.stage = ? GROUP BY t.stage", kStageCounts));
  if (row.bind(stage).step()) return stage_counts_of(row);
  return {.stage = std::string(stage)};
}

Json to_json(const StageRecord& stage) {
  Json json = {{"name", stage.name},
               {"kind", stage.kind},
               {"round", stage.round},
               {"inputs", stage.inputs},
               {"outputs", stage.outputs},
               {"inputs_sha256", stage.inputs_sha256},
               {"state", to_string(stage.state)},
               {"rows", stage.rows},
               {"seconds", stage.seconds},
               {"started", stage.started}};
  if (!stage.finished.empty()) json["finished"] = stage.finished;
  if (!stage.result.empty()) json["result"] = stage.result;
  return json;
}

Json to_json(const ScoreRecord& score) {
  Json json = {{"model", score.model},
               {"stage", score.stage},
               {"benchmark", score.benchmark},
               {"n", score.n},
               {"samples", score.samples},
               {"accuracy", score.accuracy},
               {"interval_95", {score.interval_low, score.interval_high}},
               {"finished", score.finished},
               {"format_failures", score.format_failures},
               {"mean_tokens", score.mean_tokens}};
  for (const auto& item : score.extra.items()) json[item.key()] = item.value();
  return json;
}

Json to_json(const PoolCounts& counts) {
  Json json = {{"problems", counts.problems},
               {"demonstrations", counts.demonstrations},
               {"models", counts.models},
               {"trajectories", counts.rollouts},
               {"training_rows", counts.training_rows},
               {"pairs", counts.pairs},
               {"benchmark_problems", counts.benchmark_problems},
               {"evaluation_trajectories", counts.evaluation_rollouts},
               {"stages", Json::array()}};
  for (const PoolCounts::Stage& stage : counts.stages) {
    json["stages"].push_back({{"stage", stage.stage},
                              {"trajectories", stage.rollouts},
                              {"correct", stage.correct},
                              {"incorrect", stage.incorrect},
                              {"undecided", stage.undecided},
                              {"unjudged", stage.unjudged},
                              {"unfinished", stage.unfinished},
                              {"problems", stage.problems},
                              {"problems_solved", stage.problems_solved},
                              {"tokens", stage.tokens}});
  }
  return json;
}

}  // namespace ponder::pool
