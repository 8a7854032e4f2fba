#include "pool/pool.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include <fstream>
#include <map>

#include "base/file.h"
#include "base/philox.h"
#include "pool/pool_fixture.h"
#include "pool/schema.h"
#include "pool/sqlite.h"

namespace ponder::pool {
namespace {

TEST_F(PoolTest, EverythingComesBackAsItWasPutIn) {
  int64_t id = 0;
  data::Rollout t = rollout("a", 2);
  t.verdict = judge::Verdict::kUndecided;
  t.proof = "no answer";
  t.perplexity = 1.25;
  t.perplexity_model_sha256 = "m1";
  {
    Pool pool = Pool::open(file_);
    fill(pool);
    id = pool.add_rollout("explore-1", 1, t);
  }
  Pool pool = Pool::open_read_only(file_);
  const auto stored = pool.rollout(id);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->stage, "explore-1");
  EXPECT_EQ(stored->round, 1);
  EXPECT_EQ(dump_json(data::to_json(stored->rollout)), dump_json(data::to_json(t)));
  EXPECT_EQ(stored->rollout.prompt_ids, t.prompt_ids);
  EXPECT_EQ(stored->rollout.completion.logprobs, t.completion.logprobs);
  EXPECT_EQ(stored->rollout.seed, t.seed);
  EXPECT_EQ(stored->rollout.thought, t.thought);

  const auto problems = pool.problems();
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].id, "b");  // in the order they were added
  EXPECT_EQ(dump_json(data::to_json(problems[1])), dump_json(data::to_json(problem("a"))));
  EXPECT_EQ(problems[1].line, 7u);
  EXPECT_FALSE(pool.problem("c"));

  const auto stages = pool.stages();
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].state, StageState::kDone);
  EXPECT_EQ(stages[0].rows, 10);
  EXPECT_EQ(stages[0].seconds, 1.5);
  EXPECT_EQ(stages[0].result.at("loss"), 0.5);
  EXPECT_EQ(stages[0].finished.size(), std::string("2026-01-31T12:00:00Z").size());
  EXPECT_EQ(stages[1].state, StageState::kRunning);
  EXPECT_EQ(stages[1].finished, "");

  EXPECT_EQ(pool.model("m1")->name, "M1");
  EXPECT_EQ(pool.model_named("M1")->parent_sha256, "m0");
  EXPECT_EQ(pool.model_named("M0")->stage, "");
}

TEST_F(PoolTest, AddingTheSameTwiceChangesNothing) {
  Pool pool = Pool::open(file_);
  fill(pool);
  const data::Rollout t = rollout("a", 0);
  const int64_t id = pool.add_rollout("explore-1", 1, t);
  pool.set_verdict(id, judge::Verdict::kCorrect, "42 = 42");
  EXPECT_EQ(pool.add_rollout("explore-1", 1, t), id);
  EXPECT_EQ(pool.rollout(id)->rollout.verdict, judge::Verdict::kCorrect);  // not lost
  EXPECT_EQ(pool.counts().rollouts, 1);
  pool.add_problem(problem("a"));
  pool.add_model({"m1", "M1", "m0", "imitate", "checkpoints/M1"});
  EXPECT_EQ(pool.problems().size(), 2u);
  EXPECT_EQ(pool.models().size(), 2u);
  data::Demonstration d;
  d.question = "q";
  d.solution = "s";
  EXPECT_EQ(pool.add_demonstration("d.jsonl", 0, d), pool.add_demonstration("d.jsonl", 0, d));
}

TEST_F(PoolTest, TheSameKeyWithOtherContentsIsRefused) {
  Pool pool = Pool::open(file_);
  fill(pool);
  const data::Rollout t = rollout("a", 0);
  pool.add_rollout("explore-1", 1, t);
  const auto changed = [&](auto change) {
    data::Rollout other = t;
    change(other);
    return testing::error_text([&] { pool.add_rollout("explore-1", 1, other); });
  };
  EXPECT_NE(
      changed([](data::Rollout& o) { o.completion.token_ids.value()[0] = 5; }).find("other tokens"),
      std::string::npos);
  EXPECT_NE(changed([](data::Rollout& o) { o.seed = 5; }).find("other seed"), std::string::npos);
  EXPECT_NE(changed([](data::Rollout& o) { o.sampling.top_k = 5; }).find("sampling"),
            std::string::npos);
  EXPECT_NE(changed([](data::Rollout& o) {
              o.completion.logprobs.value()[1] = -1e-29f;
            }).find("log-prob"),
            std::string::npos);
  EXPECT_NE(changed([](data::Rollout& o) {
              o.completion.finish_reason = data::FinishReason::kStop;
            }).find("finish"),
            std::string::npos);
  data::Rollout prompt = rollout("a", 1);
  prompt.prompt_ids = {1};
  EXPECT_NE(testing::error_text([&] { pool.add_rollout("explore-1", 1, prompt); }).find("prompt"),
            std::string::npos);
  data::Problem p = problem("a");
  p.answer = "43";
  EXPECT_NE(testing::error_text([&] { pool.add_problem(p); }).find("other contents"),
            std::string::npos);
  data::Demonstration d;
  d.question = "q";
  d.solution = "s";
  pool.add_demonstration("d.jsonl", 0, d);
  d.solution = "t";
  EXPECT_NE(
      testing::error_text([&] { pool.add_demonstration("d.jsonl", 0, d); }).find("other contents"),
      std::string::npos);
  EXPECT_NE(testing::error_text([&] {
              pool.add_model({"m1", "M1", "", "", ""});
            }).find("another parent"),
            std::string::npos);
  EXPECT_EQ(pool.counts().rollouts, 1);
}

TEST_F(PoolTest, OneSetOfWeightsMayHaveTwoNames) {
  Pool pool = Pool::open(file_);
  fill(pool);
  pool.add_model({"m1", "M2", "m0", "explore-1", "checkpoints/M2"});
  EXPECT_EQ(pool.models().size(), 3u);
  EXPECT_EQ(pool.model("m1")->name, "M1");
  EXPECT_EQ(pool.model_named("M2")->sha256, "m1");
}

TEST_F(PoolTest, UnknownReferencesAreNamed) {
  Pool pool = Pool::open(file_);
  fill(pool);
  EXPECT_NE(testing::error_text([&] {
              pool.add_rollout("explore-9", 1, rollout("a", 0));
            }).find("explore-9"),
            std::string::npos);
  EXPECT_NE(
      testing::error_text([&] { pool.add_rollout("explore-1", 1, rollout("zz", 0)); }).find("zz"),
      std::string::npos);
  data::Rollout t = rollout("a", 0);
  t.completion.model_sha256 = "m9";
  EXPECT_NE(testing::error_text([&] { pool.add_rollout("explore-1", 1, t); }).find("m9"),
            std::string::npos);
  EXPECT_NE(testing::error_text([&] {
              pool.add_model({"m5", "M5", "m4", "", ""});
            }).find("m4"),
            std::string::npos);
  EXPECT_NE(testing::error_text([&] {
              pool.add_pair({"explore-1", 0, 1, 2});
            }).find("trajectory 1"),
            std::string::npos);
  EXPECT_NE(
      testing::error_text([&] {
        pool.add_training_row({"explore-1", 0, {RowOrigin::Kind::kDemonstration, 77}, "x", 1});
      }).find("demonstration 77"),
      std::string::npos);
  EXPECT_NE(testing::error_text([&] {
              pool.set_verdict(5, judge::Verdict::kCorrect, "");
            }).find("trajectory 5"),
            std::string::npos);
  EXPECT_NE(testing::error_text([&] {
              pool.finish_stage("x", StageState::kDone, 0, 0, Json::object());
            }).find("\"x\""),
            std::string::npos);
  t = rollout("a", 0);
  t.completion.logprobs->pop_back();
  EXPECT_NE(testing::error_text([&] { pool.add_rollout("explore-1", 1, t); }).find("2 for 3"),
            std::string::npos);
  t = rollout("a", 0);
  t.prompt_sha256.clear();
  EXPECT_NE(testing::error_text([&] { pool.add_rollout("explore-1", 1, t); }).find("prompt"),
            std::string::npos);
  EXPECT_EQ(pool.counts().rollouts, 0);
}

TEST_F(PoolTest, TheDatabaseItselfRefusesDanglingRows) {
  Pool::open(file_);
  const sqlite::Database database(file_, sqlite::Database::Access::kWrite);
  for (const char* sql :
       {"INSERT INTO training_rows VALUES ('nowhere', 0, NULL, 1, 'x', 1)",
        "INSERT INTO pairs VALUES ('nowhere', 0, 1, 2)",
        "INSERT INTO models VALUES (1, 'x', 'M', NULL, NULL, '')",
        "INSERT INTO selections VALUES ('nowhere', 1, 's', 1, NULL, 0, 'f', 1, 0, '')"}) {
    const std::string refused = testing::error_text([&] { database.execute(sql); });
    EXPECT_NE(refused.find("FOREIGN KEY constraint failed"), std::string::npos) << refused;
  }
  const std::string blob =
      testing::error_text([&] { database.execute("INSERT INTO weights VALUES (x'00')"); });
  EXPECT_NE(blob.find("cannot store BLOB"), std::string::npos) << blob;
}

TEST_F(PoolTest, ConnectionsAreDurableAndCheckReferences) {
  using Access = sqlite::Database::Access;
  const Pool writer = Pool::open(file_);
  for (const Access access : {Access::kWrite, Access::kRead}) {
    const sqlite::Database database(file_, access);
    EXPECT_EQ(database.value("PRAGMA foreign_keys"), 1);
    EXPECT_EQ(database.value("PRAGMA synchronous"), 2);  // FULL
    EXPECT_EQ(database.value("PRAGMA wal_autocheckpoint"), 0);
    auto mode = database.prepare("PRAGMA journal_mode");
    ASSERT_TRUE(mode.step());
    EXPECT_EQ(mode.text(0), "wal");
  }
}

TEST_F(PoolTest, ATransactionIsAllOrNothing) {
  Pool pool = Pool::open(file_);
  fill(pool);
  try {
    Pool::Transaction transaction(pool);
    pool.add_rollout("explore-1", 1, rollout("a", 0));
    pool.add_rollout("explore-1", 1, rollout("nobody", 0));
    transaction.commit();
    FAIL();
  } catch (const Error&) {
  }
  EXPECT_EQ(pool.counts().rollouts, 0);
  {
    Pool::Transaction transaction(pool);
    EXPECT_THROW(Pool::Transaction second(pool), Error);
    pool.add_rollout("explore-1", 1, rollout("a", 0));
    transaction.commit();
  }
  EXPECT_EQ(pool.counts().rollouts, 1);
}

TEST_F(PoolTest, KillLosesNothingCommittedAndNothingElseStays) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Pool pool = Pool::open(file_);
    fill(pool);
    pool.add_rollout("explore-1", 1, rollout("a", 0));
    Pool::Transaction transaction(pool);
    pool.add_rollout("explore-1", 1, rollout("a", 1));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  {
    Pool reader = Pool::open_read_only(file_);  // also before a writer has put it in order
    EXPECT_EQ(reader.counts().rollouts, 1);
  }
  Pool pool = Pool::open(file_);
  EXPECT_EQ(pool.counts_of("explore-1").rollouts, 1);
  pool.begin_stage({.name = "explore-1", .kind = "explore", .round = 1});
  pool.add_rollout("explore-1", 1, rollout("a", 0));
  pool.add_rollout("explore-1", 1, rollout("a", 1));
  EXPECT_EQ(pool.counts().rollouts, 2);
}

TEST_F(PoolTest, ASecondWriterIsRefusedAndReadersAreNot) {
  Pool pool = Pool::open(file_);
  fill(pool);
  const std::string refusal = testing::error_text([&] { Pool::open(file_); });
  EXPECT_NE(refusal.find("pid " + std::to_string(::getpid())), std::string::npos) << refusal;
  Pool reader = Pool::open_read_only(file_);
  EXPECT_EQ(reader.counts().problems, 2);
  {
    Pool::Transaction transaction(pool);
    pool.add_problem(problem("c"));
    EXPECT_EQ(reader.counts().problems, 2);  // not before the commit
    transaction.commit();
  }
  EXPECT_EQ(reader.counts().problems, 3);
  EXPECT_THROW(reader.add_problem(problem("d")), Error);
  EXPECT_THROW(Pool::Transaction transaction(reader), Error);
}

TEST_F(PoolTest, TheWriterEmptiesItsLogWhenItCloses) {
  {
    Pool pool = Pool::open(file_);
    fill(pool);
  }
  // Everything is in the file itself: a copy of it alone is a whole database.
  std::filesystem::copy_file(file_, folder_ / "copy.db");
  EXPECT_EQ(Pool::open_read_only(folder_ / "copy.db").counts().problems, 2);
}

TEST_F(PoolTest, LookingNeedsNoWritingAndLeavesNothing) {
  const auto beside = [&](const char* suffix) { return file_.string() + suffix; };
  const auto expect_alone = [&] {
    EXPECT_FALSE(std::filesystem::exists(beside("-wal")));
    EXPECT_FALSE(std::filesystem::exists(beside("-shm")));
  };
  {
    Pool pool = Pool::open(file_);
    fill(pool);
    EXPECT_TRUE(std::filesystem::exists(beside("-wal")));
    EXPECT_EQ(Pool::open_read_only(file_).counts().problems, 2);
  }
  expect_alone();
  EXPECT_EQ(Pool::open_read_only(file_).counts().problems, 2);
  expect_alone();

  // As earlier versions left it, where the log's files cannot be made (here: something is in their
  // way; on a full or read-only disk nothing can be).
  {
    sqlite::Database(file_, sqlite::Database::Access::kWrite).execute("PRAGMA journal_mode = WAL");
  }
  std::filesystem::create_directory(beside("-shm"));
  EXPECT_EQ(Pool::open_read_only(file_).counts().problems, 2);
  // With rows in the log the file alone is not the database.
  write_file_atomic(beside("-wal"), std::string(4096, 'x'));
  EXPECT_THROW(Pool::open_read_only(file_), Error);
  std::filesystem::remove(beside("-wal"));
  std::filesystem::remove(beside("-shm"));
  EXPECT_EQ(Pool::open(file_).counts().problems, 2);
}

// As a kill between two of SQLite's writes leaves it: pages of a transaction that never ended, and
// the journal that undoes it.
TEST_F(PoolTest, AWriteThatWasCutShortIsUndoneByReadersToo) {
  const std::filesystem::path cut = folder_ / "cut.db", empty = folder_ / "empty.db";
  const auto kill_within_a_write = [](const std::filesystem::path& from,
                                      const std::filesystem::path& to) {
    const sqlite::Database database(from, sqlite::Database::Access::kWrite);
    database.execute("PRAGMA cache_size = 1; BEGIN IMMEDIATE; CREATE TABLE junk (x)");
    for (int i = 0; i < 100; ++i) database.execute("INSERT INTO junk VALUES (zeroblob(9000))");
    std::filesystem::copy_file(from, to);
    std::filesystem::copy_file(from.string() + "-journal", to.string() + "-journal");
    database.execute("ROLLBACK");
  };
  {
    Pool pool = Pool::open(file_);
    fill(pool);
  }
  kill_within_a_write(file_, cut);
  ASSERT_GT(std::filesystem::file_size(cut), std::filesystem::file_size(file_));
  EXPECT_EQ(Pool::open_read_only(cut).counts().problems, 2);
  EXPECT_EQ(std::filesystem::file_size(cut), std::filesystem::file_size(file_));
  Pool::open(cut).verify();

  kill_within_a_write(folder_ / "new.db", empty);
  EXPECT_NE(testing::error_text([&] { Pool::open_read_only(empty); }).find("an empty file"),
            std::string::npos);
  EXPECT_EQ(Pool::open(empty).counts().problems, 0);
}

TEST_F(PoolTest, NamesThatLookLikeUrisAreNames) {
  const std::filesystem::path file = folder_ / "file:run%41?mode=memory#.db";
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  {
    Pool pool = Pool::open(file.filename());
    fill(pool);
  }
  EXPECT_EQ(Pool::open_read_only(file.filename()).counts().problems, 2);
  { sqlite::Database(file, sqlite::Database::Access::kWrite).execute("PRAGMA journal_mode = WAL"); }
  std::filesystem::create_directory(file.string() + "-shm");
  EXPECT_EQ(Pool::open_read_only(file.filename()).counts().problems, 2);
  std::filesystem::current_path(before);
}

TEST_F(PoolTest, NumbersThatCannotBeAreRefusedWhenTheyAreRead) {
  {
    Pool pool = Pool::open(file_);
    fill(pool);
    pool.add_rollout("explore-1", 1, rollout("a", 0));
    pool.add_score({"explore-1", "M1", "b", 10, 1, 0.5, 0.2, 0.8, 1, 0, 20, {}});
  }
  const auto refused = [&](const std::string& change, const auto& read) {
    std::filesystem::copy_file(file_, folder_ / "changed.db",
                               std::filesystem::copy_options::overwrite_existing);
    sqlite::Database(folder_ / "changed.db", sqlite::Database::Access::kWrite).execute(change);
    const Pool pool = Pool::open_read_only(folder_ / "changed.db");
    return testing::error_text([&] { read(pool); });
  };
  const auto scores = [](const Pool& pool) { pool.scores(); };
  const auto rows = [](const Pool& pool) {
    pool.for_each_rollout({}, [](const StoredRollout&) {});
  };
  EXPECT_NE(refused("UPDATE scores SET samples = 1099511627776", scores).find("\"samples\" holds"),
            std::string::npos);
  const auto expect_named = [](const std::string& error, const char* column) {
    EXPECT_NE(error.find(column), std::string::npos) << error;
  };
  expect_named(refused("UPDATE scores SET n = -1", scores), "\"n\" holds");
  expect_named(refused("UPDATE trajectories SET max_tokens = 4294967300", rows),
               "max_tokens\" holds");
  expect_named(refused("UPDATE stages SET round = -1", [](const Pool& pool) { pool.stages(); }),
               "round\" holds");
  EXPECT_EQ(refused("UPDATE scores SET n = 11", scores), "(no error)");
}

TEST_F(PoolTest, ALargeLogIsMovedIntoTheFile) {
  Pool pool = Pool::open(file_);
  fill(pool);
  for (int sample = 0; sample < 30; ++sample) {
    data::Rollout t = rollout("a", sample);
    t.completion.text = std::string(2 << 20, 'x');
    pool.add_rollout("explore-1", 1, t);
  }
  EXPECT_LT(std::filesystem::file_size(file_.string() + "-wal"), uintmax_t{24} << 20);
}

TEST_F(PoolTest, ForeignDamagedOldAndNewFilesAreRefusedByName) {
  EXPECT_NE(testing::error_text([&] {
              Pool::open_read_only(file_);
            }).find("expected the folder of a run"),
            std::string::npos);
  std::ofstream(folder_ / "text.db") << std::string(5000, 'x');
  EXPECT_NE(
      testing::error_text([&] { Pool::open(folder_ / "text.db"); }).find("another kind of file"),
      std::string::npos);
  std::ofstream(folder_ / "empty.db") << "";
  EXPECT_NE(
      testing::error_text([&] { Pool::open_read_only(folder_ / "empty.db"); }).find("empty file"),
      std::string::npos);
  EXPECT_NE(testing::error_text([&] { Pool::open(folder_ / "absent" / "run.db"); }).find("absent"),
            std::string::npos);

  const auto alter = [&](const std::filesystem::path& file, const char* sql) {
    sqlite3* raw = nullptr;
    sqlite3_open(file.c_str(), &raw);
    sqlite3_exec(raw, sql, nullptr, nullptr, nullptr);
    sqlite3_close(raw);
  };
  alter(folder_ / "other.db", "CREATE TABLE t (x)");
  EXPECT_NE(testing::error_text([&] { Pool::open(folder_ / "other.db"); }).find("another program"),
            std::string::npos);
  Pool::open(file_);
  alter(file_, "PRAGMA user_version = 999");
  const std::string newer = testing::error_text([&] { Pool::open(file_); });
  EXPECT_NE(newer.find("newer ponder that wrote schema version 999"), std::string::npos) << newer;
  alter(file_, "PRAGMA user_version = 0");
  EXPECT_NE(
      testing::error_text([&] { Pool::open_read_only(file_); }).find("no known schema version"),
      std::string::npos);
  alter(file_, fmt::format("PRAGMA user_version = {}", kPoolSchemaVersion).c_str());
  EXPECT_EQ(Pool::open_read_only(file_).counts().problems, 0);
}

TEST_F(PoolTest, ASchemaThatDoesNotFitIsRefusedByTableAndColumn) {
  Pool::open(file_);
  const auto refusal = [&](const char* sql) {
    const std::filesystem::path changed = folder_ / "changed.db";
    std::filesystem::copy_file(file_, changed, std::filesystem::copy_options::overwrite_existing);
    sqlite3* raw = nullptr;
    sqlite3_open(changed.c_str(), &raw);
    EXPECT_EQ(sqlite3_exec(raw, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sql;
    sqlite3_close(raw);
    const std::string writer = testing::error_text([&] { Pool::open(changed); });
    EXPECT_EQ(testing::error_text([&] { Pool::open_read_only(changed); }), writer);
    return writer;
  };
  const std::string missing = refusal(
      "DROP TRIGGER stages_inserted; DROP TRIGGER stages_deleted; DROP TRIGGER stages_updated; "
      "ALTER TABLE stages DROP COLUMN kind");
  EXPECT_NE(missing.find("stages.kind"), std::string::npos) << missing;
  EXPECT_NE(missing.find("found none"), std::string::npos) << missing;
  const std::string table = refusal("DROP TABLE rejections");
  EXPECT_NE(table.find("rejections."), std::string::npos) << table;
  const std::string type = refusal(
      "DROP TABLE prompts; CREATE TABLE prompts (sha256 TEXT PRIMARY KEY, token_ids TEXT NOT NULL) "
      "STRICT");
  EXPECT_NE(type.find("prompts.token_ids"), std::string::npos) << type;
  EXPECT_NE(type.find("expected a column of type BLOB NOT NULL, found TEXT NOT NULL"),
            std::string::npos)
      << type;
  const std::string trigger = refusal("DROP TRIGGER problems_updated");
  EXPECT_NE(trigger.find("problems_updated"), std::string::npos) << trigger;
}

// A run with rows in every table.
void fill_all(Pool& pool, const std::function<data::Rollout(const char*, int)>& rollout) {
  const int64_t source = pool.add_source({0, "explore-1", {}, "", "problems.jsonl", "", {}});
  pool.add_source_row(source, 0, "a", "");
  pool.add_rejection({source, 3, "no_answer", "line 3"});
  data::Demonstration demonstration;
  demonstration.question = "Why?";
  demonstration.solution = "Because.";
  const int64_t shown = pool.add_demonstration("rows.jsonl", 0, demonstration);
  const int64_t good = pool.add_rollout("explore-1", 1, rollout("a", 0));
  const int64_t bad = pool.add_rollout("explore-1", 1, rollout("a", 1));
  if (pool.partials("explore-1").empty())  // they stay when a stage is begun again
    pool.add_partial({"explore-1", "", "a", 2, "hash", 0, {{1, 2}, {-1.0f, -2.0f}}});
  pool.add_attempt({"explore-1", "", "a", 0, "http://x", "", "", {}, 0, "", 0});
  pool.add_server_check({"explore-1", "http://x", "ponder", "m", "", "hash", ""});
  pool.set_verdict(good, judge::Verdict::kCorrect, "equal");
  pool.set_verdict(bad, judge::Verdict::kIncorrect, "other");
  pool.set_perplexity(good, 1.25, "m1");
  const RowOrigin origin{RowOrigin::Kind::kRollout, good};
  pool.add_selection({"explore-1", 1, "longest", origin, 0, "correct", true, 1, ""});
  pool.add_training_row({"explore-1", 0, origin, "hash", 7});
  pool.add_training_row({"explore-1", 1, {RowOrigin::Kind::kDemonstration, shown}, "hash", 9});
  pool.add_pair({"explore-1", 0, good, bad});
  pool.add_score({"explore-1", "M1", "b", 2, 1, 0.5, 0.1, 0.9, 1.0, -0.0, 12.5, Json::object()});
  pool.add_file({"M0", "config.json", 12, "5a"});
  pool.add_file({"M0", "config.json", 13, "5b"});  // takes the first one's place
}

std::map<std::string, std::string> contents_of(const std::filesystem::path& file) {
  const sqlite::Database database(file, sqlite::Database::Access::kRead);
  std::map<std::string, std::string> contents;
  auto tables = database.prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  while (tables.step()) {
    const std::string table = tables.text(0);
    auto row = database.prepare("SELECT * FROM " + table);
    auto column = database.prepare("SELECT count(*) FROM pragma_table_info(?)");
    column.bind(table).step();
    std::string& text = contents[table];
    while (row.step()) {
      for (int c = 0; c < column.integer(0); ++c) text += row.text(c) + "\x1f";
      text += "\n";
    }
  }
  return contents;
}

TEST_F(PoolTest, EveryTableIsHeldAgainstWhatWasWritten) {
  {
    Pool pool = Pool::open(file_);
    fill(pool);
    fill_all(pool, [](const char* id, int sample) { return rollout(id, sample); });
    pool.verify();
    EXPECT_EQ(pool.files("M0").size(), 1u);
    EXPECT_EQ(pool.files("M0").at(0).sha256, "5b");
    pool.begin_stage({.name = "explore-1", .kind = "explore", .round = 1});  // removes rows
    pool.verify();
    fill_all(pool, [](const char* id, int sample) { return rollout(id, sample); });
  }
  for (const auto& [table, contents] : contents_of(file_)) {
    if (table == "row_hashes") continue;
    EXPECT_NE(contents, "") << table << " has no row";
    for (const std::string change : {"DELETE FROM {0} WHERE rowid = (SELECT max(rowid) FROM {0})",
                                     "UPDATE {0} SET {1} = coalesce({1}, '') || 'x'"}) {
      const std::filesystem::path changed = folder_ / "changed.db";
      std::filesystem::copy_file(file_, changed, std::filesystem::copy_options::overwrite_existing);
      {
        const sqlite::Database database(changed, sqlite::Database::Access::kWrite);
        // As a flipped bit or another program would: unseen by the triggers.
        const std::string trigger =
            table + (change.starts_with("DELETE") ? "_deleted" : "_updated");
        auto row = database.prepare("SELECT sql FROM sqlite_schema WHERE name = ?");
        ASSERT_TRUE(row.bind(trigger).step());
        const std::string definition = row.text(0);
        auto column = database.prepare(
            "SELECT name FROM pragma_table_info(?) WHERE type = 'TEXT' ORDER BY cid DESC");
        const bool has_text = column.bind(table).step();
        if (!has_text && !change.starts_with("DELETE")) continue;
        const std::string name = has_text ? column.text(0) : "";
        database.execute(
            "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; DROP "
            "TRIGGER " +
            trigger);
        database.execute(fmt::format(fmt::runtime(change), table, name));
        database.execute(definition);
      }
      const std::string refused = testing::error_text([&] { Pool::open(changed); });
      EXPECT_NE(refused.find(table), std::string::npos)
          << table << ", " << change << ": " << refused;
    }
  }
}

TEST_F(PoolTest, AFlippedBitIsSeenOrHarmless) {
  {
    Pool pool = Pool::open(file_);
    fill(pool);
    fill_all(pool, [](const char* id, int sample) { return rollout(id, sample); });
  }
  const std::string bytes = read_file(file_);
  const auto contents = contents_of(file_);
  int refused = 0;
  RandomSequence random(11, 0);
  for (int i = 0; i < 150; ++i) {
    std::string flipped = bytes;
    const uint64_t bit = random.below(bytes.size() * 8);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const std::filesystem::path file = folder_ / "flipped.db";
    write_file_atomic(file, flipped);
    try {
      Pool::open(file);
    } catch (const Error&) {
      ++refused;
      continue;
    }
    EXPECT_EQ(contents_of(file), contents) << "bit " << bit;
  }
  EXPECT_GT(refused, 15) << "most pages are half empty, but not all";
}

}  // namespace
}  // namespace ponder::pool
