// Completions that other programs made, evaluations, and what was read: what schema version 2
// added.
#include <gtest/gtest.h>

#include "pool/pool_fixture.h"
#include "pool/sqlite.h"

namespace ponder::pool {
namespace {

TEST_F(PoolTest, CompletionsFromElsewhereMayLackIdsAndLogprobs) {
  Pool pool = Pool::open(file_);
  fill(pool);
  data::Rollout t = rollout("a", 0);
  t.completion.logprobs.reset();
  t.completion.logprob_source = data::LogprobSource::kNone;
  t.completion.endpoint = "http://here:8000";
  t.completion.usage = {3, 3};
  const int64_t id = pool.add_rollout("explore-1", 1, t);
  EXPECT_EQ(pool.add_rollout("explore-1", 1, t), id);
  data::Completion stored = pool.rollout(id)->rollout.completion;
  EXPECT_EQ(stored.logprob_source, data::LogprobSource::kNone);
  EXPECT_EQ(stored.logprobs, std::nullopt);
  EXPECT_EQ(stored.endpoint, "http://here:8000");
  EXPECT_EQ(stored.usage.prompt_tokens, 3);
  EXPECT_EQ(stored.token_ids, t.completion.token_ids);

  EXPECT_NE(testing::error_text([&] {
              pool.set_logprobs(id, std::vector<float>{-1, -2});
            }).find("2 token ids"),
            std::string::npos);
  pool.set_logprobs(id, std::vector<float>{-1, -2, -4});
  stored = pool.rollout(id)->rollout.completion;
  EXPECT_EQ(stored.logprob_source, data::LogprobSource::kRescored);
  EXPECT_EQ(stored.logprob(), -7);
  EXPECT_EQ(stored.logprobs, (std::vector<float>{-1, -2, -4}));
  EXPECT_THROW(pool.set_logprobs(id, std::vector<float>{-1, -2, -4}), Error);  // only once

  t.sample = 1;
  t.completion.token_ids.reset();
  t.completion.usage = {5, 17};
  stored = pool.rollout(pool.add_rollout("explore-1", 1, t))->rollout.completion;
  EXPECT_EQ(stored.token_ids, std::nullopt);
  EXPECT_EQ(stored.num_tokens(), 17);
  EXPECT_EQ(pool.counts_of("explore-1").tokens, 3 + 17);
  pool.for_each_rollout({.with_tokens = false}, [&](const StoredRollout& s) {
    EXPECT_EQ(s.rollout.completion.usage.prompt_tokens, s.rollout.sample == 0 ? 3 : 5);
  });
}

TEST_F(PoolTest, WhatComesWithACompletionMustBeThere) {
  Pool pool = Pool::open(file_);
  fill(pool);
  const auto refused = [&](auto change) {
    data::Rollout t = rollout("a", 0);
    change(t.completion);
    EXPECT_THROW(pool.add_rollout("explore-1", 1, t), Error);
  };
  refused([](data::Completion& c) { c.logprob_source = data::LogprobSource::kNone; });
  refused([](data::Completion& c) { c.token_ids.reset(); });
  refused([](data::Completion& c) { c.logprobs.reset(); });
  EXPECT_EQ(pool.counts().rollouts, 0);
}

TEST_F(PoolTest, OfAnImportedRolloutWhatNobodySaidIsNull) {
  Pool pool = Pool::open(file_);
  fill(pool);
  pool.begin_stage({.name = "import", .kind = "import"});
  data::Rollout t = rollout("a", 0);
  t.completion.token_ids.reset();
  t.completion.logprobs.reset();
  t.completion.logprob_source = data::LogprobSource::kNone;
  t.completion.model_sha256 = t.prompt_sha256 = t.template_sha256 = "";
  EXPECT_NE(testing::error_text([&] { pool.add_rollout("import", 0, t); }).find("prompt's hash"),
            std::string::npos);
  t.origin = data::Origin{"rows.jsonl", 4, "QwQ", "Think.", {{"temperature", 0.6}}};
  t.seed = 0;
  t.sampling = {};
  t.sampling.temperature = 0.6;
  const int64_t id = pool.add_rollout("import", 0, t);
  EXPECT_EQ(pool.add_rollout("import", 0, t), id);  // again
  const data::Rollout back = pool.rollout(id)->rollout;
  ASSERT_TRUE(back.origin);
  EXPECT_EQ(back.origin->file, "rows.jsonl");
  EXPECT_EQ(back.origin->line, 4u);
  EXPECT_EQ(back.origin->model, "QwQ");
  EXPECT_EQ(back.origin->system, "Think.");
  EXPECT_EQ(back.origin->sampling, t.origin->sampling);
  EXPECT_EQ(back.sampling.temperature, 0.6);
  EXPECT_FALSE(pool.rollout(pool.add_rollout("explore-1", 1, rollout("a", 0)))->rollout.origin);
  t.completion.text = "another";
  EXPECT_NE(testing::error_text([&] { pool.add_rollout("import", 0, t); }).find("other text"),
            std::string::npos);
  const sqlite::Database database(file_, sqlite::Database::Access::kRead);
  EXPECT_EQ(database.value("SELECT count(*) FROM trajectories WHERE stage = 'import' AND seed IS "
                           "NULL AND top_p IS NULL AND model_sha256 IS NULL AND temperature = 0.6"),
            1);
  const std::string lineage = lineage_text(pool.lineage("import:0"));
  EXPECT_NE(lineage.find("rows.jsonl, line 4"), std::string::npos) << lineage;
  EXPECT_NE(lineage.find("QwQ (weights not known)"), std::string::npos) << lineage;
  EXPECT_NE(lineage.find("sampled    temperature 0.6\n"), std::string::npos) << lineage;
  pool.verify();
}

TEST_F(PoolTest, EvaluationsAreKeptApart) {
  Pool pool = Pool::open(file_);
  fill(pool);
  pool.begin_stage({.name = "evaluate-M1", .kind = "evaluate"});
  data::Problem other = problem("a");  // the same id, another question
  other.question = "Another?";
  pool.add_problem(other, "easy");
  pool.add_problem(problem("a"), "hard");
  const int64_t id = pool.add_rollout("explore-1", 1, rollout("a", 0));
  const int64_t easy = pool.add_rollout("evaluate-M1", 0, rollout("a", 0), "easy");
  const int64_t hard = pool.add_rollout("evaluate-M1", 0, rollout("a", 0), "hard");
  EXPECT_EQ(pool.rollout(easy)->benchmark, "easy");
  EXPECT_EQ(pool.rollout(hard)->benchmark, "hard");
  EXPECT_EQ(pool.problem("a", "easy")->question, "Another?");
  EXPECT_EQ(pool.problem("a")->question, problem("a").question);
  EXPECT_EQ(pool.problems().size(), 2u);

  // What is there to train on does not grow by an evaluation.
  std::vector<int64_t> all, evaluated;
  pool.for_each_rollout({}, [&](const StoredRollout& s) { all.push_back(s.id); });
  EXPECT_EQ(all, (std::vector<int64_t>{id}));
  pool.for_each_rollout({.stage = "evaluate-M1"},
                        [&](const StoredRollout& s) { evaluated.push_back(s.id); });
  EXPECT_EQ(evaluated, (std::vector<int64_t>{easy, hard}));
  const PoolCounts counts = pool.counts();
  EXPECT_EQ(counts.rollouts, 1);
  EXPECT_EQ(counts.evaluation_rollouts, 2);
  EXPECT_EQ(counts.problems, 2);
  EXPECT_EQ(counts.benchmark_problems, 2);
  // Begun again, the stage keeps what was paid for.
  pool.begin_stage({.name = "evaluate-M1", .kind = "evaluate"});
  EXPECT_EQ(pool.counts_of("evaluate-M1").rollouts, 2);
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
