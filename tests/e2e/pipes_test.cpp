// Pipes: data that is read once may come from one; a model's files and recipes may not, and nothing
// waits for ever.
#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

const std::string kNano = testing::source_dir() / "models/nano-base";

class Pipes : public ::testing::Test {
 protected:
  testing::Outcome shell(const std::string& line) {
    return testing::run({"/bin/bash", "-c", line},
                        {.folder = folder_.path(), .input = "", .limit = testing::kLimit});
  }
  void SetUp() override {
    ASSERT_EQ(
        shell(ponder_ + "synth --domain choice --count 9 --demonstrations --out d.jsonl").status,
        0);
  }

  testing::TemporaryFolder folder_;
  const std::string ponder_ = program() + " ";
};

TEST_F(Pipes, DataIsReadFromThemOnce) {
  const std::string check = shell(ponder_ + "data check d.jsonl --json").out;
  const auto without_name = [](const std::string& text) {
    Json json = json_lines(text).at(0);
    json.erase("file");
    return json;
  };
  for (const std::string& line :
       {ponder_ + "data check <(cat d.jsonl) --json", ponder_ + "data check - --json < d.jsonl",
        "cat d.jsonl | " + ponder_ + "data check - --json",
        "gzip -k d.jsonl; " + ponder_ + "data check <(cat d.jsonl.gz) --json",
        "mkfifo p; cat d.jsonl > p & " + ponder_ + "data check p --json"}) {
    const testing::Outcome outcome = shell(line);
    ASSERT_EQ(outcome.status, 0) << line << outcome.err;
    EXPECT_EQ(without_name(outcome.out), without_name(check)) << line;
  }
  EXPECT_EQ(json_lines(check).at(0).at("kept"), 9);
  EXPECT_EQ(shell(ponder_ + "data show <(cat d.jsonl) -n 1 --tokenizer " + kNano).status, 0);
  // What is looked at before the first row counts too.
  const testing::Outcome odd =
      shell("(echo 7; echo '{broken'; cat d.jsonl) | " + ponder_ + "data check - --json");
  EXPECT_EQ(json_lines(odd.out).at(0).at("rejected").at("not_an_object"), 1);
  EXPECT_EQ(json_lines(odd.out).at(0).at("rejected").at("bad_json"), 1);
  EXPECT_EQ(json_lines(odd.out).at(0).at("kept"), 9);
}

TEST_F(Pipes, AModelsFilesAreNone) {
  for (const std::string name : {"config.json", "tokenizer.json", "generation_config.json",
                                 "tokenizer_config.json", "model.safetensors", "ponder.json"}) {
    shell("rm -rf m; cp -r " + kNano + " m; rm -f m/" + name + "; mkfifo m/" + name);
    const testing::Outcome outcome =
        shell("timeout 30 " + ponder_ + "generate --model m --prompt x --max-tokens 2 --quiet");
    EXPECT_EQ(outcome.status, 1) << name << outcome.err;
    EXPECT_EQ(testing::lines_of(outcome.err).size(), 1u) << outcome.err;
    EXPECT_EQ(shell("timeout 30 " + ponder_ + "inspect m").status, 1) << name;
  }
  EXPECT_EQ(shell("mkfifo r.toml; timeout 30 " + ponder_ + "plan r.toml").status, 1);
  // Its hash is part of the model's card, so it would be read twice.
  EXPECT_EQ(
      shell("timeout 60 " + ponder_ + "sft --model " + kNano + " --data <(cat d.jsonl) --out o")
          .status,
      1);
}

}  // namespace
}  // namespace ponder::e2e
