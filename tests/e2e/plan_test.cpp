// What `ponder plan` concludes, and that the change it names is one that helps.
#include <fmt/format.h>

#include <sstream>

#include "base/file.h"
#include "e2e/ponder.h"
#include "pool/pool.h"

namespace ponder::e2e {
namespace {

class Plan : public ::testing::Test {
 protected:
  void SetUp() override { make_tiny_base(folder_ / "base", 128); }

  std::vector<std::string> argv(const std::vector<std::string>& flags) const {
    std::vector<std::string> words = {program(), "plan",
                                      testing::source_dir() / "recipes/tiny.toml", "--set",
                                      "base=" + (folder_ / "base").string()};
    words.insert(words.end(), flags.begin(), flags.end());
    return words;
  }
  std::string text(const std::vector<std::string>& flags) const {
    const testing::Outcome outcome = testing::run(argv(flags));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  }
  Json json(std::vector<std::string> flags) const {
    flags.push_back("--json");
    const testing::Outcome outcome = testing::run(argv(flags));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return json_lines(outcome.out).at(0);
  }
  static std::vector<std::string> machine_of(int64_t bytes) {
    return {"--machine", fmt::format("2 cores, {:.6f} GB", static_cast<double>(bytes) * 1e-9)};
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(Plan, SaysThatItFitsAndHowLongItTakes) {
  const std::string shown = this->text({});
  EXPECT_NE(shown.find("\nfits: "), std::string::npos) << shown;
  EXPECT_NE(shown.find(" of disk at its peak"), std::string::npos) << shown;
  EXPECT_NE(shown.find("likely "), std::string::npos) << shown;
  EXPECT_NE(shown.find("half a second of training and of sampling"), std::string::npos) << shown;
  const Json plan = json({});
  EXPECT_EQ(plan.at("verdict"), "fits");
  EXPECT_TRUE(plan.at("change").is_null());
  EXPECT_LE(plan.at("seconds_low").get<double>(), plan.at("seconds").get<double>());
  EXPECT_LE(plan.at("seconds").get<double>(), plan.at("seconds_high").get<double>());
  int64_t disks = 0;
  for (const Json& stage : plan.at("stages")) disks += stage.at("disk_bytes").get<int64_t>();
  EXPECT_LT(plan.at("disk_bytes").get<int64_t>(), disks) << "a peak, no sum";
}

TEST_F(Plan, TheChangeThatItNamesFits) {
  const int64_t peak = json({}).at("peak_memory_bytes");
  const int64_t less = peak - (int64_t{3} << 19);
  const Json plan = json(machine_of(less));
  EXPECT_EQ(plan.at("verdict"), "does not fit");
  EXPECT_NE(plan.at("reason").get<std::string>().find("of memory"), std::string::npos);
  ASSERT_TRUE(plan.at("change").is_string()) << plan;
  std::vector<std::string> flags = machine_of(less);
  std::istringstream changes(plan.at("change").get<std::string>());
  for (std::string change; std::getline(changes, change, ',');) {
    std::erase(change, ' ');
    flags.insert(flags.end(), {"--set", change});
  }
  EXPECT_EQ(json(flags).at("verdict"), "fits") << plan.at("change");
  EXPECT_NE(text(machine_of(less)).find("does not fit: "), std::string::npos);
}

TEST_F(Plan, WhereNoSettingFitsItSaysWhy) {
  const std::string shown = this->text(machine_of(20 << 20));
  EXPECT_NE(shown.find("no setting fits: "), std::string::npos) << shown;
  EXPECT_NE(shown.find("take a smaller model"), std::string::npos) << shown;
}

TEST_F(Plan, OverServersTimeIsThatOfTheirAnswersOrNotKnown) {
  const std::vector<std::string> flags = {"--set", "fleet.servers=[\"http://127.0.0.1:9\"]",
                                          "--out", folder_ / "run"};
  const auto explore = [](const Json& plan) {
    for (const Json& stage : plan.at("stages"))
      if (stage.at("name") == "explore-1") return stage;
    return Json();
  };
  const Json here = json({}), unknown = json(flags);
  EXPECT_FALSE(explore(here).contains("servers"));
  EXPECT_EQ(explore(unknown).at("servers"), "ponder");
  EXPECT_TRUE(explore(unknown).at("seconds").is_null());
  EXPECT_EQ(explore(unknown).at("tokens"), explore(here).at("tokens"));
  EXPECT_LT(explore(unknown).at("peak_memory_bytes"), explore(here).at("peak_memory_bytes"));
  EXPECT_NE(text(flags).find("servers of kind ponder sample: how fast they are is not known"),
            std::string::npos);
  // Once the run has asked some.
  fs::create_directories(folder_ / "run");
  {
    pool::Pool pool = pool::Pool::open(folder_ / "run/run.db");
    pool.begin_stage({.name = "explore-1", .kind = "explore", .round = 1});
    data::Problem problem;
    problem.id = "p";
    pool.add_problem(problem);
    for (const char* server : {"http://x", "http://y"}) {
      pool::AttemptRecord attempt;
      attempt.stage = "explore-1";
      attempt.problem_id = "p";
      attempt.server = server;
      attempt.began = "2026-01-31T12:00:00.000Z";
      attempt.ended = "2026-01-31T12:00:10.000Z";
      attempt.num_tokens = 5;
      pool.add_attempt(attempt);
    }
  }
  const std::string shown = text(flags);
  EXPECT_NE(shown.find("servers of kind ponder sample, at the 1 tokens/s of 2 servers"),
            std::string::npos)
      << shown;
  const Json slow = json(flags);
  // A token takes a second, and prompts none.
  EXPECT_GT(explore(slow).at("seconds_high").get<double>(), 1000);
  EXPECT_GT(slow.at("seconds").get<double>(), explore(slow).at("seconds").get<double>());
}

TEST_F(Plan, AFasterMachineTakesLess) {
  const double here = json({"--machine", "1 core"}).at("seconds");
  EXPECT_LT(json({"--machine", "1000 cores"}).at("seconds").get<double>(), here / 50);
}

}  // namespace
}  // namespace ponder::e2e
