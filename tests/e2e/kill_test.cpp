// Nothing is lost: a run of recipes/tiny.toml that is killed, told to stop, started twice or
// started with another recipe. The yardstick is the same run left in peace: weights, pool and
// scores must come out byte for byte the same.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <random>

#include "base/file.h"
#include "base/hash.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class SlowRun : public ::testing::Test {
 protected:
  void SetUp() override { make_tiny_base(folder_ / "base"); }

  std::vector<std::string> run_command(const std::string& out,
                                       std::initializer_list<std::string> more = {},
                                       const std::string& threads = "1") const {
    std::vector<std::string> argv = command({"run", testing::source_dir() / "recipes/tiny.toml",
                                             "--set", "base=" + (folder_ / "base").string(),
                                             "--threads", threads, "--out", folder_ / out});
    argv.insert(argv.end(), more);
    return argv;
  }

  void run_to_the_end(const std::string& out) const {
    const testing::Outcome outcome = testing::run(run_command(out));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  }

  // Everything a run ends with, by name: what each file holds and what the pool says.
  std::map<std::string, std::string> results_of(const std::string& out) const {
    std::map<std::string, std::string> results;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / out)) {
      const std::string name = fs::relative(entry.path(), folder_ / out).string();
      const bool compared = name.starts_with("checkpoints/") || name.starts_with("evaluations/");
      if (entry.is_regular_file() && compared) results[name] = sha256_file(entry.path());
      if (name.starts_with("training/")) {  // every step once; its seconds may differ
        for (const Json& step : json_lines(read_file(entry.path()))) {
          results[name] += dump_json(step.at("step")) + " " + dump_json(step.at("loss")) + "\n";
        }
      }
      EXPECT_FALSE(name.ends_with(".tmp") || name.ends_with(".next")) << "left behind: " << name;
    }
    results["trajectories"] = ponder({"pool", folder_ / out, "export", "--quiet"}).out;
    results["problems"] = ponder({"pool", folder_ / out, "export", "--problems", "--quiet"}).out;
    const Json status = status_of(out);
    results["scores"] = dump_json(status.at("scores"));
    results["models"] = dump_json(status.at("models"));
    for (const Json& stage : status.at("stages")) {
      const std::string name = stage.at("name").get<std::string>();
      results["stage " + name] = dump_json(stage.at("state")) + dump_json(stage.at("rows"));
      const testing::Outcome row = ponder({"why", folder_ / out, name + ":0", "--json"});
      if (row.status == 0) results["row " + name] = row.out;
    }
    return results;
  }

  Json status_of(const std::string& out) const {
    const testing::Outcome status = ponder({"status", folder_ / out, "--json"});
    EXPECT_EQ(status.status, 0) << status.err;
    return parse_json(status.out, "status");
  }

  void expect_same_results(const std::string& out,
                           const std::map<std::string, std::string>& expected) const {
    const auto results = results_of(out);
    EXPECT_GT(expected.size(), 15u);
    for (const auto& [name, value] : expected) {
      const auto found = results.find(name);
      if (found == results.end()) {
        ADD_FAILURE() << name << " is missing";
      } else {
        EXPECT_TRUE(found->second == value) << name << " differs\nexpected " << excerpt_of(value)
                                            << "\nfound    " << excerpt_of(found->second);
      }
    }
    for (const auto& [name, value] : results)
      EXPECT_TRUE(expected.contains(name)) << name << " is new";
  }

  static double seconds_since(steady_clock::time_point begin) {
    return std::chrono::duration<double>(steady_clock::now() - begin).count();
  }

  static std::string excerpt_of(const std::string& text) { return text.substr(0, 300); }

  // Waits until a file of the run holds `text`.
  void wait_for(const fs::path& file, const std::string& text, testing::Process& process) const {
    while (!fs::exists(folder_ / file) ||
           read_file(folder_ / file).find(text) == std::string::npos) {
      ASSERT_FALSE(process.ended_within(milliseconds(5))) << process.wait().err;
    }
  }

  testing::TemporaryFolder folder_;
};

TEST_F(SlowRun, KilledAtRandomMomentsEndsAsIfNothingHadHappened) {
  run_to_the_end("peace");
  const auto expected = results_of("peace");

  constexpr int kKillsPerStage = 20;
  std::mt19937 random(20412);
  const fs::path war = folder_ / "war", before = folder_ / "before";
  for (const Json& stage : status_of("peace").at("stages")) {
    const std::string name = stage.at("name").get<std::string>();
    fs::remove_all(before);
    if (fs::exists(war)) fs::copy(war, before, fs::copy_options::recursive);
    // From the start of the program to the end of the stage: a guess, replaced by what is measured
    // whenever the stage got to its end before its killer came. It is then put back to its
    // beginning.
    double longest = 1.0 + stage.at("seconds").get<double>();
    for (int kills = 0; kills < kKillsPerStage;) {
      const auto begin = steady_clock::now();
      testing::Process process(run_command("war", {"--until", name}));
      const double delay = std::uniform_real_distribution<double>(0, longest)(random);
      if (!process.ended_within(milliseconds(static_cast<int64_t>(1000 * delay)))) {
        process.signal(SIGKILL);
        ++kills;
        ASSERT_EQ(process.wait().status, 128 + SIGKILL);
        continue;
      }
      const testing::Outcome outcome = process.wait();
      ASSERT_EQ(outcome.status, 0) << name << " after " << kills << " kills: " << outcome.err;
      longest = std::min(longest, seconds_since(begin));
      fs::remove_all(war);
      if (fs::exists(before)) fs::copy(before, war, fs::copy_options::recursive);
    }
    const testing::Outcome outcome = testing::run(run_command("war", {"--until", name}));
    ASSERT_EQ(outcome.status, 0) << name << " after kills: " << outcome.err;
  }
  run_to_the_end("war");
  expect_same_results("war", expected);
}

TEST_F(SlowRun, ToldToStopSavesAndGoesOn) {
  run_to_the_end("peace");
  const auto expected = results_of("peace");
  const struct {
    int signal;
    std::string file, text;  // when
  } stops[] = {{SIGTERM, "training/imitate.jsonl", "\"step\":"},
               {SIGINT, "log.jsonl", "explore-1: begins"},
               {SIGTERM, "training/improve-1.jsonl", "\"step\":"},
               {SIGINT, "log.jsonl", "dpo: begins"},
               {SIGTERM, "log.jsonl", "evaluate-M1-dpo: begins"}};
  for (const auto& stop : stops) {
    testing::Process process(run_command("stopped"));
    wait_for(fs::path("stopped") / stop.file, stop.text, process);
    process.signal(stop.signal);
    ASSERT_TRUE(process.ended_within(std::chrono::seconds(10)))
        << "still running after " << stop.text;
    const testing::Outcome outcome = process.wait();
    // A run that was nearly there may have finished before it looked at the flag.
    EXPECT_TRUE(outcome.status == 0 || outcome.status == 128 + stop.signal) << outcome.err;
  }
  run_to_the_end("stopped");
  expect_same_results("stopped", expected);
}

TEST_F(SlowRun, StoppedInTheMiddleOfTrainingKeepsItsSteps) {
  testing::Process process(run_command("stopped", {"--set", "sft.epochs=2000"}));
  wait_for("stopped/training/imitate.jsonl", "\"step\":", process);
  process.signal(SIGTERM);
  ASSERT_TRUE(process.ended_within(std::chrono::seconds(10)));
  EXPECT_EQ(process.wait().status, 143);
  EXPECT_TRUE(fs::exists(folder_ / "stopped/checkpoints/M1/trainer_state/state.json"));

  testing::Process again(run_command("stopped", {"--set", "sft.epochs=2000"}));
  wait_for("stopped/log.jsonl", "resumed after step", again);
  again.signal(SIGINT);
  again.signal(SIGINT);  // twice: at once, without saving
  ASSERT_TRUE(again.ended_within(std::chrono::seconds(2)));
  EXPECT_EQ(again.wait().status, 130);
}

TEST_F(SlowRun, SecondProcessIsRefused) {
  testing::Process first(run_command("shared", {"--set", "sft.epochs=2000"}));
  wait_for("shared/training/imitate.jsonl", "\"step\":", first);
  const testing::Outcome second = testing::run(run_command("shared", {"--set", "sft.epochs=2000"}));
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.err.find(std::to_string(first.pid())), std::string::npos) << second.err;
  char host[256] = {};
  ASSERT_EQ(::gethostname(host, sizeof host - 1), 0);
  EXPECT_NE(second.err.find(host), std::string::npos) << second.err;
  EXPECT_FALSE(first.ended_within(milliseconds(50))) << "the first was disturbed";
  // Looking is allowed.
  EXPECT_EQ(ponder({"status", folder_ / "shared"}).status, 0);

  // A holder that dies leaves no lock behind.
  first.signal(SIGKILL);
  first.wait();
  testing::Process third(run_command("shared", {"--set", "sft.epochs=2000"}));
  wait_for("shared/log.jsonl", "imitate: going on", third);
}

TEST_F(SlowRun, AnotherRecipeIsRefused) {
  ASSERT_EQ(testing::run(run_command("run", {"--until", "imitate"})).status, 0);
  const testing::Outcome changed =
      testing::run(run_command("run", {"--set", "sft.lr=1e-4", "--set", "explore.samples=9"}));
  EXPECT_EQ(changed.status, 1);
  EXPECT_EQ(testing::lines_of(changed.err).size(), 1u) << changed.err;
  for (const char* key : {"sft.lr", "0.003", "explore.samples", "8 then", "9 now"}) {
    EXPECT_NE(changed.err.find(key), std::string::npos) << "no " << key << " in: " << changed.err;
  }
  EXPECT_EQ(changed.err.find("sft.epochs"), std::string::npos) << changed.err;
  // What cannot change a result may change.
  EXPECT_EQ(testing::run(run_command("run", {"--set", "engine.max_batch=3", "--until", "imitate"}))
                .status,
            0);
}

TEST_F(SlowRun, AnotherBaseModelIsRefused) {
  ASSERT_EQ(testing::run(run_command("run", {"--until", "imitate"})).status, 0);
  const std::string before = status_of("run").dump();
  const testing::Outcome other = ponder({"init", "--config", folder_ / "tiny-config.json",
                                         "--tokenizer", testing::source_dir() / "models/nano-base",
                                         "--out", folder_ / "base", "--seed", "2"});
  ASSERT_EQ(other.status, 0) << other.err;
  const testing::Outcome resumed = testing::run(run_command("run"));
  EXPECT_EQ(resumed.status, 1);
  EXPECT_NE(resumed.err.find("was begun with other inputs: base"), std::string::npos)
      << resumed.err;
  EXPECT_EQ(status_of("run").dump(), before);
}

TEST_F(SlowRun, SpeedSettingsChangeNoByte) {
  const std::vector<std::string> shorter = {"--set", "sft.epochs=6", "--until", "improve-1"};
  std::vector<std::string> one = run_command("one");
  one.insert(one.end(), shorter.begin(), shorter.end());
  ASSERT_EQ(testing::run(one).status, 0);
  const auto expected = results_of("one");

  std::vector<std::string> other =
      run_command("other",
                  {"--set", "engine.max_batch=5", "--set", "sft.micro_batch_tokens=100", "--set",
                   "sft.recompute=true"},
                  "2");
  other.insert(other.end(), shorter.begin(), shorter.end());
  // Two threads that share a core with other programs wait for each other at every operation.
  const testing::Outcome outcome = testing::run(
      other, {.folder = folder_.path(), .input = "", .limit = std::chrono::minutes(5)});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  expect_same_results("other", expected);
}

}  // namespace
}  // namespace ponder::e2e
