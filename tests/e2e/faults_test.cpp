// What asks servers, through faults and kills: the result is that of undisturbed servers, and nothing that was
// answered is asked again. Each kind of fault is shown to have happened.
#include <fmt/format.h>

#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "e2e/ponder.h"
#include "e2e/running_server.h"
#include "testing/fault_proxy.h"

namespace ponder::e2e {
namespace {

using std::chrono::milliseconds;

class Faults : public ::testing::Test {
 protected:
  static constexpr int kProblems = 48;
  Faults()
      : server_(testing::source_dir() / "models/nano-base", folder_ / "serve.log", "0",
                "--alias nano") {
    EXPECT_EQ(ponder({"synth", "--domain", "arithmetic", "--level", "1", "--count",
                      std::to_string(kProblems), "--out", problems_, "--quiet"})
                  .status,
              0);
  }
  uint16_t port() const { return static_cast<uint16_t>(std::stoi(server_.port())); }

  // The command, killed so many times once it has been answered some more; its last, undisturbed outcome.
  testing::Outcome through(const testing::FaultProxy& proxy, const std::vector<std::string>& argv,
                           int kills) {
    for (int i = 0; i < kills; ++i) {
      testing::Process process(argv);
      const size_t enough = proxy.answered().size() + 5;
      bool ended = false;
      for (int wait = 0; wait < 600 && !ended && proxy.answered().size() < enough; ++wait)
        ended = process.ended_within(milliseconds(20));
      if (ended) break;
      process.signal(SIGKILL);
      process.wait();
    }
    return testing::run(argv, {.folder = {}, .input = "", .limit = std::chrono::seconds(200)});
  }
  // Answered whole more than once: what was on its way when a kill came.
  static int repeats(const testing::FaultProxy& proxy) {
    int repeats = 0;
    for (const auto& [body, times] : proxy.answered()) repeats += times - 1;
    return repeats;
  }
  static void expect_all(const testing::FaultProxy& proxy) {
    for (const testing::Fault fault : testing::all_faults())
      EXPECT_GT(proxy.happened()[to_string(fault)], 0) << to_string(fault);
  }

  const testing::TemporaryFolder folder_;
  const std::string problems_ = folder_ / "problems.jsonl";
  Server server_;
};

constexpr int kInFlight = 4, kKills = 5;

TEST_F(Faults, AnEvaluationHasTheUndisturbedScore) {
  const auto evaluated = [&](const std::string& url, const std::string& out) {
    return command({"eval", "--model", url + "/v1", "--served-model", "nano", "--benchmark",
                    problems_, "--max-tokens", "48", "--max-inflight", std::to_string(kInFlight),
                    "--idle-timeout", "1", "--out", folder_ / out, "--json", "--quiet"});
  };
  const testing::Outcome alone = testing::run(evaluated(server_.url(), "alone.jsonl"));
  ASSERT_EQ(alone.status, 0) << alone.err;
  const testing::FaultProxy proxy(port(), {.seed = 3, .share = 0.3});
  const testing::Outcome disturbed =
      through(proxy, evaluated(proxy.url(), "disturbed.jsonl"), kKills);
  ASSERT_EQ(disturbed.status, 0) << disturbed.err;
  const Json score = json_lines(alone.out).at(0), other = json_lines(disturbed.out).at(0);
  EXPECT_EQ(score["accuracy"], other["accuracy"]);
  EXPECT_EQ(score["mean_tokens"], other["mean_tokens"]);
  EXPECT_EQ(proxy.answered().size(), static_cast<size_t>(kProblems));
  EXPECT_LE(repeats(proxy), kInFlight * kKills);
  expect_all(proxy);
}

TEST_F(Faults, ATeachersAnswersAreThoseOfUndisturbedServers) {
  const auto taught = [&](const std::string& url, const std::string& out) {
    return command({"teach",
                    "--server",
                    url,
                    "--served-model",
                    "nano",
                    "--problems",
                    problems_,
                    "--max-tokens",
                    "48",
                    "--temperature",
                    "0",
                    "--allow-direct",
                    "--max-inflight",
                    std::to_string(kInFlight),
                    "--idle-timeout",
                    "1",
                    "--price-input",
                    "1",
                    "--price-output",
                    "2",
                    "--budget",
                    "1.00",
                    "--out",
                    folder_ / out,
                    "--json",
                    "--quiet"});
  };
  const testing::Outcome alone = testing::run(taught(server_.url(), "alone"));
  ASSERT_EQ(alone.status, 0) << alone.err;
  const testing::FaultProxy proxy(port(), {.seed = 4, .share = 0.3});
  const testing::Outcome disturbed = through(proxy, taught(proxy.url(), "disturbed"), kKills);
  ASSERT_EQ(disturbed.status, 0) << disturbed.err;
  const Json then = json_lines(alone.out).at(0), now = json_lines(disturbed.out).at(0);
  for (const char* key : {"answers", "kept", "rejected", "spent", "completion_tokens"})
    EXPECT_EQ(then[key], now[key]) << key;
  EXPECT_EQ(now["answers"], kProblems);
  EXPECT_EQ(then["possible"], "0.00");
  EXPECT_NE(now["possible"], "0.00");
  EXPECT_LE(now["unknown_attempts"], kInFlight * kKills);
  EXPECT_LE(repeats(proxy), now["unknown_attempts"].get<int>());
  EXPECT_GT(now["attempts"], kProblems);
  expect_all(proxy);
}

}  // namespace
}  // namespace ponder::e2e
