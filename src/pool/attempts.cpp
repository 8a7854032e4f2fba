// What a run asked of servers, and what was found of them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "pool/pool.h"
#include "pool/pool_impl.h"

namespace ponder::pool {
namespace {

using Outcome = AttemptRecord::Outcome;

constexpr std::array kOutcomes = {Outcome::kAnswered, Outcome::kFull,      Outcome::kFailed,
                                  Outcome::kRefused,  Outcome::kWithdrawn, Outcome::kBegun};

constexpr const char* kAttempts =
    "SELECT a.stage, p.benchmark, p.id, a.sample, a.server, a.began, a.ended, a.outcome, "
    "a.num_tokens, a.error, a.number, a.answer FROM attempts a JOIN problems p "
    "ON p.position = a.problem ";

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
                        row.text(9), row.count(10), row.text(11)});
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
    case Outcome::kBegun:
      return "begun";
  }
  return "failed";
}

int Pool::add_attempt(const AttemptRecord& attempt) {
  impl_->require_stage(attempt.stage);
  const int64_t problem = impl_->problem_position(attempt.problem_id, attempt.benchmark);
  WriteScope scope(*this, impl_->in_transaction);
  const int64_t position = last_attempt() + 1;  // behind the one that it takes the place of
  int number = attempt.number;
  if (number == 0) {
    auto row = impl_->prepare(
        "SELECT 1 + coalesce(max(number), 0) FROM attempts WHERE stage = ? AND problem = ? AND "
        "sample = ?");
    row.bind(attempt.stage).bind(problem).bind(attempt.sample).step();
    number = row.count(0);
  } else {
    impl_
        ->prepare(
            "DELETE FROM attempts WHERE stage = ? AND problem = ? AND sample = ? AND number = ?")
        .bind(attempt.stage)
        .bind(problem)
        .bind(attempt.sample)
        .bind(number)
        .run();
  }
  impl_
      ->prepare(
          "INSERT INTO attempts (stage, problem, sample, number, server, began, ended, outcome, "
          "num_tokens, error, answer, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(attempt.stage)
      .bind(problem)
      .bind(attempt.sample)
      .bind(number)
      .bind(attempt.server)
      .bind(attempt.began)
      .bind(attempt.ended)
      .bind(to_string(attempt.outcome))
      .bind(attempt.num_tokens)
      .bind(attempt.error)
      .bind_or_null(attempt.answer)
      .bind(position)
      .run();
  scope.commit();
  return number;
}

// Attempts may have been removed that a look came behind.
int64_t Pool::last_attempt() const {
  return impl_->database->value(
      "SELECT max(coalesce((SELECT max(position) FROM attempts), 0), coalesce((SELECT since FROM "
      "server_checks ORDER BY position DESC LIMIT 1), 0))");
}

std::vector<AttemptRecord> Pool::attempts(std::string_view stage) const {
  auto row = impl_->prepare(std::string(kAttempts) + "WHERE a.stage = ? ORDER BY a.position");
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

std::vector<AttemptSum> Pool::attempt_sums() const {
  // Summed here, not by GROUP BY, which would sort as many texts as there are attempts.
  std::vector<AttemptSum> sums;
  std::unordered_map<std::string, size_t> alike;
  auto row = impl_->prepare(
      "SELECT stage, server, outcome, error, num_tokens FROM attempts ORDER BY position");
  while (row.step()) {
    std::string key;
    for (int column = 0; column < 4; ++column) key.append(row.text(column)).push_back('\0');
    const auto [found, is_new] = alike.try_emplace(std::move(key), sums.size());
    if (is_new) sums.push_back({row.text(0), row.text(1), outcome_of(row.text(2)), row.text(3)});
    AttemptSum& sum = sums[found->second];
    ++sum.num_attempts;
    sum.num_tokens += row.integer(4);
  }
  return sums;
}

ServerRate Pool::server_rate() const {
  ServerRate rate;
  std::set<std::string> servers;
  auto row = impl_->prepare(
      "SELECT 86400 * (julianday(began) - 2440587.5), 86400 * (julianday(ended) - 2440587.5), "
      "num_tokens, server FROM attempts WHERE num_tokens > 0 ORDER BY began");
  for (double until = 0; row.step();) {
    const double began = std::max(row.real(0), until), ended = row.real(1);
    rate.seconds += std::max(0.0, ended - began);
    until = std::max(until, ended);
    rate.num_tokens += row.integer(2);
    servers.insert(row.text(3));
  }
  rate.num_servers = static_cast<int64_t>(servers.size());
  return rate;
}

std::vector<AttemptRecord> Pool::refused_attempts(int64_t most) const {
  auto row =
      impl_->prepare(std::string(kAttempts) +
                     // +: few rows have an answer, so all are looked at and those few sorted.
                     "WHERE a.answer IS NOT NULL ORDER BY +a.position DESC LIMIT ?");
  row.bind(most);
  return all_of(row);
}

void Pool::add_server_check(const ServerCheckRecord& check) {
  impl_->require_stage(check.stage);
  impl_
      ->prepare(
          "INSERT INTO server_checks (stage, server, kind, model, checked, proof, found, "
          "withdrawn, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(check.stage)
      .bind(check.server)
      .bind(check.kind)
      .bind(check.model)
      .bind(check.checked)
      .bind(check.proof)
      .bind(check.found)
      .bind(check.withdrawn)
      .bind(check.since)
      .run();
}

std::vector<ServerCheckRecord> Pool::server_checks() const {
  std::vector<ServerCheckRecord> checks;
  auto row = impl_->prepare(
      "SELECT stage, server, kind, model, checked, proof, found, withdrawn, since FROM "
      "server_checks ORDER BY position");
  while (row.step()) {
    checks.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5),
                      row.text(6), row.integer(7), row.integer(8)});
  }
  return checks;
}

std::vector<AttemptRecord> Pool::unproven(std::string_view stage, std::string_view server,
                                          std::string_view benchmark) const {
  auto row = impl_->prepare(
      std::string(kAttempts) +
      "WHERE a.stage = ?1 AND a.server = ?2 AND p.benchmark = ?3 AND a.num_tokens > 0 AND "
      "a.outcome IN ('answered', 'failed', 'begun') AND a.position > coalesce((SELECT max(c.since) "
      "FROM server_checks c WHERE c.stage = ?1 AND c.server = ?2 AND c.proof <> 'wrong'), 0) "
      "ORDER BY a.position");
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
    impl_->remove_partial(stage, problem, attempt.sample);
  }
  scope.commit();
  return attempts;
}

}  // namespace ponder::pool
