// Run databases of older versions, kept in tests/golden.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "base/file.h"
#include "base/hash.h"
#include "pool/pool_fixture.h"
#include "pool/schema.h"
#include "pool/stage_result.h"
#include "testing/folders.h"

namespace ponder::pool {
namespace {

class Version1 : public PoolTest {
 protected:
  void SetUp() override {
    PoolTest::SetUp();
    std::filesystem::copy_file(testing::source_dir() / "tests/golden/run_v1/run.db", file_);
  }

  static void expect_whole(const Pool& pool) {
    const PoolCounts counts = pool.counts();
    EXPECT_EQ(counts.problems, 16);
    EXPECT_EQ(counts.demonstrations, 32);
    EXPECT_EQ(counts.models, 4);
    EXPECT_EQ(counts.rollouts, 44);
    EXPECT_EQ(counts.training_rows, 70);
    EXPECT_EQ(counts.pairs, 5);
    EXPECT_EQ(pool.selections("refine-1").size(), 76u);
    EXPECT_EQ(pool.scores().size(), 4u);
  }
};

std::map<std::string, std::string> definitions_of(const sqlite::Database& database) {
  std::map<std::string, std::string> definitions;
  auto row = database.prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema");
  while (row.step()) definitions[row.text(0)] = row.text(1);
  return definitions;
}

// A migrated database has the tables of a new one, and every row's hash is right.
void expect_todays_schema(const std::filesystem::path& file) {
  const sqlite::Database migrated(file, sqlite::Database::Access::kRead), fresh;
  make_schema(fresh);
  EXPECT_EQ(definitions_of(migrated), definitions_of(fresh));
  Pool::open(file).verify();
}

TEST_F(Version1, IsReadWithoutBeingChanged) {
  const std::string before = sha256_file(file_);
  {
    const Pool pool = Pool::open_read_only(file_);
    expect_whole(pool);
    EXPECT_EQ(pool.lineage("improve-1:37").at("origin").at("kind"), "trajectory");
  }
  EXPECT_EQ(sha256_file(file_), before);
  EXPECT_EQ(sqlite::Database(file_, sqlite::Database::Access::kRead).value("PRAGMA user_version"),
            1);
}

TEST_F(Version1, IsMigratedByItsWriter) {
  expect_whole(Pool::open(file_));
  expect_whole(Pool::open_read_only(file_));
  const sqlite::Database migrated(file_, sqlite::Database::Access::kRead);
  EXPECT_EQ(migrated.value("PRAGMA user_version"), kPoolSchemaVersion);
  EXPECT_EQ(migrated.value("PRAGMA foreign_keys"), 1);
  const sqlite::Database fresh;
  make_schema(fresh);
  EXPECT_EQ(definitions_of(migrated), definitions_of(fresh));
  auto check = migrated.prepare("PRAGMA integrity_check");
  ASSERT_TRUE(check.step());
  EXPECT_EQ(check.text(0), "ok");
}

TEST_F(Version1, StagesAreToldByTheirNames) {
  const Pool pool = Pool::open(file_);
  std::map<std::string, StageRecord> stages;
  for (const StageRecord& stage : pool.stages()) stages[stage.name] = stage;
  EXPECT_EQ(stages.at("explore-1").kind, stage_kind::kExplore);
  EXPECT_EQ(stages.at("explore-1").round, 1);
  EXPECT_EQ(stages.at("explore-1").inputs, (std::vector<std::string>{"M1", "screen-1"}));
  EXPECT_EQ(stages.at("improve-1").inputs, (std::vector<std::string>{"M0", "refine-1"}));
  EXPECT_EQ(stages.at("improve-1").outputs, (std::vector<std::string>{"M2"}));
  EXPECT_EQ(stages.at("dpo").inputs, (std::vector<std::string>{"M1", "explore-1"}));
  EXPECT_EQ(stages.at("evaluate-M1-dpo").inputs, (std::vector<std::string>{"M1-dpo"}));
  EXPECT_EQ(stages.at("imitate").outputs, (std::vector<std::string>{"M1"}));
  for (const auto& [name, stage] : stages) EXPECT_EQ(stage.inputs_sha256, "") << name;

  EXPECT_EQ(result_of<TrainResult>(stages.at("dpo"))->pairs, 5);
  EXPECT_EQ(result_of<TrainResult>(stages.at("imitate"))->last_loss, std::nullopt);
  EXPECT_EQ(result_of<RolloutResult>(stages.at("explore-1"))->samples, 28);
  EXPECT_EQ(result_of<RefineResult>(stages.at("refine-1"))->rows, 6);
  EXPECT_EQ(result_of<EvaluateResult>(stages.at("evaluate-M0"))->model, "M0");
}

TEST_F(Version1, RolloutsStayAndDemonstrationsLearnTheirText) {
  Pool pool = Pool::open(file_);
  int64_t rollouts = 0, judged = 0;
  pool.for_each_rollout({}, [&](const StoredRollout& stored) {
    ++rollouts;
    const data::Completion& made = stored.rollout.completion;
    EXPECT_EQ(made.logprob_source, data::LogprobSource::kEngine);
    EXPECT_EQ(made.endpoint, "");
    EXPECT_EQ(made.usage.completion_tokens, static_cast<int64_t>(made.token_ids->size()));
    EXPECT_EQ(made.logprobs->size(), made.token_ids->size());
    judged += stored.rollout.verdict && !stored.rollout.proof.empty() &&
              stored.rollout.perplexity && !stored.rollout.perplexity_model_sha256.empty();
    // The same rollout is known by the same id.
    EXPECT_EQ(pool.add_rollout(stored.stage, stored.round, stored.rollout), stored.id);
  });
  EXPECT_EQ(rollouts, 44);
  EXPECT_EQ(judged, 44);
  const RowOrigin origin = pool.training_rows("imitate").at(0).origin;
  EXPECT_NE(testing::error_text([&] { pool.demonstration(origin.id); }).find("version 1"),
            std::string::npos);
}

class Version3 : public PoolTest {
 protected:
  void SetUp() override {
    PoolTest::SetUp();
    std::filesystem::copy_file(testing::source_dir() / "tests/golden/run_v3/run.db", file_);
  }
};

TEST_F(Version3, IsMigratedByItsWriterAndReadAsItIs) {
  const std::string before = sha256_file(file_);
  const std::string lineage = Pool::open_read_only(file_).lineage("imitate:3").dump();
  EXPECT_EQ(sha256_file(file_), before);
  {
    Pool pool = Pool::open(file_);
    EXPECT_EQ(pool.lineage("imitate:3").dump(), lineage);
    EXPECT_EQ(pool.counts().rollouts, 12);
    EXPECT_EQ(pool.counts().evaluation_rollouts, 8);
    EXPECT_EQ(pool.counts().demonstrations, 8);
    EXPECT_EQ(pool.scores().size(), 2u);
    EXPECT_FALSE(pool.files("M0").empty());
    // What its files wrote was not kept then, and is once they are read again.
    const int64_t id = pool.training_rows("imitate").at(0).origin.id;
    data::Demonstration d = pool.demonstration(id);
    EXPECT_FALSE(pool.knows_written(id));
    d.written = "<reason>x</reason>y";
    std::string file;
    int64_t row_index = 0;
    {
      const sqlite::Database reader(file_, sqlite::Database::Access::kRead);
      auto place = reader.prepare("SELECT source_file, row_index FROM demonstrations WHERE id = ?");
      ASSERT_TRUE(place.bind(id).step());
      file = place.text(0);
      row_index = place.integer(1);
    }
    EXPECT_EQ(pool.add_demonstration(file, row_index, d), id);
    EXPECT_TRUE(pool.knows_written(id));
    EXPECT_EQ(pool.demonstration(id).written, d.written);
    // What it did not have can be added.
    pool.begin_stage({.name = "explore-2", .kind = "explore", .round = 2});
    const std::string problem = pool.problems().at(0).id;
    pool.add_partial({"explore-2", "", problem, 1, "request", 0, {{1, 2}, {-1.0f, -2.0f}}});
    EXPECT_EQ(pool.partials("explore-2").size(), 1u);
  }
  expect_todays_schema(file_);
}

TEST_F(Version3, WhatIsDamagedIsNotGivenNewHashes) {
  std::string bytes = read_file(file_);
  const size_t at = bytes.find("A block has");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 7, "A black");
  write_file_atomic(file_, bytes);
  for (int i = 0; i < 2; ++i) {
    EXPECT_NE(testing::error_text([&] { Pool::open(file_); }).find("is not what was written"),
              std::string::npos);
  }
}

class Version5 : public PoolTest {
 protected:
  void SetUp() override {
    PoolTest::SetUp();
    std::filesystem::copy_file(testing::source_dir() / "tests/golden/run_v5/run.db", file_);
  }
};

// Whatever it has was computed in f32.
TEST_F(Version5, IsMigratedToRolloutsThatKnowTheirArithmetic) {
  const std::string before = sha256_file(file_);
  const std::string lineage = Pool::open_read_only(file_).lineage("imitate:3").dump();
  EXPECT_EQ(sha256_file(file_), before);
  EXPECT_EQ(sqlite::Database(file_, sqlite::Database::Access::kRead).value("PRAGMA user_version"),
            5);
  {
    Pool pool = Pool::open(file_);
    EXPECT_EQ(pool.lineage("imitate:3").dump(), lineage);
    EXPECT_EQ(pool.counts().rollouts, 12);
    EXPECT_EQ(pool.counts().evaluation_rollouts, 8);
    EXPECT_EQ(pool.scores().size(), 2u);
    int64_t rollouts = 0;
    std::optional<data::Rollout> one;
    pool.for_each_rollout({}, [&](const StoredRollout& stored) {
      ++rollouts;
      EXPECT_EQ(stored.rollout.completion.precision, tensor::Precision::kF32);
      EXPECT_EQ(stored.rollout.perplexity_precision, tensor::Precision::kF32);
      EXPECT_TRUE(stored.rollout.perplexity);
      // The same rollout is known by the same id.
      EXPECT_EQ(pool.add_rollout(stored.stage, stored.round, stored.rollout), stored.id);
      one = stored.rollout;
    });
    EXPECT_EQ(rollouts, 12);
    EXPECT_EQ(sqlite::Database(file_, sqlite::Database::Access::kRead)
                  .value("SELECT count(*) FROM trajectories WHERE precision = 'f32' AND "
                         "perplexity_precision = 'f32'"),
              20);
    // And one of the other arithmetic may stand beside them.
    one->sample += 10;
    one->completion.precision = one->perplexity_precision = tensor::Precision::kBf16;
    const int64_t id = pool.add_rollout("explore-1", 1, *one);
    EXPECT_EQ(pool.rollout(id)->rollout.completion.precision, tensor::Precision::kBf16);
  }
  expect_todays_schema(file_);
}

class Version6 : public PoolTest {
 protected:
  void SetUp() override {
    PoolTest::SetUp();
    std::filesystem::copy_file(testing::source_dir() / "tests/golden/run_v6/run.db", file_);
  }
};

// Of bf16 there was one definition then, which is not today's.
TEST_F(Version6, KeepsTheFirstDefinitionOfBf16Apart) {
  const auto expect_first = [&](const Pool& pool) {
    int64_t rollouts = 0;
    pool.for_each_rollout({}, [&](const StoredRollout& stored) {
      ++rollouts;
      EXPECT_EQ(stored.rollout.completion.precision, tensor::Precision::kBf16First);
      EXPECT_EQ(stored.rollout.perplexity_precision, tensor::Precision::kBf16First);
    });
    EXPECT_EQ(rollouts, 12);
  };
  const std::string before = sha256_file(file_);
  {
    const Pool pool = Pool::open_read_only(file_);
    expect_first(pool);
  }
  EXPECT_EQ(sha256_file(file_), before);
  {
    Pool pool = Pool::open(file_);
    expect_first(pool);
    EXPECT_EQ(pool.counts().evaluation_rollouts, 8);
    // The same numbers of today's are another rollout's, and may stand beside them.
    std::optional<data::Rollout> one;
    pool.for_each_rollout({.stage = "explore-1"},
                          [&](const StoredRollout& stored) { one = stored.rollout; });
    one->completion.precision = tensor::Precision::kBf16;
    EXPECT_NE(
        testing::error_text([&] { pool.add_rollout("explore-1", 1, *one); }).find("precision"),
        std::string::npos);
    one->sample += 10;
    const int64_t id = pool.add_rollout("explore-1", 1, *one);
    EXPECT_EQ(pool.rollout(id)->rollout.completion.precision, tensor::Precision::kBf16);
  }
  expect_todays_schema(file_);
}

class Version7 : public PoolTest {
 protected:
  void SetUp() override {
    PoolTest::SetUp();
    std::filesystem::copy_file(testing::source_dir() / "tests/golden/run_v7/run.db", file_);
  }
};

TEST_F(Version7, KnowsNothingOfServersAndGoesOn) {
  const std::string before = sha256_file(file_);
  EXPECT_TRUE(Pool::open_read_only(file_).server_checks().empty());
  EXPECT_EQ(sha256_file(file_), before);
  {
    Pool pool = Pool::open(file_);
    EXPECT_EQ(pool.counts().rollouts, 12);
    EXPECT_EQ(pool.counts().evaluation_rollouts, 8);
    EXPECT_TRUE(pool.attempts("explore-1").empty());
    AttemptRecord attempt;
    attempt.stage = "explore-1";
    attempt.problem_id = pool.problems().at(0).id;
    attempt.server = "http://x";
    attempt.num_tokens = 3;
    pool.add_attempt(attempt);
    pool.add_server_check({"explore-1", "http://x", "vllm", "m", "", "wrong", "others"});
    // What was there was made by no server.
    EXPECT_EQ(pool.withdraw("explore-1", "http://x", "", "others").size(), 1u);
    EXPECT_EQ(pool.counts().rollouts, 12);
  }
  expect_todays_schema(file_);
}

class Version8 : public PoolTest {
 protected:
  void SetUp() override {
    PoolTest::SetUp();
    std::filesystem::copy_file(testing::source_dir() / "tests/golden/run_v8/run.db", file_);
  }
};

// Their order was that of their rows, and between attempts and looks the clock's.
TEST_F(Version8, AttemptsAndLooksKeepTheirOrder) {
  const auto told = [](const Pool& pool) {
    std::vector<std::string> lines;
    for (const AttemptRecord& a : pool.attempts("explore-1"))
      lines.push_back(fmt::format("{}#{} {} {} {}", a.problem_id, a.sample, a.number, a.ended,
                                  to_string(a.outcome)));
    for (const ServerCheckRecord& c : pool.server_checks())
      lines.push_back(fmt::format("{} {} {}", c.stage, c.proof, c.since));
    return lines;
  };
  const std::string before = sha256_file(file_);
  const std::vector<std::string> read = told(Pool::open_read_only(file_));
  EXPECT_EQ(sha256_file(file_), before);
  ASSERT_EQ(read.size(), 8u + 5u);
  EXPECT_EQ(
      (std::vector<std::string>(read.begin() + 8, read.end())),
      (std::vector<std::string>{"evaluate-M0 hash 0", "evaluate-M1 wrong 4", "evaluate-M1 hash 4",
                                "screen-1 hash 8", "explore-1 hash 12"}));
  {
    Pool pool = Pool::open(file_);
    EXPECT_EQ(told(pool), read);
    EXPECT_EQ(pool.last_attempt(), 20);
    // What came since the last look is what it was; what comes now is behind it.
    AttemptRecord next = pool.attempts("explore-1").back();
    EXPECT_EQ(pool.unproven("explore-1", next.server, "").size(), 8u);
    ServerCheckRecord look = pool.server_checks().back();
    look.since = pool.last_attempt();
    pool.add_server_check(look);
    next.number = 0;
    EXPECT_EQ(pool.add_attempt(next), 2);
    EXPECT_EQ(pool.unproven("explore-1", next.server, "").size(), 1u);
  }
  expect_todays_schema(file_);
}

}  // namespace
}  // namespace ponder::pool
