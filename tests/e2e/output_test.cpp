// What a command writes is its own, and what could not be written is an error.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

const std::string kNano = testing::source_dir() / "models/nano-base";

class Output : public ::testing::Test {
 protected:
  testing::Outcome shell(const std::string& line) {
    return testing::run({"/bin/bash", "-c", line},
                        {.folder = folder_.path(), .input = "", .limit = testing::kLimit});
  }
  testing::Outcome ponder(std::initializer_list<std::string> arguments) {
    return e2e::ponder(arguments,
                       {.folder = folder_.path(), .input = "", .limit = testing::kLimit});
  }
  void make_demonstrations(const char* name) {
    ASSERT_EQ(
        ponder({"synth", "--domain", "choice", "--count", "6", "--demonstrations", "--out", name})
            .status,
        0);
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Output, LostStandardOutputIsAnError) {
  make_demonstrations("d.jsonl");
  std::ofstream(folder_ / "j.jsonl") << R"({"gold":"1","prediction":"1"})"
                                     << "\n";
  const std::string ponder = program();
  const std::vector<std::string> commands = {
      "doctor --json",
      "--help",
      "synth --domain choice --count 2000",
      "synth --domain choice --count 1",
      "judge j.jsonl",
      "data check d.jsonl --json",
      "inspect " + kNano,
      "plan " + (testing::source_dir() / "recipes/quickstart.toml").string() + " --json"};
  for (const std::string& command : commands) {
    for (const std::string where : {"> /dev/full", ">&-"}) {
      const testing::Outcome outcome = shell(ponder + " " + command + " " + where);
      EXPECT_NE(outcome.status, 0) << command << " " << where;
      EXPECT_EQ(testing::lines_of(outcome.err).size(), 1u)
          << command << " " << where << outcome.err;
      EXPECT_NE(outcome.err.find("written"), std::string::npos) << command << where << outcome.err;
    }
    EXPECT_EQ(shell(ponder + " " + command + " > out.txt").status, 0) << command;
  }
}

TEST_F(Output, ProgressThatCannotBeWrittenStopsNothing) {
  make_demonstrations("d.jsonl");
  const std::string train = program() + " sft --model " + kNano +
                            " --data d.jsonl --epochs 1 --batch-rows 4 --max-length 256 --out ";
  for (const auto& [name, where] : {std::pair("full", " 2> /dev/full"),
                                    std::pair("closed", " 2>&-"), std::pair("in", " <&-")}) {
    EXPECT_EQ(shell(train + name + where).status, 0) << name;
    EXPECT_TRUE(fs::exists(folder_ / name / "model.safetensors")) << name;
  }
}

TEST_F(Output, DevicesPipesAndLinksStayWhatTheyAre) {
  const std::string synth = program() + " synth --domain choice --count 3 --out ";
  const testing::Outcome piped =
      shell("mkfifo pipe; cat pipe > got & " + synth + "pipe; s=$?; wait; exit $s");
  EXPECT_EQ(piped.status, 0) << piped.err;
  EXPECT_TRUE(fs::is_fifo(folder_ / "pipe"));
  EXPECT_EQ(testing::lines_of(read_file(folder_ / "got")).size(), 3u);

  EXPECT_EQ(shell("mkdir disk; ln -s disk/rows link; " + synth + "link").status, 0);
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(testing::lines_of(read_file(folder_ / "disk/rows")).size(), 3u);

  EXPECT_EQ(shell("echo first > all; " + synth + "/dev/stdout >> all").status, 0);
  EXPECT_EQ(testing::lines_of(read_file(folder_ / "all")).size(), 4u);

  make_demonstrations("d.jsonl");
  fs::create_directory_symlink("disk/model", folder_ / "out");  // to nothing yet, then to a model
  for (int i = 0; i < 2; ++i) {
    const testing::Outcome trained =
        shell(program() + " sft --model " + kNano +
              " --data d.jsonl --epochs 1 --batch-rows 4 --max-length 256 --quiet --out out");
    EXPECT_EQ(trained.status, 0) << trained.err;
    EXPECT_TRUE(fs::is_symlink(folder_ / "out"));
    EXPECT_TRUE(fs::is_regular_file(folder_ / "disk/model/model.safetensors"));
  }

  if (::mknod((folder_ / "null").c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0)
    GTEST_SKIP() << "not root: no device to try";
  EXPECT_EQ(shell(synth + "null").status, 0);
  EXPECT_TRUE(fs::is_character_file(folder_ / "null"));
}

TEST_F(Output, WhatIsReadIsNotOverwritten) {
  make_demonstrations("d.jsonl");
  fs::copy(kNano, folder_ / "m", fs::copy_options::recursive);
  fs::create_symlink("d.jsonl", folder_ / "link");
  std::ofstream(folder_ / "rows.jsonl") << R"({"prompt":"1","response":"2"})"
                                        << "\n";
  std::ofstream(folder_ / "p.jsonl") << R"({"id":"a","question":"1?","answer":"1"})"
                                     << "\n";
  const std::string before = shell("cat m/* *.jsonl | sha256sum").out;
  const std::vector<std::string> commands = {
      "export m --gguf f16 --out m/model.safetensors",
      "export m --gguf f16 --out m/config.json",
      "sft --model m --data d.jsonl --out t --log d.jsonl",
      "sft --model m --data d.jsonl --out t --log link",
      "sft --model m --data d.jsonl --out m",
      "generate --model m --problems p.jsonl --max-tokens 4 --out p.jsonl",
      "generate --model m --problems p.jsonl --max-tokens 4 --out ./m/../p.jsonl",
      "generate --model m --problems p.jsonl --max-tokens 4 --out m/tokenizer.json",
      "score --model m --data rows.jsonl --out rows.jsonl",
      "eval --model m --benchmark p.jsonl --max-tokens 4 --details p.jsonl"};
  for (const std::string& command : commands) {
    const testing::Outcome outcome = shell(program() + " " + command);
    EXPECT_EQ(outcome.status, 2) << command << outcome.err;
    EXPECT_NE(outcome.err.find("names what the command reads"), std::string::npos)
        << command << outcome.err;
  }
  EXPECT_EQ(shell("cat m/* *.jsonl | sha256sum").out, before);
  EXPECT_FALSE(fs::exists(folder_ / "t"));
}

TEST_F(Output, ALogInTheFolderThatIsReplacedIsRefused) {
  make_demonstrations("d.jsonl");
  const std::string train = program() + " sft --model " + kNano +
                            " --data d.jsonl --epochs 1 --batch-rows 4 --max-length 256 --quiet ";
  fs::create_directory(folder_ / "o");
  fs::create_symlink("o", folder_ / "link");
  for (const std::string places : {"--out o --log o/log", "--out o/ --log link/log",
                                   "--out new --log ./new/a/../log", "--out o --log o"}) {
    const testing::Outcome outcome = shell(train + places);
    EXPECT_EQ(outcome.status, 2) << places << outcome.err;
    EXPECT_NE(outcome.err.find("--log"), std::string::npos) << outcome.err;
  }
  EXPECT_TRUE(fs::is_empty(folder_ / "o"));
  EXPECT_EQ(shell(train + "--out o --log o.log").status, 0);
  EXPECT_GT(fs::file_size(folder_ / "o.log"), 0u);
}

TEST_F(Output, WrongUsageLeavesNothing) {
  make_demonstrations("d.jsonl");
  fs::create_symlink("d.jsonl", folder_ / "link");
  for (const std::string second : {"d.jsonl", "link"}) {
    const testing::Outcome twice = ponder(
        {"sft", "--model", kNano, "--data", "d.jsonl", "--data", second, "--out", "o", "--quiet"});
    EXPECT_EQ(twice.status, 2) << twice.err;
    EXPECT_NE(twice.err.find("twice"), std::string::npos) << twice.err;
  }
  const testing::Outcome until = ponder({"run", testing::source_dir() / "recipes/quickstart.toml",
                                         "--out", "run", "--until", "nope"});
  EXPECT_EQ(until.status, 2) << until.err;
  EXPECT_NE(until.err.find("the stages are ingest"), std::string::npos) << until.err;
  EXPECT_FALSE(fs::exists(folder_ / "run"));
  EXPECT_FALSE(fs::exists(folder_ / "o"));
  // A folder that cannot be made.
  const testing::Outcome in_file = ponder({"run", testing::source_dir() / "recipes/tiny.toml",
                                           "--set", "base=" + kNano, "--out", "d.jsonl/run"});
  EXPECT_EQ(in_file.status, 1);
  EXPECT_EQ(testing::lines_of(in_file.err).size(), 1u) << in_file.err;
  EXPECT_EQ(in_file.err.find("filesystem error"), std::string::npos) << in_file.err;
}

TEST_F(Output, OneFileHasOneWriter) {
  std::string line;  // rows of other lengths: two writers in one file would tear each other's
  for (const char* level : {"3", "4", "5"})
    line += program() + " synth --domain arithmetic --count 20000 --out shared --level " + level +
            " & ";
  shell(line + "wait");
  const std::vector<std::string> rows = testing::lines_of(read_file(folder_ / "shared"));
  EXPECT_EQ(rows.size(), 20000u);
  for (const std::string& row : rows) EXPECT_TRUE(Json::accept(row));
  EXPECT_FALSE(fs::exists(folder_ / "shared.tmp"));
}

TEST_F(Output, FewerThreadsWhereTheSystemGivesNoMore) {
  make_demonstrations("d.jsonl");
  const testing::Outcome outcome =
      shell("ulimit -v 600000; " + program() + " synth --domain choice --count 2 --threads 900");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const testing::Outcome scored =
      shell("ulimit -v 400000; " + program() + " data check d.jsonl --tokenizer " + kNano +
            " --threads 512");
  EXPECT_LT(scored.status, 128) << "no abort: " << scored.err;
}

}  // namespace
}  // namespace ponder::e2e
