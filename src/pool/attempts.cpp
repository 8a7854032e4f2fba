// What a run asked of servers, and what was found of them.
#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "pool/pool.h"
#include "pool/pool_impl.h"

namespace ponder::pool {
namespace {

using Outcome = AttemptRecord::Outcome;

constexpr std::array kOutcomes = {Outcome::kAnswered, Outcome::kFull, Outcome::kFailed,
                                  Outcome::kRefused, Outcome::kWithdrawn};

constexpr const char* kAttempts =
    "SELECT a.stage, p.benchmark, p.id, a.sample, a.server, a.began, a.ended, a.outcome, "
    "a.num_tokens, a.error, a.number FROM attempts a JOIN problems p ON p.position = a.problem ";

Outcome outcome_of(std::string_view text) {
  for (const Outcome outcome : kOutcomes)
    if (to_string(outcome) == text) return outcome;
  return Outcome::kFailed;  // the table allows no other
}

std::vector<AttemptRecord> all_of(sqlite::Statement& row) {
  std::vector<AttemptRecord> attempts;
  while (row.step()) {
    attempts.push_back({row.text(0), row.text(1), row.text(2), row.count(3), row.text(4),
                        row.text(5), row.text(6), outcome_of(row.text(7)), row.integer(8),
                        row.text(9), row.count(10)});
  }
  return attempts;
}

}  // namespace

std::string_view to_string(AttemptRecord::Outcome outcome) {
  switch (outcome) {
    case Outcome::kAnswered:
      return "answered";
    case Outcome::kFull:
      return "full";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kWithdrawn:
      return "withdrawn";
  }
  return "failed";
}

void Pool::add_attempt(const AttemptRecord& attempt) {
  impl_->require_stage(attempt.stage);
  const int64_t problem = impl_->problem_position(attempt.problem_id, attempt.benchmark);
  impl_
      ->prepare(
          "INSERT INTO attempts (stage, problem, sample, server, began, ended, outcome, "
          "num_tokens, error, number) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
          "1 + coalesce(max(number), 0) FROM attempts WHERE stage = ?1 AND problem = ?2 AND "
          "sample = ?3")
      .bind(attempt.stage)
      .bind(problem)
      .bind(attempt.sample)
      .bind(attempt.server)
      .bind(attempt.began)
      .bind(attempt.ended)
      .bind(to_string(attempt.outcome))
      .bind(attempt.num_tokens)
      .bind(attempt.error)
      .run();
}

std::vector<AttemptRecord> Pool::attempts(std::string_view stage) const {
  auto row = impl_->prepare(std::string(kAttempts) + "WHERE a.stage = ? ORDER BY a.rowid");
  row.bind(stage);
  return all_of(row);
}

std::vector<AttemptRecord> Pool::attempts_of(const StoredRollout& rollout) const {
  auto row =
      impl_->prepare(std::string(kAttempts) +
                     "WHERE a.stage = ? AND a.problem = ? AND a.sample = ? ORDER BY a.number");
  row.bind(rollout.stage)
      .bind(impl_->problem_position(rollout.rollout.problem_id, rollout.benchmark))
      .bind(rollout.rollout.sample);
  return all_of(row);
}

void Pool::add_server_check(const ServerCheckRecord& check) {
  impl_->require_stage(check.stage);
  impl_
      ->prepare(
          "INSERT INTO server_checks (stage, server, kind, model, checked, proof, found, "
          "withdrawn) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(check.stage)
      .bind(check.server)
      .bind(check.kind)
      .bind(check.model)
      .bind(check.checked)
      .bind(check.proof)
      .bind(check.found)
      .bind(check.withdrawn)
      .run();
}

std::vector<ServerCheckRecord> Pool::server_checks() const {
  std::vector<ServerCheckRecord> checks;
  auto row = impl_->prepare(
      "SELECT stage, server, kind, model, checked, proof, found, withdrawn FROM server_checks "
      "ORDER BY position");
  while (row.step()) {
    checks.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5),
                      row.text(6), row.integer(7)});
  }
  return checks;
}

std::vector<AttemptRecord> Pool::unproven(std::string_view stage, std::string_view server,
                                          std::string_view benchmark) const {
  auto row = impl_->prepare(
      std::string(kAttempts) +
      "WHERE a.stage = ?1 AND a.server = ?2 AND p.benchmark = ?3 AND a.num_tokens > 0 AND "
      "a.outcome IN ('answered', 'failed') AND a.ended >= coalesce((SELECT max(c.checked) FROM "
      "server_checks c WHERE c.stage = ?1 AND c.server = ?2 AND c.proof <> 'wrong'), '') "
      "ORDER BY a.rowid");
  row.bind(stage).bind(server).bind(benchmark);
  return all_of(row);
}

std::vector<AttemptRecord> Pool::withdraw(std::string_view stage, std::string_view server,
                                          std::string_view benchmark, std::string_view why) {
  WriteScope scope(*this, impl_->in_transaction);
  std::vector<AttemptRecord> attempts = unproven(stage, server, benchmark);
  for (AttemptRecord& attempt : attempts) {
    attempt.outcome = Outcome::kWithdrawn;
    attempt.error = why;
    const int64_t problem = impl_->problem_position(attempt.problem_id, benchmark);
    impl_
        ->prepare(
            "UPDATE attempts SET outcome = 'withdrawn', error = ? WHERE stage = ? AND "
            "problem = ? AND sample = ? AND number = ?")
        .bind(why)
        .bind(stage)
        .bind(problem)
        .bind(attempt.sample)
        .bind(attempt.number)
        .run();
    impl_
        ->prepare(
            "DELETE FROM trajectories WHERE stage = ? AND problem = ? AND sample = ? AND "
            "endpoint IS NOT NULL")
        .bind(stage)
        .bind(problem)
        .bind(attempt.sample)
        .run();
  }
  scope.commit();
  return attempts;
}

}  // namespace ponder::pool
