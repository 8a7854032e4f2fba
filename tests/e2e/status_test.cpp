// What `ponder status` says of a run that has stopped, goes on, fails and ends.
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

TEST(Status, FromTheFirstStageToTheEnd) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  const std::string out = folder / "run", recipe = testing::source_dir() / "recipes/tiny.toml",
                    base = "base=" + (folder / "base").string();
  ASSERT_EQ(ponder({"run", recipe, "--set", base, "--out", out, "--until", "imitate"}).status, 0);
  const testing::Outcome stopped = ponder({"status", out});
  EXPECT_EQ(stopped.out.substr(0, stopped.out.find('\n')),
            "stopped before evaluate-M1; the same `ponder run` goes on from there");
  EXPECT_NE(stopped.out.find("improve-1             to come\n"), std::string::npos) << stopped.out;
  const std::vector<Json> lines = json_lines(ponder({"status", out, "--json"}).out);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["to_come"][0], "evaluate-M1");
  EXPECT_TRUE(lines[0]["now"].is_null());
  EXPECT_EQ(lines[0]["state"], "stopped");
  EXPECT_EQ(lines[0]["stage"], "evaluate-M1");
  EXPECT_TRUE(lines[0]["pid"].is_null());

  ASSERT_EQ(ponder({"run", recipe, "--set", base, "--out", out}).status, 0);
  EXPECT_FALSE(fs::exists(fs::path(out) / "progress.json"));
  const testing::Outcome done = ponder({"status", out});
  EXPECT_EQ(done.out.substr(0, 5), "done\n");
  EXPECT_EQ(done.out.find("to come"), std::string::npos);
  // A run that nobody works at is shown once.
  const testing::Outcome watched = ponder({"status", out, "--watch"});
  EXPECT_EQ(watched.status, 0);
  EXPECT_EQ(watched.out, "done\n");
}

// A run that fails, in each of these ways: the last line, the status and the report name stage, reason and
// what to do, and doing it makes the run go on.
class Failing : public ::testing::Test {
 protected:
  Failing() {
    make_tiny_base(folder_ / "base");
    for (const char* kind : {"demonstrations", "problems"}) {
      std::vector<std::string> argv = command(
          {"synth", "--domain", "choice", "--count", "16", "--quiet", "--out", folder_ / kind});
      if (std::string(kind) == "demonstrations") argv.push_back("--demonstrations");
      EXPECT_EQ(testing::run(argv).status, 0);
    }
    std::ofstream(recipe_) << "name = \"failing\"\nbase = \"base\"\nmax_length = 256\n"
                              "[sft]\nepochs = 2\nbatch_rows = 8\nlr = 1e-3\n"
                              "[imitate]\ndemonstrations = [{ file = \"demonstrations\" }]\n"
                              "[explore]\nproblems = [{ file = \"problems\" }]\nsamples = 2\n"
                              "max_tokens = 8\n";
  }
  testing::Outcome run(const std::string& until = "refine-1") {
    return ponder({"run", recipe_, "--out", out_, "--until", until});
  }
  std::string headline() const {
    const std::string text = ponder({"status", out_}).out;
    return text.substr(0, text.find('\n'));
  }
  // The last line of a run that fails, without "ponder: ".
  static std::string last(const testing::Outcome& outcome) {
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    const std::string line = testing::lines_of(outcome.err).back();
    EXPECT_TRUE(line.starts_with("ponder: ")) << line;
    return line.substr(std::min<size_t>(8, line.size()));
  }

  const testing::TemporaryFolder folder_;
  const std::string recipe_ = folder_ / "failing.toml", out_ = folder_ / "run";
};

TEST_F(Failing, BecauseAFileIsGone) {
  ASSERT_EQ(run("imitate").status, 0);
  fs::rename(folder_ / "problems", folder_ / "elsewhere");
  const std::string why = last(run());
  EXPECT_NE(why.find("there is no file " + (folder_ / "problems").string()), std::string::npos);
  EXPECT_NE(why.find("put it back"), std::string::npos) << why;
  EXPECT_EQ(headline(), "failed before screen-1: " + why);
  const Json json = json_lines(ponder({"status", out_, "--json"}).out).at(0);
  EXPECT_EQ(json["state"], "failed");
  EXPECT_EQ(json["stage"], "screen-1");
  EXPECT_EQ(json["reason"], why);
  fs::rename(folder_ / "elsewhere", folder_ / "problems");
  EXPECT_EQ(run().status, 0);
  EXPECT_TRUE(headline().starts_with("stopped before ")) << headline();
}

TEST_F(Failing, BecauseTheRecipeIsWrong) {
  ASSERT_EQ(run("imitate").status, 0);
  const testing::Outcome wrong =
      ponder({"run", recipe_, "--out", out_, "--set", "explore.samples=0"});
  const std::string why = testing::lines_of(wrong.err).back().substr(8);
  EXPECT_EQ(headline(), "failed before screen-1: " + why);
  // Another's mistake with the flags is none of the run's.
  EXPECT_EQ(ponder({"run", recipe_, "--out", out_, "--until", "nowhere"}).status, 2);
  EXPECT_EQ(headline(), "failed before screen-1: " + why);
  EXPECT_EQ(run().status, 0);
}

TEST_F(Failing, BecauseNothingMoreCanBeWritten) {
  ASSERT_EQ(run("imitate").status, 0);
  const auto kibibytes = fs::file_size(fs::path(out_) / "run.db") / 1024 + 8;
  const std::string why =
      last(testing::run({"bash", "-c", "ulimit -f " + std::to_string(kibibytes) + "; exec \"$@\"",
                         "-", program(), "run", recipe_, "--out", out_, "--until", "refine-1"}));
  const std::string stage = why.substr(0, why.find(':'));
  EXPECT_TRUE(stage == "screen-1" || stage == "explore-1" || stage == "refine-1") << why;
  EXPECT_NE(why.find("run the same command again"), std::string::npos) << why;
  EXPECT_EQ(headline(), "failed in " + why);
  EXPECT_EQ(ponder({"report", out_}).status, 0);
  EXPECT_NE(read_file(fs::path(out_) / "report.html").find("The run failed in " + stage),
            std::string::npos);
  EXPECT_EQ(run().status, 0);
}

TEST_F(Failing, BecauseItIsKilled) {
  testing::Process process(command({"run", recipe_, "--out", out_, "--set", "sft.epochs=1000"}));
  for (int i = 0; i < 2000 && !fs::exists(fs::path(out_) / "training/imitate.jsonl"); ++i)
    process.ended_within(std::chrono::milliseconds(20));
  process.signal(SIGKILL);
  process.wait();
  EXPECT_EQ(headline(),
            "stopped in imitate: its process ended without a word (killed, out of memory, or the "
            "power failed); the same `ponder run` goes on from there");
}

}  // namespace
}  // namespace ponder::e2e
