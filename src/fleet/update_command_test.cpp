#include "fleet/update_command.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::fleet {
namespace {

const CommandValues kValues = {{"model_dir", "/runs/a b/M1"}, {"served_name", "ponder-ab"}};

TEST(UpdateCommand, WordsStayWords) {
  EXPECT_EQ(filled("fleet.command",
                   {"./s.sh", "{model_dir}", "--name={served_name}", "a{", "$HOME; {model_dir}x"},
                   kValues),
            (std::vector<std::string>{"./s.sh", "/runs/a b/M1", "--name=ponder-ab", "a{",
                                      "$HOME; /runs/a b/M1x"}));
  EXPECT_NE(testing::error_text([] {
              (void)filled("fleet.command", {"{model}"}, kValues);
            }).find("{model_dir}"),
            std::string::npos);
}

TEST(UpdateCommand, RunsWithItsValuesAndWithoutKeys) {
  const testing::TemporaryFolder folder;
  ::setenv("PONDER_TEST_SECRET", "s3cret", 1);
  EXPECT_TRUE(run_update_command("fleet.command", {"env"}, kValues, {"PONDER_TEST_SECRET"},
                                 folder / "logs/x.log", nullptr));
  const std::string log = read_file(folder / "logs/x.log");
  EXPECT_NE(log.find("PONDER_MODEL_DIR=/runs/a b/M1\n"), std::string::npos);
  EXPECT_NE(log.find("PATH="), std::string::npos);
  EXPECT_EQ(log.find("s3cret"), std::string::npos);
}

TEST(UpdateCommand, SaysHowItFailed) {
  const testing::TemporaryFolder folder;
  const auto said = [&](const std::vector<std::string>& words) {
    return testing::error_text([&] {
      (void)run_update_command("fleet.stop_command", words, kValues, {}, folder / "x.log", nullptr);
    });
  };
  EXPECT_NE(said({"sh", "-c", "echo no GPU >&2; exit 3"}).find("status 3: no GPU"),
            std::string::npos)
      << said({"sh", "-c", "echo no GPU >&2; exit 3"});
  EXPECT_NE(said({"false"}).find("fleet.stop_command: \"false\" ended with status 1"),
            std::string::npos)
      << said({"false"});
  EXPECT_NE(said({"/no/such/program"}).find("cannot be started"), std::string::npos);
}

TEST(UpdateCommand, ATimeLimitEndsItAndWhatItStarted) {
  const testing::TemporaryFolder folder;
  // The second does not heed SIGTERM.
  for (const char* begin : {"", "trap '' TERM; "}) {
    const std::string said = testing::error_text([&] {
      (void)run_update_command(
          "fleet.command",
          {"sh", "-c", std::string(begin) + "echo asked for a GPU; sleep 1000 & sleep 1000"},
          kValues, {}, folder / "x.log", nullptr,
          {.time = std::chrono::milliseconds(500), .grace = std::chrono::milliseconds(500)});
    });
    EXPECT_NE(said.find("fleet.command: \"sh\" took longer than 0.5 s and was ended"),
              std::string::npos)
        << said;
    EXPECT_NE(said.find("raise fleet.command_timeout"), std::string::npos) << said;
  }
  EXPECT_TRUE(run_update_command("fleet.command", {"true"}, kValues, {}, folder / "x.log", nullptr,
                                 {.time = std::chrono::hours(1)}));
}

TEST(UpdateCommand, AStopEndsIt) {
  const testing::TemporaryFolder folder;
  std::atomic<bool> stop = false;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop = true;
  });
  EXPECT_FALSE(
      run_update_command("fleet.command", {"sleep", "100"}, kValues, {}, folder / "x.log", &stop));
  later.join();
}

}  // namespace
}  // namespace ponder::fleet
