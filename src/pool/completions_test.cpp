// Completions that other programs made, evaluations, and what was read: what schema version 2
// added.
#include <gtest/gtest.h>

#include "pool/pool_fixture.h"

namespace ponder::pool {
namespace {

TEST_F(PoolTest, CompletionsFromElsewhereMayLackIdsAndLogprobs) {
  Pool pool = Pool::open(file_);
  fill(pool);
  data::Trajectory t = trajectory("a", 0);
  t.logprobs.clear();
  t.logprob = 0;
  CompletionOrigin origin{.logprob_source = data::LogprobSource::kNone,
                          .endpoint = "http://here:8000",
                          .usage = {{"completion_tokens", 3}}};
  const int64_t id = pool.add_trajectory("explore-1", 1, t, "", origin);
  EXPECT_EQ(pool.add_trajectory("explore-1", 1, t, "", origin), id);
  auto stored = pool.trajectory(id);
  EXPECT_EQ(stored->origin.logprob_source, data::LogprobSource::kNone);
  EXPECT_EQ(stored->origin.endpoint, "http://here:8000");
  EXPECT_EQ(stored->origin.usage.at("completion_tokens"), 3);
  EXPECT_EQ(stored->trajectory.token_ids, t.token_ids);

  EXPECT_NE(testing::error_text([&] {
              pool.set_logprobs(id, std::vector<float>{-1, -2});
            }).find("2 token ids"),
            std::string::npos);
  pool.set_logprobs(id, std::vector<float>{-1, -2, -4});
  stored = pool.trajectory(id);
  EXPECT_EQ(stored->origin.logprob_source, data::LogprobSource::kRescored);
  EXPECT_EQ(stored->trajectory.logprob, -7);
  EXPECT_EQ(stored->trajectory.logprobs, (std::vector<float>{-1, -2, -4}));
  EXPECT_THROW(pool.set_logprobs(id, std::vector<float>{-1, -2, -4}), Error);  // only once

  t.sample = 1;
  t.token_ids.clear();
  origin.has_token_ids = false;
  origin.num_tokens = 17;
  stored = pool.trajectory(pool.add_trajectory("explore-1", 1, t, "", origin));
  EXPECT_FALSE(stored->origin.has_token_ids);
  EXPECT_EQ(stored->num_tokens, 17);
  EXPECT_EQ(pool.counts_of("explore-1").tokens, 3 + 17);
}

TEST_F(PoolTest, WhatComesWithACompletionMustBeThere) {
  Pool pool = Pool::open(file_);
  fill(pool);
  data::Trajectory t = trajectory("a", 0);
  EXPECT_THROW(
      pool.add_trajectory("explore-1", 1, t, "", {.logprob_source = data::LogprobSource::kNone}),
      Error);
  EXPECT_THROW(pool.add_trajectory("explore-1", 1, t, "", {.has_token_ids = false}), Error);
  t.logprobs.clear();
  EXPECT_THROW(pool.add_trajectory("explore-1", 1, t), Error);
  EXPECT_EQ(pool.counts().trajectories, 0);
}

TEST_F(PoolTest, EvaluationsAreKeptApart) {
  Pool pool = Pool::open(file_);
  fill(pool);
  pool.begin_stage({.name = "evaluate-M1", .kind = "evaluate"});
  data::Problem other = problem("a");  // the same id, another question
  other.question = "Another?";
  pool.add_problem(other, "easy");
  pool.add_problem(problem("a"), "hard");
  const int64_t id = pool.add_trajectory("explore-1", 1, trajectory("a", 0));
  const int64_t easy = pool.add_trajectory("evaluate-M1", 0, trajectory("a", 0), "easy");
  const int64_t hard = pool.add_trajectory("evaluate-M1", 0, trajectory("a", 0), "hard");
  EXPECT_EQ(pool.trajectory(easy)->benchmark, "easy");
  EXPECT_EQ(pool.trajectory(hard)->benchmark, "hard");
  EXPECT_EQ(pool.problem("a", "easy")->question, "Another?");
  EXPECT_EQ(pool.problem("a")->question, problem("a").question);
  EXPECT_EQ(pool.problems().size(), 2u);

  // What is there to train on does not grow by an evaluation.
  std::vector<int64_t> all, evaluated;
  pool.for_each_trajectory({}, [&](const StoredTrajectory& s) { all.push_back(s.id); });
  EXPECT_EQ(all, (std::vector<int64_t>{id}));
  pool.for_each_trajectory({.stage = "evaluate-M1"},
                           [&](const StoredTrajectory& s) { evaluated.push_back(s.id); });
  EXPECT_EQ(evaluated, (std::vector<int64_t>{easy, hard}));
  const PoolCounts counts = pool.counts();
  EXPECT_EQ(counts.trajectories, 1);
  EXPECT_EQ(counts.evaluation_trajectories, 2);
  EXPECT_EQ(counts.problems, 2);
  EXPECT_EQ(counts.benchmark_problems, 2);
  // Begun again, the stage keeps what was paid for.
  pool.begin_stage({.name = "evaluate-M1", .kind = "evaluate"});
  EXPECT_EQ(pool.counts_of("evaluate-M1").trajectories, 2);
}

TEST_F(PoolTest, DemonstrationsAreKeptWhole) {
  data::Demonstration d;
  d.id = "7";
  d.domain = "math";
  d.system = "Be brief.";
  d.history = {{false, "Hello"}, {true, "Hi"}};
  d.question = "6 * 7?";
  d.thought = "42";
  d.solution = "It is 42.";
  d.answer = "42";
  d.answer_type = judge::AnswerType::kNumber;
  d.level = "1";
  d.line = 3;
  int64_t id = 0;
  {
    Pool pool = Pool::open(file_);
    id = pool.add_demonstration("d.jsonl", 0, d);
    data::Demonstration other = d;
    other.system = "";
    EXPECT_THROW(pool.add_demonstration("d.jsonl", 0, other), Error);
  }
  const data::Demonstration stored = Pool::open_read_only(file_).demonstration(id);
  EXPECT_EQ(dump_json(data::to_json(stored)), dump_json(data::to_json(d)));
  EXPECT_EQ(stored.system, d.system);
  ASSERT_EQ(stored.history.size(), 2u);
  EXPECT_TRUE(stored.history[1].assistant);
  EXPECT_EQ(stored.history[1].content, "Hi");
  EXPECT_EQ(stored.response(), d.response());
}

TEST_F(PoolTest, SourcesKeepTheirRowsInOrderAndWhatWasLeftOut) {
  Pool pool = Pool::open(file_);
  fill(pool);
  const auto read = [&](bool whole) {
    pool.begin_stage({.name = "ingest", .kind = "ingest"});
    SourceRecord source;
    source.stage = "ingest";
    source.role = SourceRecord::Role::kProblems;
    source.name = "problems.jsonl";
    source.rows_sha256 = "hash";
    source.account.rows = 3;
    source.account.kept = 2;
    source.account.rejected["no_answer"] = 1;
    const int64_t id = pool.add_source(source);
    pool.add_source_row(id, 0, "a", "");
    if (whole) pool.add_source_row(id, 1, "b", "");
    pool.add_rejection({id, 12, "no_answer", "expected an answer"});
    return id;
  };
  read(false);
  const int64_t id = read(true);  // begun again: what it had is gone
  const std::vector<SourceRecord> sources = pool.sources();
  ASSERT_EQ(sources.size(), 1u);
  EXPECT_EQ(sources[0].id, id);
  EXPECT_EQ(sources[0].role, SourceRecord::Role::kProblems);
  EXPECT_EQ(dump_json(data::to_json(sources[0].account, false)),
            R"({"rows":3,"kept":2,"rejected":{"no_answer":1},"duplicates":0})");
  const std::vector<data::Problem> problems = pool.problems_of(id);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].id, "a");  // in the source's order, not the pool's
  const std::vector<RejectionRecord> rejections = pool.rejections_of(id);
  ASSERT_EQ(rejections.size(), 1u);
  EXPECT_EQ(rejections[0].line, 12u);
  EXPECT_EQ(rejections[0].reason, "no_answer");
  EXPECT_THROW(pool.add_source_row(id, 2, "nobody", ""), Error);
}

}  // namespace
}  // namespace ponder::pool
