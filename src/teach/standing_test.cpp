#include "teach/standing.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "teach/endpoint_fixture.h"
#include "teach/teacher.h"
#include "testing/temporary_folder.h"

namespace ponder::teach {
namespace {

class StandingTest : public ::testing::Test {
 protected:
  // Asks the endpoint "What is 0 + 1?" up to `count` - 1.
  void teach(int count, const Endpoint& endpoint, bool ask = true) {
    const std::vector<data::Problem> problems = sums(count);
    TeacherSettings settings = settings_for(endpoint);
    settings.fleet.rules.max_attempts = 1;
    settings.prices = {"USD", 1'000'000, 1'000'000, 10'000'000, true};
    settings.budget = amount_from_text("2");
    Teacher teacher(problems, settings, files_, monitor_);
    running_ = standing(files_.database);
    if (ask) {
      EXPECT_TRUE(teacher.ask(nullptr));
    }
    teacher.write_rows();
  }

  const testing::TemporaryFolder folder_;
  const TeacherFiles files_ = teacher_files(folder_ / "taught");
  NullMonitor monitor_;
  Json running_;  // while a teacher is there
};

TEST_F(StandingTest, IsNoneWhereThereIsNoDatabase) {
  EXPECT_TRUE(standing(files_.database).is_null());
  std::filesystem::create_directories(files_.database.parent_path());
  write_file_atomic(files_.database, "no database");
  EXPECT_TRUE(standing(files_.database).is_null());
}

TEST_F(StandingTest, SaysWhatTheCommandsReportSaid) {
  Endpoint endpoint([](int number, int /*times*/, const Json& /*body*/) {
    Reply reply = right_reply(number);
    if (number == 1) reply.content = "\\boxed{77}";
    if (number == 2) reply.finish = "length";
    if (number == 3) reply.status = 400;
    return reply;
  });
  teach(6, endpoint);
  EXPECT_EQ(running_["state"], "running");
  EXPECT_TRUE(running_["holder"].is_string());
  const std::string before = sha256_file(files_.database);
  const Json done = standing(files_.database);
  EXPECT_EQ(done["state"], "done");
  EXPECT_TRUE(done["holder"].is_null());
  EXPECT_EQ(done["model"], "teacher");
  EXPECT_EQ(done["problems"], 6);
  EXPECT_EQ(done["solved"], 3);
  EXPECT_EQ(done["answers"], 5);
  EXPECT_EQ(done["kept"], 3);
  EXPECT_EQ(done["rejected"], (Json{{"length", 1}, {"wrong", 1}}));
  EXPECT_EQ(done["failed"], 1);
  EXPECT_EQ(done["attempts"], 6);
  EXPECT_EQ(done["spent"], "0.000395");
  EXPECT_EQ(done["budget"], "2.00");
  EXPECT_EQ(sha256_file(files_.database), before);  // looked at, and left as it is
  // More problems, not asked yet.
  teach(8, endpoint, false);
  EXPECT_EQ(standing(files_.database)["state"], "stopped");
  EXPECT_EQ(standing(files_.database)["unasked"], 2);
}

}  // namespace
}  // namespace ponder::teach
