// Every way a run can end: its exit code, the sentence that says it, and the report that is there.
#include <csignal>
#include <thread>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class Ends : public ::testing::Test {
 protected:
  void SetUp() override { make_tiny_base(folder_ / "base"); }

  testing::Launch launch() const {
    return {.folder = folder_.path(), .input = "", .limit = testing::kLimit};
  }
  static std::string recipe(const std::string& base, const std::string& sft,
                            const std::string& explore, const std::string& more) {
    return "base = \"" + base + "\"\nmax_length = 256\n[sft]\nepochs = 1\n" + sft +
           "[imitate]\ndemonstrations = [{ synth = \"choice\", levels = 1, count = 4 "
           "}]\n[explore]\n" +
           "samples = 2\nmax_tokens = 48\n" + explore +
           "[evaluate]\nmax_tokens = 16\nbenchmarks = [{ name = \"test\", synth = \"choice\", "
           "levels "
           "= 1, count = 3, split = \"test\" }]\n" +
           more;
  }
  testing::Outcome run(const std::string& recipe, std::vector<std::string> more = {},
                       const std::string& out = "out") {
    write_file_atomic(folder_ / "r.toml", recipe);
    std::vector<std::string> argv = {program(), "run",       "r.toml", "--out",
                                     out,       "--threads", "1",      "--quiet"};
    argv.insert(argv.end(), more.begin(), more.end());
    return testing::run(argv, launch());
  }
  // In the report, in `ponder status` and in log.jsonl.
  void expect_told(const std::string& sentence) {
    EXPECT_NE(read_file(folder_ / "out/report.html").find(sentence), std::string::npos) << sentence;
    EXPECT_NE(read_file(folder_ / "out/log.jsonl").find(sentence), std::string::npos) << sentence;
    const testing::Outcome status = testing::run({program(), "status", "out"}, launch());
    EXPECT_EQ(status.status, 0) << status.err;
    EXPECT_NE(status.out.find(sentence), std::string::npos) << status.out;
  }

  const std::string kProblems =
      "problems = [{ synth = \"choice\", levels = 1, count = 4, seed = 2 }]\n";
  testing::TemporaryFolder folder_;
};

TEST_F(Ends, ProblemsUsedUpNothingSelectedNoPair) {
  const testing::Outcome outcome =
      run(recipe("base", "", "rounds = 2\nproblems_per_round = 4\nhard_only = false\n" + kProblems,
                 "[dpo]\n"));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  expect_told("no problem is left for round 2");
  expect_told("round 1 selected no row to train on");
  expect_told("M2 would be M1 again");
  expect_told("exploration left no problem with both");
  expect_told("there is no M1-dpo");
  EXPECT_FALSE(fs::exists(folder_ / "out/checkpoints/M2"));
  const testing::Outcome plan = testing::run({program(), "plan", "r.toml"}, launch());
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_NE(plan.out.find("explore-2: nothing to do: no problem is left for round 2"),
            std::string::npos)
      << plan.out;
}

TEST_F(Ends, AllSolvedGreedily) {
  // It knows its facts, and is trained at a rate that moves nothing.
  const std::string nano = testing::source_dir() / "models/nano-base";
  const testing::Outcome outcome =
      run(recipe(nano, "lr = 1e-30\nweight_decay = 0.0\n",
                 "problems = [{ synth = \"facts\", levels = 1, count = 3 }]\n", ""),
          {"--set", "explore.max_tokens=160"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  expect_told("M1 solves every problem of this round greedily");
  expect_told("round 1 selected no row to train on of 0 rollouts");
}

TEST_F(Ends, AChangedRecipe) {
  const std::string first = recipe("base", "", "rounds = 0\n", "");
  ASSERT_EQ(run(first).status, 0);
  const testing::Outcome refused = run(first, {"--set", "evaluate.samples=2"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("evaluate.samples: 1 then, 2 now"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("done again: evaluate-M0, evaluate-M1"), std::string::npos)
      << refused.err;
  EXPECT_TRUE(fs::exists(folder_ / "out/report.html"));
  // In a directory of its own, with the models that are there.
  const testing::Outcome shared =
      run(first, {"--set", "evaluate.samples=2", "--from", "out"}, "other");
  EXPECT_EQ(shared.status, 0) << shared.err;
  EXPECT_TRUE(fs::equivalent(folder_ / "out/checkpoints/M1/model.safetensors",
                             folder_ / "other/checkpoints/M1/model.safetensors"));
  EXPECT_EQ(run(first).status, 0) << "the first run is as it was";
  const testing::Outcome redone = run(first, {"--set", "evaluate.samples=2", "--redo"});
  EXPECT_EQ(redone.status, 0) << redone.err;
}

TEST_F(Ends, KilledWhileEvaluating) {
  const std::string slow = recipe("base", "", "rounds = 0\n", "");
  const std::vector<std::string> more = {"--set", "evaluate.samples=600"};
  write_file_atomic(folder_ / "r.toml", slow);
  testing::Process process({program(), "run", "r.toml", "--out", "out", "--threads", "1", "--quiet",
                            "--set", "evaluate.samples=600"},
                           launch());
  const auto evaluating = [&] {
    const fs::path log = folder_ / "out/log.jsonl";
    return fs::exists(log) && read_file(log).find("evaluate-M1: begins") != std::string::npos;
  };
  while (!evaluating() && !process.ended_within(std::chrono::milliseconds(5))) {
  }
  process.ended_within(std::chrono::milliseconds(100));  // into the middle of it
  process.signal(SIGKILL);
  EXPECT_EQ(process.wait().status, 128 + SIGKILL);
  const testing::Outcome again = run(slow, more);
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_NE(read_file(folder_ / "out/log.jsonl").find("evaluate-M1: going on"), std::string::npos);
  EXPECT_NE(read_file(folder_ / "out/log.jsonl").find("evaluate-M0: done already"),
            std::string::npos);
  const testing::Outcome whole = run(slow, more, "whole");
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_EQ(read_file(folder_ / "out/evaluations/M1-test.jsonl"),
            read_file(folder_ / "whole/evaluations/M1-test.jsonl"));
}

TEST_F(Ends, AFailureIsInTheLogWithItsTime) {
  // A database that cannot be written: the folder of evaluations is a file.
  const std::string plain = recipe("base", "", "rounds = 0\n", "");
  ASSERT_EQ(run(plain, {"--until", "ingest"}).status, 0);
  write_file_atomic(folder_ / "out/evaluations", "in the way");
  const testing::Outcome outcome = run(plain);
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_NE(read_file(folder_ / "out/report.html").find("failed: "), std::string::npos);
  const std::vector<std::string> lines = testing::lines_of(read_file(folder_ / "out/log.jsonl"));
  const Json last = parse_json(lines.back(), "log.jsonl");
  EXPECT_EQ(last.at("event"), "error") << last;
  EXPECT_NE(last.at("text").get<std::string>().find("evaluations"), std::string::npos) << last;
  EXPECT_TRUE(last.at("time").get<std::string>().ends_with("Z"));
}

}  // namespace
}  // namespace ponder::e2e
