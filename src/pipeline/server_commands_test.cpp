// When servers are stopped: before training if any may run, and at the run's end.
#include "pipeline/server_commands.h"

#include <cstdlib>

#include "pipeline/run_fixture.h"
#include "testing/error_text.h"

namespace ponder::pipeline {
namespace {

class ServerCommandsTest : public ::testing::Test {
 protected:
  // Each command writes a line of what it was and for which stage.
  FleetSettings settings() const {
    FleetSettings fleet;
    fleet.command = {"sh", "-c", "echo start {stage} {model_dir} >> " + (folder_ / "ran").string()};
    fleet.stop_command = {"sh", "-c", "echo stop {stage} >> " + (folder_ / "ran").string()};
    return fleet;
  }
  std::string ran() const {
    return std::filesystem::exists(folder_ / "ran") ? read_file(folder_ / "ran") : "";
  }
  const testing::TemporaryFolder folder_;
  NullMonitor monitor_;
  std::atomic<bool> stop_ = false;
};

TEST_F(ServerCommandsTest, StopsWhatMayRunOnce) {
  const FleetSettings fleet = settings();
  ServerCommands servers(fleet, folder_ / "run", monitor_, &stop_);
  EXPECT_TRUE(servers.stop("imitate"));  // a run before may have left some
  EXPECT_TRUE(servers.stop("imitate-large"));
  EXPECT_TRUE(servers.start("explore-1", {{"model_dir", "M1"}}));
  EXPECT_TRUE(servers.stop("improve-1"));
  servers.found();  // somebody else's
  EXPECT_TRUE(servers.stop("dpo"));
  servers.stop_at_end();
  EXPECT_EQ(ran(), "stop imitate\nstart explore-1 M1\nstop improve-1\nstop dpo\n");
}

TEST_F(ServerCommandsTest, AtTheEndAlsoOfARunThatIsToldToStop) {
  const FleetSettings fleet = settings();
  ServerCommands servers(fleet, folder_ / "run", monitor_, &stop_);
  stop_ = true;
  servers.stop_at_end();
  servers.stop_at_end();
  EXPECT_EQ(ran(), "stop end\n");
}

TEST_F(ServerCommandsTest, WhatWasNotStoppedMayStillRun) {
  FleetSettings fleet = settings();
  fleet.stop_command = {"sleep", "100"};
  ServerCommands servers(fleet, folder_ / "run", monitor_, &stop_);
  stop_ = true;
  EXPECT_FALSE(servers.stop("imitate"));  // told to end in the middle of it
  fleet.stop_command = {"sh", "-c", "echo GPU 3 is lost; exit 4"};
  stop_ = false;
  EXPECT_EQ(testing::error_text([&] {
              servers.stop("imitate");
            }).find("fleet.stop_command: \"sh\" ended with status 4: GPU 3 is lost"),
            0u);
  // A start that fails may have started some.
  fleet.stop_command = settings().stop_command;
  EXPECT_TRUE(servers.stop("imitate"));
  fleet.command = {"false"};
  EXPECT_NE(testing::error_text([&] { servers.start("explore-1", {}); }), "");
  EXPECT_TRUE(servers.stop("improve-1"));
  EXPECT_EQ(ran(), "stop imitate\nstop improve-1\n");
}

TEST_F(ServerCommandsTest, NothingIsRunWithoutOne) {
  const FleetSettings none;
  ServerCommands servers(none, folder_ / "run", monitor_, &stop_);
  EXPECT_TRUE(servers.start("explore-1", {}));
  EXPECT_TRUE(servers.stop("imitate"));
  servers.stop_at_end();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
}

TEST_F(ServerCommandsTest, TheirKeyIsNotTheCommands) {
  ::setenv("PONDER_TEST_FLEET_KEY", "s3cret", 1);
  FleetSettings fleet;
  fleet.api_key_env = "PONDER_TEST_FLEET_KEY";
  fleet.command = {"true"};
  fleet.stop_command = {"env"};
  ServerCommands servers(fleet, folder_ / "run", monitor_, &stop_);
  EXPECT_TRUE(servers.stop("dpo"));
  ::unsetenv("PONDER_TEST_FLEET_KEY");
  const std::string log = read_file(folder_ / "run/logs/fleet-stop-dpo.log");
  EXPECT_NE(log.find("PONDER_STAGE=dpo\n"), std::string::npos);
  EXPECT_EQ(log.find("s3cret"), std::string::npos);
}

// A run stops them before its trainer starts, and at its end, whichever way that comes.
class RunWithServers : public RunTest {
 protected:
  Recipe with(const std::string& stop_command) const {
    return recipe({"fleet.servers=[\"http://127.0.0.1:9\"]", "fleet.command=[\"true\"]",
                   "fleet.stages=[\"explore\"]",
                   "fleet.stop_command=[\"sh\", \"-c\", \"" + stop_command + "\"]"});
  }
  std::string ran() const {
    return std::filesystem::exists(folder_ / "ran") ? read_file(folder_ / "ran") : "";
  }
  std::string note() const { return "echo $PONDER_STAGE >> " + (folder_ / "ran").string(); }
};

TEST_F(RunWithServers, StopsThemBeforeItTrainsAndAtItsEnd) {
  run(with(note()), "ingest");
  EXPECT_EQ(ran(), "end\n");
  run(with(note()), "imitate");
  EXPECT_EQ(ran(), "end\nimitate\n");
  run(with(note()), "imitate");  // done already: a run before may have left some
  EXPECT_EQ(ran(), "end\nimitate\nend\n");
}

TEST_F(RunWithServers, AStageDoesNotTrainBesideThem) {
  const std::string said =
      testing::error_text([&] { run(with("echo no such job; exit 1"), "imitate"); });
  EXPECT_EQ(said.find("imitate: fleet.stop_command: \"sh\" ended with status 1: no such job"), 0u)
      << said;
  EXPECT_EQ(pool().stage("imitate")->state, pool::StageState::kFailed);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/checkpoints/M1"));
  run(with(note()), "imitate");
  EXPECT_EQ(pool().stage("imitate")->state, pool::StageState::kDone);
}

TEST_F(RunWithServers, ServersThatStayAreARunsFailure) {
  const std::string said = testing::error_text([&] { run(with("exit 1"), "ingest"); });
  EXPECT_EQ(said.find("fleet.stop_command: "), 0u) << said;
  EXPECT_NE(read_file(folder_ / "out/log.jsonl").find("fleet.stop_command"), std::string::npos);
  EXPECT_EQ(pool().stage("ingest")->state, pool::StageState::kDone);
}

TEST_F(RunWithServers, ARecipeSaysHowTheyAreStartedToo) {
  const auto refused = [&](const std::vector<std::string>& more) {
    std::vector<std::string> set = {"fleet.servers=[\"http://127.0.0.1:9\"]"};
    set.insert(set.end(), more.begin(), more.end());
    return testing::error_text([&] { recipe(set); });
  };
  EXPECT_NE(refused({"fleet.stop_command=[\"true\"]"}).find("nothing would start them again"),
            std::string::npos);
  const std::string unknown =
      refused({"fleet.command=[\"true\"]", "fleet.stop_command=[\"echo\", \"{model_dir}\"]"});
  EXPECT_NE(unknown.find("nothing stands for {model_dir}"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("there are {stage}"), std::string::npos) << unknown;
}

}  // namespace
}  // namespace ponder::pipeline
