#include "trainers/launch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "testing/temporary_folder.h"

namespace ponder::trainers {
namespace {

class LaunchTest : public ::testing::Test {
 protected:
  LaunchOptions shell(const std::string& script) const {
    LaunchOptions options;
    options.argv = {"sh", "-c", script};
    options.folder = folder_.path();
    options.output = folder_ / "output.log";
    options.stop = &stop_;
    return options;
  }
  LaunchResult run(const LaunchOptions& options) {
    return launch(options, [&](const std::vector<std::string>& lines) {
      seen_.insert(seen_.end(), lines.begin(), lines.end());
      return false;
    });
  }
  testing::TemporaryFolder folder_;
  std::atomic<bool> stop_ = false;
  std::vector<std::string> seen_;
};

TEST_F(LaunchTest, RunsAndKeepsWhatItPrints) {
  LaunchOptions options = shell("echo \"$JOB in $(pwd)\"; echo wrong >&2; printf 'a\\rb'");
  options.env = {{"JOB", "this"}};
  const LaunchResult result = run(options);
  EXPECT_EQ(result.end, End::kFinished);
  const std::string folder = std::filesystem::canonical(folder_.path()).string();
  EXPECT_EQ(seen_, (std::vector<std::string>{"this in " + folder, "wrong", "a", "b"}));
  EXPECT_EQ(result.last_lines, seen_);
  EXPECT_EQ(read_file(folder_ / "output.log"), "this in " + folder + "\nwrong\na\nb\n");
}

TEST_F(LaunchTest, FailuresAndSignals) {
  LaunchResult result = run(shell("echo out of memory; exit 7"));
  EXPECT_EQ(result.end, End::kFailed);
  EXPECT_EQ(result.status, 7);
  EXPECT_EQ(result.last_lines, std::vector<std::string>{"out of memory"});
  result = run(shell("kill -9 $$"));
  EXPECT_EQ(result.end, End::kFailed);
  EXPECT_EQ(result.status, 137);
  LaunchOptions absent = shell("");
  absent.argv = {"no-such-launcher"};
  EXPECT_THROW(run(absent), Error);
}

TEST_F(LaunchTest, SilenceEndsIt) {
  LaunchOptions options = shell("echo begun; sleep 100 & wait");
  options.silence = 0.5;
  options.grace = 5;
  const LaunchResult result = run(options);
  EXPECT_EQ(result.end, End::kSilent);
  // A sign of life from elsewhere counts.
  options = shell("sleep 1.5");
  options.silence = 0.6;
  EXPECT_EQ(launch(options, [](const auto&) { return true; }).end, End::kFinished);
}

TEST_F(LaunchTest, StopIsPassedOn) {
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    stop_ = true;
  });
  const LaunchResult result = run(shell("trap 'echo saved; exit 143' TERM; sleep 100 & wait"));
  later.join();
  EXPECT_EQ(result.end, End::kStopped);
  EXPECT_EQ(result.last_lines, std::vector<std::string>{"saved"});
}

TEST_F(LaunchTest, WhatIgnoresTheEndIsKilled) {
  LaunchOptions options = shell("trap '' TERM; while true; do sleep 0.1; done");
  options.silence = 0.3;
  options.grace = 0.5;
  const LaunchResult result = run(options);
  EXPECT_EQ(result.end, End::kSilent);
  EXPECT_EQ(result.status, 137);
}

TEST_F(LaunchTest, AnErrorOfTheWatcherEndsIt) {
  const LaunchOptions options = shell("echo $$ > pid; sleep 100");
  EXPECT_THROW(launch(options,
                      [&](const auto&) -> bool {
                        if (!std::filesystem::exists(folder_ / "pid")) return false;
                        throw Error("trainer", "wrong loss");
                      }),
               Error);
}

TEST_F(LaunchTest, SecretsStandNowhere) {
  ASSERT_EQ(::setenv("PONDER_TEST_KEY", "sk-12345", 1), 0);
  LaunchOptions options = shell("echo key=$PONDER_TEST_KEY.");
  options.secrets = secret_values({"PONDER_TEST_KEY"});
  run(options);
  EXPECT_EQ(seen_, std::vector<std::string>{"key=***."});
  EXPECT_EQ(read_file(folder_ / "output.log"), "key=***.\n");
  EXPECT_THROW(secret_values({"PONDER_NO_SUCH_KEY"}), Error);
  ::unsetenv("PONDER_TEST_KEY");
}

}  // namespace
}  // namespace ponder::trainers
