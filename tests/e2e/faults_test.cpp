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
using testing::Fault, testing::FaultKind, testing::FaultProxy;

constexpr int kProblems = 160, kInFlight = 4, kKills = 5;

// Less who gave them.
std::vector<std::string> answers_in(const fs::path& file) {
  std::vector<std::string> rows;
  for (Json& row : json_lines(read_file(file))) {
    row.erase("endpoint");
    rows.push_back(dump_json(row));
  }
  return rows;
}

class Faults : public ::testing::Test {
 protected:
  void make_problems(int count) {
    EXPECT_EQ(ponder({"synth", "--domain", "arithmetic", "--level", "1", "--count",
                      std::to_string(count), "--out", problems_, "--quiet"})
                  .status,
              0);
  }
  uint16_t port() const { return static_cast<uint16_t>(std::stoi(server_.port())); }

  // The command, killed so many times once it has been answered some more; its last, undisturbed outcome.
  testing::Outcome through(const FaultProxy& proxy, const std::vector<std::string>& argv,
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
    return testing::run(argv, {.folder = {}, .input = "", .limit = std::chrono::seconds(900)});
  }
  // Asked for again though no fault was in the way: what was on its way when a kill came.
  static int repeats(const FaultProxy& proxy) {
    int repeats = proxy.num_exchanges() - static_cast<int>(proxy.answered().size());
    for (const auto& [name, times] : proxy.broken()) repeats -= times;
    return repeats;
  }
  static void expect_all(const FaultProxy& proxy) {
    for (const Fault fault : testing::faults_of({FaultKind::kHarmless, FaultKind::kPassing}))
      EXPECT_GT(proxy.happened()[to_string(fault)], 0) << to_string(fault);
  }
  void expect_undisturbed_evaluation(int count);

  const testing::TemporaryFolder folder_;
  const std::string problems_ = folder_ / "problems.jsonl";
  const Server server_ = Server(testing::source_dir() / "models/nano-base", folder_ / "serve.log",
                                "0", "--alias nano");
};

void Faults::expect_undisturbed_evaluation(int count) {
  make_problems(count);
  const auto evaluated = [&](const std::string& url, const std::string& out) {
    return command({"eval", "--model", url + "/v1", "--served-model", "nano", "--benchmark",
                    problems_, "--max-tokens", "48", "--max-inflight", std::to_string(kInFlight),
                    "--idle-timeout", "1", "--out", folder_ / out, "--json", "--quiet"});
  };
  const testing::Outcome alone = testing::run(evaluated(server_.url(), "alone.jsonl"));
  ASSERT_EQ(alone.status, 0) << alone.err;
  const FaultProxy proxy(port(), {.seed = 3});
  const testing::Outcome disturbed =
      through(proxy, evaluated(proxy.url(), "disturbed.jsonl"), kKills);
  ASSERT_EQ(disturbed.status, 0) << disturbed.err;
  const Json score = json_lines(alone.out).at(0), other = json_lines(disturbed.out).at(0);
  EXPECT_EQ(score["accuracy"], other["accuracy"]);
  EXPECT_EQ(score["mean_tokens"], other["mean_tokens"]);
  EXPECT_EQ(answers_in(folder_ / "disturbed.jsonl"), answers_in(folder_ / "alone.jsonl"));
  EXPECT_EQ(proxy.answered().size(), static_cast<size_t>(count));
  EXPECT_LE(repeats(proxy), kInFlight * kKills);
  EXPECT_EQ(proxy.num_lost(), 0);
  expect_all(proxy);
}

TEST_F(Faults, AnEvaluationHasTheUndisturbedScore) { expect_undisturbed_evaluation(kProblems); }

// The same of a model in a folder, sampled by servers: the rows are those of this process.
TEST_F(Faults, AnEvaluationOverServersHasTheRowsOfThisProcess) {
  make_problems(kProblems);
  const fs::path model = testing::source_dir() / "models/nano-base";
  const auto evaluated = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> argv =
        command({"eval", "--model", model, "--benchmark", problems_, "--max-tokens", "48",
                 "--temperature", "1", "--out", folder_ / out, "--json", "--quiet"});
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  };
  const testing::Outcome alone = testing::run(evaluated("alone.jsonl", {}));
  ASSERT_EQ(alone.status, 0) << alone.err;
  const FaultProxy proxy(port(), {.seed = 5});
  const testing::Outcome disturbed =
      through(proxy,
              evaluated("disturbed.jsonl", {"--server", proxy.url(), "--max-inflight",
                                            std::to_string(kInFlight), "--idle-timeout", "1"}),
              kKills);
  ASSERT_EQ(disturbed.status, 0) << disturbed.err;
  EXPECT_EQ(read_file(folder_ / "disturbed.jsonl"), read_file(folder_ / "alone.jsonl"));
  EXPECT_LE(repeats(proxy), kInFlight * kKills);
  expect_all(proxy);
}

class SlowFaults : public Faults {};
TEST_F(SlowFaults, AnEvaluationOfFiveHundredProblems) { expect_undisturbed_evaluation(500); }

TEST_F(Faults, ATeachersAnswersAreThoseOfUndisturbedServers) {
  make_problems(kProblems);
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
  const FaultProxy proxy(port(), {.seed = 4});
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
