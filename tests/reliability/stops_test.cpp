// A run of recipes/tiny.toml that is told to stop, started twice, or started with another recipe,
// another base or other settings of speed. The yardstick is the same run left in peace.
#include <unistd.h>

#include <csignal>

#include "base/file.h"
#include "reliability/tiny_world.h"

namespace ponder::reliability {
namespace {

using std::chrono::milliseconds;

class Stops : public ::testing::Test {
 protected:
  void SetUp() override { e2e::make_tiny_base(folder_ / "base"); }

  std::vector<std::string> run_command(const std::string& out,
                                       std::initializer_list<std::string> more = {},
                                       const std::string& threads = "1") const {
    std::vector<std::string> argv = e2e::command(
        {"run", testing::source_dir() / "recipes/tiny.toml", "--set",
         "base=" + (folder_ / "base").string(), "--threads", threads, "--out", folder_ / out});
    argv.insert(argv.end(), more);
    return argv;
  }

  void run_to_the_end(const std::string& out) const {
    const testing::Outcome outcome = testing::run(run_command(out));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  }

  Json status_of(const std::string& out) const {
    const testing::Outcome status = e2e::ponder({"status", folder_ / out, "--json"});
    EXPECT_EQ(status.status, 0) << status.err;
    return parse_json(status.out, "status");
  }

  // Waits until a file of the run holds `text`.
  void wait_for(const fs::path& file, const std::string& text, testing::Process& process) const {
    while (!fs::exists(folder_ / file) ||
           read_file(folder_ / file).find(text) == std::string::npos) {
      ASSERT_FALSE(process.ended_within(milliseconds(5))) << process.wait().err;
    }
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Stops, ToldToStopSavesAndGoesOn) {
  run_to_the_end("peace");
  const Results expected = results_of(folder_ / "peace");
  const struct {
    int signal;
    std::string file, text;  // when
  } stops[] = {{SIGTERM, "log.jsonl", "evaluate-M0: begins"},
               {SIGTERM, "training/imitate.jsonl", "\"step\":"},
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
  EXPECT_EQ(differences(expected, results_of(folder_ / "stopped")), "");
}

TEST_F(Stops, StoppedInTheMiddleOfTrainingKeepsItsSteps) {
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

TEST_F(Stops, SecondProcessIsRefused) {
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
  EXPECT_EQ(e2e::ponder({"status", folder_ / "shared"}).status, 0);

  // A holder that dies leaves no lock behind.
  first.signal(SIGKILL);
  first.wait();
  testing::Process third(run_command("shared", {"--set", "sft.epochs=2000"}));
  wait_for("shared/log.jsonl", "imitate: going on", third);
}

TEST_F(Stops, AnotherRecipeIsRefused) {
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

TEST_F(Stops, AnotherBaseModelIsRefused) {
  ASSERT_EQ(testing::run(run_command("run", {"--until", "imitate"})).status, 0);
  const Json before = status_of("run");
  const testing::Outcome other = e2e::ponder(
      {"init", "--config", folder_ / "tiny-config.json", "--tokenizer",
       testing::source_dir() / "models/nano-base", "--out", folder_ / "base", "--seed", "2"});
  ASSERT_EQ(other.status, 0) << other.err;
  const testing::Outcome resumed = testing::run(run_command("run"));
  EXPECT_EQ(resumed.status, 1);
  EXPECT_NE(resumed.err.find("was begun with other inputs: base"), std::string::npos)
      << resumed.err;
  // Nothing has changed but that the refusal is told.
  const Json after = status_of("run");
  for (const char* part : {"stages", "to_come", "models", "scores"})
    EXPECT_EQ(after[part].dump(), before[part].dump()) << part;
  EXPECT_EQ(after["state"], "failed");
  EXPECT_NE(after["reason"].dump().find("was begun with other inputs: base"), std::string::npos);
}

TEST_F(Stops, SpeedSettingsChangeNoByte) {
  const std::vector<std::string> shorter = {"--set", "sft.epochs=6", "--until", "improve-1"};
  std::vector<std::string> one = run_command("one");
  one.insert(one.end(), shorter.begin(), shorter.end());
  ASSERT_EQ(testing::run(one).status, 0);
  const Results expected = without_recipe(results_of(folder_ / "one"));

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
  EXPECT_EQ(differences(expected, without_recipe(results_of(folder_ / "other"))), "");
}

}  // namespace
}  // namespace ponder::reliability
