#include "report/last_failure.h"

#include <fstream>

#include "report/run_fixture.h"

namespace ponder::report {
namespace {

class LastFailureTest : public ReportTest {
 protected:
  // As the log says after these lines.
  std::optional<LastFailure> after(const std::string& lines) {
    std::ofstream(folder_ / "log.jsonl", std::ios::app) << lines;
    return last_failure(pool_, folder_.path());
  }
  pool::Pool pool_ = open();
};

TEST_F(LastFailureTest, IsWhatTheLogEndsWith) {
  EXPECT_FALSE(last_failure(pool_, folder_.path()));  // no log
  EXPECT_FALSE(after("{\"event\":\"info\",\"text\":\"ingest: begins\"}\n"));
  auto failure = after("{\"event\":\"error\",\"stage\":\"imitate\",\"text\":\"no row is left\"}\n");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->stage, "imitate");
  EXPECT_EQ(failure->reason, "no row is left");
  EXPECT_TRUE(after("{\"event\":\"warning\",\"text\":\"odd\"}\n{\"event\":"));  // being written
  EXPECT_TRUE(after("\nno line of ours\n"));
  EXPECT_FALSE(after("{\"event\":\"info\",\"text\":\"imitate: going on\"}\n"));
  failure = after("{\"event\":\"error\",\"text\":\"there is no file a\"}\n");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->stage, "");
  EXPECT_TRUE(after(std::string(100'000, 'x') + "\n{\"event\":\"error\",\"text\":\"b\"}\n"));
}

TEST_F(LastFailureTest, IsTheDatabasesWhereTheLogSaysNothing) {
  begin(pool_, pool::stage_kind::kExplore, "explore-1", 1);
  EXPECT_FALSE(last_failure(pool_, folder_.path()));
  pool_.finish_stage("explore-1", pool::StageState::kFailed, 1, 0, pool::failure("disk full"));
  const auto failure = last_failure(pool_, folder_.path());
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->stage + ": " + failure->reason, "explore-1: disk full");
}

}  // namespace
}  // namespace ponder::report
