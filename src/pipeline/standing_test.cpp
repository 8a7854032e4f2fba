#include "pipeline/standing.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "pool/stage_result.h"
#include "testing/temporary_folder.h"

namespace ponder::pipeline {
namespace {

class StandingTest : public ::testing::Test {
 protected:
  std::string now() const { return standing_of(pool_, folder_.path(), planned_).sentence(); }
  void finish(const std::string& stage, pool::StageState state, const Json& result) {
    pool_.begin_stage({.name = stage, .kind = std::string(pool::stage_kind::kImitate)});
    pool_.finish_stage(stage, state, 1, 1, result);
  }

  const testing::TemporaryFolder folder_;
  pool::Pool pool_ = pool::Pool::open(folder_ / "run.db");
  std::vector<std::string> planned_ = {"ingest", "imitate", "explore-1"};
};

TEST_F(StandingTest, FromTheBeginningToTheEnd) {
  EXPECT_EQ(now(), "stopped before ingest; the same `ponder run` goes on from there");
  finish("ingest", pool::StageState::kDone, Json::object());
  pool_.begin_stage({.name = "imitate", .kind = std::string(pool::stage_kind::kImitate)});
  EXPECT_EQ(now(), "stopped in imitate; the same `ponder run` goes on from there");
  std::ofstream(folder_ / "progress.json") << "{\"stage\": \"imitate\"}";
  EXPECT_EQ(now(),
            "stopped in imitate: its process ended without a word (killed, out of memory, or the "
            "power failed); the same `ponder run` goes on from there");
  {
    const LockFile lock(folder_ / "lock");
    EXPECT_TRUE(now().starts_with("running (pid ")) << now();
    record_refusal(folder_.path(), "is in use by another ponder");  // which does not fail by that
    EXPECT_FALSE(std::filesystem::exists(folder_ / "log.jsonl"));
  }
  finish("imitate", pool::StageState::kFailed, pool::failure("no row is left"));
  EXPECT_EQ(now(), "failed in imitate: no row is left");
  finish("imitate", pool::StageState::kDone, Json::object());
  record_refusal(folder_.path(), "a.toml:3: there is no file b; put it back");
  EXPECT_EQ(now(), "failed before explore-1: a.toml:3: there is no file b; put it back");
  finish("explore-1", pool::StageState::kDone, Json::object());
  EXPECT_EQ(now(), "done");
  std::ofstream(folder_ / "log.jsonl", std::ios::app)
      << "{\"event\":\"error\",\"stage\":\"imitate\",\"text\":\"made again it is another\"}\n";
  EXPECT_EQ(now(), "failed in imitate: made again it is another");
}

TEST_F(StandingTest, OfWhatIsNoRunNothingIsWritten) {
  const std::filesystem::path other = folder_ / "other";
  std::filesystem::create_directories(other);
  record_refusal(other, "no");
  EXPECT_TRUE(std::filesystem::is_empty(other));
}

}  // namespace
}  // namespace ponder::pipeline
