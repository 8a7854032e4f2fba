// What run.db knows of servers: who was asked for a rollout and when, and what was proven of whom.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "pool/pool_fixture.h"

namespace ponder::pool {
namespace {

using Outcome = AttemptRecord::Outcome;

class Attempts : public PoolTest {
 protected:
  static std::string at(int second) { return fmt::format("2026-01-31T12:00:{:02}.000Z", second); }
  static AttemptRecord attempt(const std::string& problem, int sample, const std::string& server,
                               int ended, Outcome outcome = Outcome::kAnswered) {
    AttemptRecord attempt;
    attempt.stage = "explore-1";
    attempt.problem_id = problem;
    attempt.sample = sample;
    attempt.server = server;
    attempt.began = at(0);
    attempt.ended = at(ended);
    attempt.outcome = outcome;
    attempt.num_tokens = outcome == Outcome::kAnswered ? 3 : 0;
    if (outcome != Outcome::kAnswered) attempt.error = "status 500";
    return attempt;
  }
  static ServerCheckRecord check(const std::string& server, int checked, const std::string& proof,
                                 int64_t since = 0) {
    return {"explore-1",        server, "vllm", "ponder-m1", at(checked), proof,
            "0.02 nat a token", 2,      since};
  }
  static data::Rollout served(const std::string& problem, int sample, const std::string& server) {
    data::Rollout t = rollout(problem, sample);
    t.completion.endpoint = server;
    t.completion.logprobs.reset();
    t.completion.logprob_source = data::LogprobSource::kNone;
    return t;
  }
  static std::vector<std::string> names(const std::vector<AttemptRecord>& attempts) {
    std::vector<std::string> names;
    for (const AttemptRecord& a : attempts)
      names.push_back(fmt::format("{}#{} {} {} {}", a.problem_id, a.sample, a.number, a.server,
                                  to_string(a.outcome)));
    return names;
  }
};

using Names = std::vector<std::string>;

TEST_F(Attempts, AreNumberedBySampleAndKeptWithWhatCameOfThem) {
  {
    Pool pool = Pool::open(file_);
    fill(pool);
    pool.add_attempt(attempt("a", 1, "http://x", 1, Outcome::kFull));
    pool.add_attempt(attempt("b", 1, "http://x", 2, Outcome::kFailed));
    pool.add_attempt(attempt("a", 1, "http://y", 3));
    pool.add_server_check(check("http://x", 0, "hash"));
  }
  const Pool pool = Pool::open_read_only(file_);
  EXPECT_EQ(names(pool.attempts("explore-1")),
            (Names{"a#1 1 http://x full", "b#1 1 http://x failed", "a#1 2 http://y answered"}));
  StoredRollout of;
  of.stage = "explore-1";
  of.rollout = served("a", 1, "http://y");
  const auto both = pool.attempts_of(of);
  EXPECT_EQ(names(both), (Names{"a#1 1 http://x full", "a#1 2 http://y answered"}));
  EXPECT_EQ(both[0].error, "status 500");
  EXPECT_EQ(both[1].began, at(0));
  EXPECT_EQ(both[1].ended, at(3));
  EXPECT_EQ(both[1].num_tokens, 3);
  const auto checks = pool.server_checks();
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].server, "http://x");
  EXPECT_EQ(checks[0].kind, "vllm");
  EXPECT_EQ(checks[0].model, "ponder-m1");
  EXPECT_EQ(checks[0].checked, at(0));
  EXPECT_EQ(checks[0].proof, "hash");
  EXPECT_EQ(checks[0].found, "0.02 nat a token");
  EXPECT_EQ(checks[0].withdrawn, 2);
  pool.verify();
}

TEST_F(Attempts, OneThatGoesOnTakesItsOwnPlaceAndIsTheLast) {
  Pool pool = Pool::open(file_);
  fill(pool);
  EXPECT_EQ(pool.last_attempt(), 0);
  AttemptRecord begun = attempt("a", 1, "http://x", 1, Outcome::kBegun);
  begun.num_tokens = 5;
  begun.number = pool.add_attempt(begun);
  EXPECT_EQ(begun.number, 1);
  pool.add_attempt(attempt("b", 0, "http://x", 2));
  EXPECT_EQ(pool.last_attempt(), 2);
  begun.outcome = Outcome::kAnswered;
  EXPECT_EQ(pool.add_attempt(begun), 1);
  EXPECT_EQ(names(pool.attempts("explore-1")),
            (Names{"b#0 1 http://x answered", "a#1 1 http://x answered"}));
  EXPECT_EQ(pool.last_attempt(), 3);
  // Also where it is the last already: a look may have come between.
  pool.add_attempt(begun);
  EXPECT_EQ(pool.last_attempt(), 4);
  // And where all are gone that a look came behind.
  pool.add_server_check(check("http://x", 0, "right", 4));
  pool.remove_problem("a", "");
  pool.remove_problem("b", "");
  EXPECT_EQ(pool.last_attempt(), 4);
  pool.verify();
}

TEST_F(Attempts, AreSummedByServerAndByWhatCameOfThem) {
  Pool pool = Pool::open(file_);
  fill(pool);
  EXPECT_TRUE(pool.attempt_sums().empty());
  pool.add_attempt(attempt("a", 0, "http://x", 1, Outcome::kFailed));
  pool.add_attempt(attempt("a", 0, "http://y", 2));
  pool.add_attempt(attempt("b", 0, "http://x", 3, Outcome::kFailed));
  AttemptRecord other = attempt("b", 0, "http://x", 4, Outcome::kFailed);
  other.error = "status 502";
  pool.add_attempt(other);
  pool.add_attempt(attempt("b", 0, "http://y", 5));
  std::vector<std::string> sums;
  for (const AttemptSum& sum : pool.attempt_sums())
    sums.push_back(fmt::format("{} {} {} {}: {}, {} tokens", sum.stage, sum.server,
                               to_string(sum.outcome), sum.error, sum.num_attempts,
                               sum.num_tokens));
  EXPECT_EQ(sums, (Names{"explore-1 http://x failed status 500: 2, 0 tokens",
                         "explore-1 http://y answered : 2, 6 tokens",
                         "explore-1 http://x failed status 502: 1, 0 tokens"}));
}

TEST_F(Attempts, ARateIsOfTheTimeInWhichSomethingWasOnItsWay) {
  Pool pool = Pool::open(file_);
  fill(pool);
  EXPECT_EQ(pool.server_rate().tokens_per_second(), 0);
  const auto add = [&](const std::string& server, int began, int ended, int64_t num_tokens) {
    AttemptRecord of = attempt("a", 0, server, ended);
    of.began = at(began);
    of.num_tokens = num_tokens;
    pool.add_attempt(of);
  };
  add("http://x", 0, 10, 100);
  add("http://y", 2, 4, 50);
  add("http://y", 8, 12, 50);
  add("http://x", 40, 48, 200);  // after a pause
  add("http://z", 12, 40, 0);    // nothing came
  const ServerRate rate = pool.server_rate();
  EXPECT_EQ(rate.num_tokens, 400);
  EXPECT_EQ(rate.num_servers, 2);
  EXPECT_NEAR(rate.seconds, 20, 1e-3);
  EXPECT_NEAR(rate.tokens_per_second(), 20, 1e-2);
}

TEST_F(Attempts, WhatWasRefusedCanBeLookedAt) {
  Pool pool = Pool::open(file_);
  fill(pool);
  pool.add_attempt(attempt("a", 0, "http://x", 1, Outcome::kRefused));  // with nothing to look at
  for (int sample = 0; sample < 3; ++sample) {
    AttemptRecord refused = attempt("a", sample, "http://x", 1, Outcome::kRefused);
    refused.answer = fmt::format(R"({{"text":"{}"}})", sample);
    pool.add_attempt(refused);
  }
  const auto refused = pool.refused_attempts(2);
  ASSERT_EQ(refused.size(), 2u);
  EXPECT_EQ(refused[0].answer, R"({"text":"2"})");
  EXPECT_EQ(refused[1].answer, R"({"text":"1"})");
  EXPECT_EQ(refused[1].error, "status 500");
}

TEST_F(Attempts, WhatAServerAnsweredSinceItWasRightIsWithdrawn) {
  Pool pool = Pool::open(file_);
  fill(pool);
  pool.add_problem(problem("a"), "bench");
  pool.add_server_check(check("http://x", 5, "right"));
  pool.add_rollout("explore-1", 1, served("a", 0, "http://x"));
  pool.add_attempt(attempt("a", 0, "http://x", 9));  // proven
  // Looks are told when they are done; this one had begun then. A clock may be set back at any time.
  const int64_t begun = pool.last_attempt();
  pool.add_rollout("explore-1", 1, served("a", 1, "http://x"));
  pool.add_attempt(attempt("a", 1, "http://x", 3));
  pool.add_server_check(check("http://x", 10, "rounded", begun));
  pool.add_server_check(check("http://y", 50, "right", pool.last_attempt()));
  pool.add_rollout("explore-1", 1, served("a", 2, "http://y"));
  pool.add_attempt(attempt("a", 2, "http://y", 51));  // another's
  // The other one's rollout goes on from what came of this one.
  AttemptRecord cut = attempt("a", 3, "http://x", 12, Outcome::kFailed);
  cut.num_tokens = 1024;
  pool.add_attempt(cut);
  pool.add_rollout("explore-1", 1, served("a", 3, "http://y"));
  pool.add_attempt(attempt("a", 3, "http://y", 52));
  pool.add_attempt(attempt("b", 0, "http://x", 13, Outcome::kFailed));  // nothing came of it
  pool.add_attempt(attempt("b", 1, "http://x", 14));                    // not in the pool yet
  AttemptRecord of_benchmark = attempt("a", 0, "http://x", 15);
  of_benchmark.benchmark = "bench";
  pool.add_attempt(of_benchmark);
  // What is there of one that is not finished.
  AttemptRecord on_its_way = attempt("b", 2, "http://x", 16, Outcome::kBegun);
  on_its_way.num_tokens = 2;
  pool.add_attempt(on_its_way);
  pool.add_partial({"explore-1", "", "b", 2, "request", 0, {{1, 2}, {}}});
  pool.add_partial({"explore-1", "", "b", 3, "request", 0, {{1, 2}, {}}});  // another's
  EXPECT_EQ(pool.unproven("explore-1", "http://x", "").size(), 4u);
  pool.add_server_check(check("http://x", 20, "wrong"));
  EXPECT_EQ(names(pool.withdraw("explore-1", "http://x", "", "has other weights")),
            (Names{"a#1 1 http://x withdrawn", "a#3 1 http://x withdrawn",
                   "b#1 1 http://x withdrawn", "b#2 1 http://x withdrawn"}));
  ASSERT_EQ(pool.partials("explore-1").size(), 1u);
  EXPECT_EQ(pool.partials("explore-1")[0].sample, 3);
  std::vector<int> samples;
  pool.for_each_rollout({.stage = "explore-1"}, [&](const StoredRollout& stored) {
    samples.push_back(stored.rollout.sample);
  });
  EXPECT_EQ(samples, (std::vector<int>{0, 2}));
  const auto attempts = pool.attempts("explore-1");
  ASSERT_EQ(attempts.size(), 9u);
  EXPECT_EQ(attempts[1].outcome, Outcome::kWithdrawn);
  EXPECT_EQ(attempts[1].error, "has other weights");
  EXPECT_EQ(attempts[1].num_tokens, 3);
  // Once; of another benchmark what it had is there still.
  EXPECT_TRUE(pool.withdraw("explore-1", "http://x", "", "again").empty());
  EXPECT_EQ(pool.unproven("explore-1", "http://x", "bench").size(), 1u);
  // Found right again it proves what came before.
  pool.add_server_check(check("http://x", 30, "right", pool.last_attempt()));
  EXPECT_TRUE(pool.unproven("explore-1", "http://x", "bench").empty());
  pool.verify();
}

TEST_F(Attempts, GoWithTheirStageAndTheirProblem) {
  Pool pool = Pool::open(file_);
  fill(pool);
  pool.add_attempt(attempt("a", 0, "http://x", 1));
  pool.add_attempt(attempt("b", 0, "http://x", 1));
  pool.add_server_check(check("http://x", 0, "right"));
  pool.remove_problem("a", "");
  EXPECT_EQ(names(pool.attempts("explore-1")), Names{"b#0 1 http://x answered"});
  const std::vector<std::string> stage = {"explore-1"};
  pool.forget_stages(stage, {});
  EXPECT_EQ(pool.attempts("explore-1").size(), 1u);
  pool.forget_stages({}, stage);
  EXPECT_TRUE(pool.attempts("explore-1").empty());
  EXPECT_TRUE(pool.server_checks().empty());
  EXPECT_NE(testing::error_text([&] {
              pool.add_attempt(attempt("b", 0, "http://x", 1));
            }).find("explore-1"),
            std::string::npos);
}

}  // namespace
}  // namespace ponder::pool
