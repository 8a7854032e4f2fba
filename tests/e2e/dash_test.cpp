// The report and the dashboard of a real run: what stays as it was, and what is written when.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "base/file.h"
#include "base/hash.h"
#include "e2e/ponder.h"
#include "testing/raw_connection.h"

namespace ponder::e2e {
namespace {

std::string hashes_of(const fs::path& folder) {
  std::vector<std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      all.push_back(entry.path().string() + " " + sha256_hex(read_file(entry.path())));
  }
  std::sort(all.begin(), all.end());
  std::string text;
  for (const std::string& line : all) text += line + "\n";
  return text;
}

TEST(Dash, KilledItLeavesTheRunAsItWas) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  const std::string run = folder / "runs/tiny";
  ASSERT_EQ(ponder({"run", testing::source_dir() / "recipes/tiny.toml", "--set",
                    "base=" + (folder / "base").string(), "--out", run})
                .status,
            0);
  const std::string before = hashes_of(run);
  testing::Process dash({"bash", "-c",
                         "exec '" + program() + "' dash '" + (folder / "runs").string() +
                             "' --json > '" + (folder / "url").string() + "'"});
  std::string told;
  for (int i = 0; i < 600 && told.find('\n') == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (fs::exists(folder / "url")) told = read_file(folder / "url");
  }
  const std::vector<Json> lines = json_lines(told);
  ASSERT_EQ(lines.size(), 1u) << told;
  EXPECT_EQ(lines[0]["runs"], Json::array({"tiny"}));
  const std::string url = lines[0]["url"];
  EXPECT_NE(url.find(":" + lines[0]["port"].dump() + "/"), std::string::npos) << url;
  const auto port = static_cast<uint16_t>(std::stoi(url.substr(url.find(':', 6) + 1)));
  const std::string key = url.substr(url.find("key=") + 4);
  for (const char* page : {"overview", "curves", "rollouts", "pool", "log"}) {
    testing::RawConnection connection(port);
    connection.send(std::string("GET /run/tiny/") + page +
                    " HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: " + key + "\r\n\r\n");
    EXPECT_EQ(testing::status_of_answer(connection.receive_answer()), 200) << page;
  }
  dash.signal(SIGKILL);
  dash.wait();
  EXPECT_EQ(hashes_of(run), before);
}

TEST(Dash, EndsWellWhenItIsStoppedAndRefusesWhatIsNoRun) {
  const testing::TemporaryFolder folder;
  testing::Process dash({program(), "dash", folder.path()});
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  dash.signal(SIGTERM);
  EXPECT_EQ(dash.wait().status, 0);
  EXPECT_EQ(ponder({"dash", folder / "nowhere"}).status, 2);
  EXPECT_EQ(ponder({"dash", folder.path(), "--host", "0.0.0.0"}).status, 2);
  EXPECT_EQ(ponder({"dash", folder.path(), "--key-env", "PONDER_NO_SUCH_KEY"}).status, 2);
}

TEST(Report, IsWrittenAfterAStageAndWhenAsked) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  const std::string run = folder / "run";
  ASSERT_EQ(ponder({"run", testing::source_dir() / "recipes/tiny.toml", "--set",
                    "base=" + (folder / "base").string(), "--out", run, "--until", "imitate"})
                .status,
            0);
  EXPECT_NE(read_file(fs::path(run) / "report.html").find("imitate → M1"), std::string::npos);
  fs::remove(fs::path(run) / "report.html");
  EXPECT_EQ(ponder({"report", run}).out, run + "/report.html\n");
  EXPECT_TRUE(fs::exists(fs::path(run) / "report.html"));
  const testing::Outcome outcome =
      ponder({"report", run, "--out", folder / "page.html", "--tensorboard", folder / "events",
              "--csv", folder / "csv", "--trainer-log", folder / "logs", "--json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(json_lines(outcome.out)[0]["metrics"].size(), 3u);
  EXPECT_TRUE(read_file(folder / "csv/imitate.csv").starts_with("step,timestamp,"));
  const std::vector<Json> lines = json_lines(read_file(folder / "logs/imitate/trainer_log.jsonl"));
  ASSERT_GT(lines.size(), 1u);
  EXPECT_EQ(lines.back()["current_steps"], lines.back()["total_steps"]);
  EXPECT_EQ(ponder({"report", run, "--out", run + "/run.db"}).status, 2);
}

}  // namespace
}  // namespace ponder::e2e
