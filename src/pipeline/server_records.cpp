#include "pipeline/server_records.h"

#include <fmt/format.h>

#include "base/utc.h"
#include "fleet/server_kind.h"
#include "pool/pool.h"

namespace ponder::pipeline {
namespace {

using WallClock = std::chrono::system_clock;
using Outcome = pool::AttemptRecord::Outcome;

Outcome outcome_of(const fleet::AttemptKeeper::Failed& failure) {
  if (failure.kind == fleet::FailureClass::kFull) return Outcome::kFull;
  return failure.again ? Outcome::kFailed : Outcome::kRefused;
}

}  // namespace

ServerRecords::ServerRecords(const StageContext& context, std::string benchmark)
    : context_(context), benchmark_(std::move(benchmark)) {}

void ServerRecords::sending(const rollout::CompletionRequest& request, int64_t num_tokens,
                            const std::string& server) {
  Open& open = open_[request.id] = {};
  open.behind = num_tokens;
  pool::AttemptRecord& attempt = open.attempt;
  attempt.stage = context_.stage.name;
  attempt.benchmark = benchmark_;
  attempt.problem_id = request.seed_key.name;
  attempt.sample = request.seed_key.index;
  attempt.server = server;
  attempt.began = utc_text(WallClock::now());
}

void ServerRecords::end(const std::string& id, Outcome outcome, int64_t num_tokens,
                        std::string error) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  pool::AttemptRecord& attempt = found->second.attempt;
  attempt.ended = utc_text(WallClock::now());
  attempt.outcome = outcome;
  attempt.num_tokens = num_tokens;
  attempt.error = std::move(error);
  gathered_.emplace_back(std::move(attempt));
  open_.erase(found);
}

int64_t ServerRecords::answered(const std::string& id, const fleet::Answer& /*answer*/,
                                int64_t num_tokens) {
  end(id, Outcome::kAnswered, num_tokens, "");
  return 0;
}

void ServerRecords::failed(const std::string& id, const Failed& failure) {
  if (const auto found = open_.find(id); found != open_.end())
    found->second.attempt.answer = failure.answer;
  end(id, outcome_of(failure), failure.num_tokens, failure.message);
}

void ServerRecords::looking_at(const std::string& server) {
  looking_[server] = utc_text(WallClock::now());
  gathered_.emplace_back(LookBegan{server});
}

void ServerRecords::looked_at(const Looked& looked) {
  pool::ServerCheckRecord check;
  check.stage = context_.stage.name;
  check.server = looked.server;
  check.kind = to_string(context_.recipe.fleet.kind);
  check.model = looked.model;
  check.checked = looking_[looked.server];
  check.proof = fleet::to_string(looked.proof);
  check.found = looked.found;
  if (looked.proof ==
      fleet::Proof::kWrong) {  // as long as it is, it is looked at every few seconds
    const auto [known, is_new] = wrong_.emplace(looked.server, looked.found);
    if (!is_new && known->second == looked.found) return;
    known->second = looked.found;
  } else {
    wrong_.erase(looked.server);
  }
  // Looked at twice with nothing asked between, as while others are waited for.
  for (auto each = gathered_.rbegin(); each != gathered_.rend(); ++each) {
    if (const auto* attempt = std::get_if<pool::AttemptRecord>(&*each)) {
      if (attempt->server == check.server) break;
      continue;
    }
    auto* before = std::get_if<pool::ServerCheckRecord>(&*each);
    if (!before || before->server != check.server) continue;
    if (before->proof != check.proof || before->found != check.found) break;
    before->checked = check.checked;
    return;
  }
  gathered_.emplace_back(std::move(check));
}

void ServerRecords::write() {
  for (const auto& each : gathered_) {
    if (const auto* attempt = std::get_if<pool::AttemptRecord>(&each)) {
      context_.pool.add_attempt(*attempt);
      continue;
    }
    if (const auto* look = std::get_if<LookBegan>(&each)) {
      since_[look->server] = context_.pool.last_attempt();
      continue;
    }
    auto check = std::get<pool::ServerCheckRecord>(each);
    check.since = since_[check.server];
    if (check.proof == fleet::to_string(fleet::Proof::kWrong)) check.withdrawn = withdraw(check);
    context_.pool.add_server_check(check);
  }
  gathered_.clear();
}

void ServerRecords::keep_begun(const std::string& problem_id, int sample, int64_t num_tokens) {
  for (auto& [id, open] : open_) {
    pool::AttemptRecord& attempt = open.attempt;
    if (attempt.problem_id != problem_id || attempt.sample != sample) continue;
    if (num_tokens <= open.behind) return;
    attempt.outcome = Outcome::kBegun;
    attempt.num_tokens = num_tokens - open.behind;
    attempt.ended = utc_text(WallClock::now());
    attempt.number = context_.pool.add_attempt(attempt);
    return;
  }
}

std::string ServerRecords::last_server_of(const std::string& problem_id, int sample) const {
  pool::StoredRollout rollout;
  rollout.stage = context_.stage.name;
  rollout.benchmark = benchmark_;
  rollout.rollout.problem_id = problem_id;
  rollout.rollout.sample = sample;
  std::string server;
  for (const pool::AttemptRecord& attempt : context_.pool.attempts_of(rollout))
    if (attempt.num_tokens > 0 && attempt.outcome != Outcome::kWithdrawn) server = attempt.server;
  return server;
}

int64_t ServerRecords::withdraw(const pool::ServerCheckRecord& check) {
  // Those of kind ponder say with every answer whose it is.
  if (!context_.recipe.fleet.samples_otherwise(context_.stage.kind->name)) return 0;
  const auto attempts =
      context_.pool.withdraw(check.stage, check.server, benchmark_, "the server " + check.found);
  if (attempts.empty()) return 0;
  std::set<std::pair<std::string, int>> samples;
  for (const pool::AttemptRecord& attempt : attempts)
    samples.emplace(attempt.problem_id, attempt.sample);
  context_.monitor.warning(fmt::format(
      "{}: {} {}: {} rollouts that it has worked at since {} are thrown away and asked for again",
      check.stage, check.server, check.found, samples.size(), attempts.front().began));
  withdrawn_.insert(samples.begin(), samples.end());
  return static_cast<int64_t>(samples.size());
}

void ServerRecords::tell_unproven(const std::vector<std::string>& servers) const {
  for (const std::string& server : servers) {
    const auto attempts = context_.pool.unproven(context_.stage.name, server, benchmark_);
    if (attempts.empty()) continue;
    context_.monitor.warning(
        fmt::format("{}: {} could not be asked to prove its weights once more: {} answers since {} "
                    "are kept without that",
                    context_.stage.name, server, attempts.size(), attempts.front().began));
  }
}

}  // namespace ponder::pipeline
