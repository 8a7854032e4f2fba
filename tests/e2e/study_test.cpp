// A study from the command line: variants that share what they have in common, one that fails, a restart.
#include <gtest/gtest.h>

#include <regex>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class StudyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    make_tiny_base(folder_ / "base");
    write_file_atomic(folder_ / "tiny.toml", R"(base = "base"
max_length = 256
[sft]
epochs = 4
batch_rows = 8
lr = 3e-3
[imitate]
demonstrations = [{ synth = "choice", levels = 1, count = 32 }]
[evaluate]
benchmarks = [{ synth = "choice", levels = 1, count = 16, split = "test" }]
max_tokens = 64
)");
    write_file_atomic(folder_ / "study.toml", R"(
recipe = "tiny.toml"
title = "Tiny"
train_seeds = [1, 2]
[[variant]]
name = "all"
models = ["M0", "M1"]
[[variant]]
name = "slow"
set = { sft.lr = 1e-3 }
[[variant]]
name = "none"
[[variant.set.imitate.demonstrations]]
synth = "choice"
levels = 1
count = 32
where = { level = 9 }
[[finding]]
found = "a lower rate learns less"
of = "slow"
against = "all"
on = "choice"
expected = "lower"
)");
  }

  testing::Outcome study(std::initializer_list<std::string> more) const {
    std::vector<std::string> argv =
        command({"study", folder_ / "study.toml", "--out", folder_ / "out"});
    argv.insert(argv.end(), more);
    return testing::run(argv);
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(StudyTest, AFailedVariantIsNamedAndTheOthersStand) {
  const testing::Outcome first = study({"--quiet", "--json"});
  EXPECT_EQ(first.status, 1) << first.err;
  EXPECT_NE(first.err.find("2 of its runs failed, the first is none of training seed 1"),
            std::string::npos)
      << first.err;
  const std::vector<Json> lines = json_lines(first.out);
  ASSERT_EQ(lines.size(), 1u);
  const Json& table = lines[0];
  ASSERT_EQ(table["rows"].size(), 3u) << table.dump(1);  // all M0, all M1, slow M1
  EXPECT_EQ(table["rows"][2]["train_seeds"], Json({1, 2}));
  EXPECT_EQ(table["rows"][1]["scores"]["choice"]["by_seed"].size(), 2u);
  EXPECT_EQ(table["findings"][0]["of"], "slow M1");
  EXPECT_EQ(table["missing"].size(), 1u);
  const std::string text = read_file(folder_ / "out/study.md");
  EXPECT_TRUE(text.starts_with("## Tiny\n\ntraining seeds 1, 2; problems: choice 16.")) << text;
  EXPECT_NE(text.find("Missing: none, training seeds 1, 2: failed: "), std::string::npos) << text;

  // The base is evaluated once, whichever variant and seed asks for it.
  for (const char* run : {"all/seed-2", "slow/seed-1", "slow/seed-2"}) {
    const std::string log = read_file(folder_ / "out" / run / "log.jsonl");
    EXPECT_NE(log.find("evaluate-M0: done already"), std::string::npos) << run;
    EXPECT_NE(log.find("imitate: begins"), std::string::npos) << run;
  }
  // Another order of rows alone, and another rate alone.
  const auto weights = [&](const std::string& run) {
    return read_file(folder_ / "out" / run / "checkpoints/M1/model.safetensors");
  };
  EXPECT_NE(weights("all/seed-1"), weights("all/seed-2"));
  EXPECT_NE(weights("all/seed-1"), weights("slow/seed-1"));

  // Again: what is done is done, and the table is the same but for what the failed ones cost.
  const testing::Outcome again = study({"--variant", "all", "--variant", "slow"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(again.err.find("begins"), std::string::npos) << again.err;
  const testing::Outcome shown = study({"--table"});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_EQ(shown.out, text);
  // A variant that has changed is not what has run.
  const testing::Outcome changed = study({"--table", "--set", "sft.epochs=7"});
  EXPECT_NE(changed.out.find("all, training seeds 1, 2: its run is of another recipe"),
            std::string::npos)
      << changed.out;
}

TEST_F(StudyTest, AnotherStudyGoesOnFromAVariantOfThis) {
  const testing::Outcome part = study({"--quiet", "--variant", "all", "--train-seed", "1"});
  ASSERT_EQ(part.status, 0);
  EXPECT_EQ(part.out.find("Missing: "), std::string::npos) << part.out;
  // What a process that shares the work leaves in the folder is of the whole study.
  const std::string whole = read_file(folder_ / "out/study.md");
  EXPECT_NE(whole.find("Missing: all, training seed 2: "), std::string::npos) << whole;
  const testing::Outcome other =
      ponder({"study", folder_ / "study.toml", "--out", folder_ / "other", "--from",
              folder_ / "out/all", "--variant", "all", "--train-seed", "1"});
  EXPECT_EQ(other.status, 0) << other.err;
  EXPECT_NE(other.err.find("imitate: done already"), std::string::npos) << other.err;
  EXPECT_NE(other.out.find("one training seed (1)"), std::string::npos) << other.out;
}

TEST_F(StudyTest, WrongKeysEndItBeforeAnythingRuns) {
  const testing::Outcome key = study({"--set", "sft.epoch=1"});
  EXPECT_EQ(key.status, 1);
  EXPECT_NE(key.err.find("variant all: "), std::string::npos) << key.err;
  EXPECT_NE(key.err.find("did you mean \"epochs\"?"), std::string::npos) << key.err;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  EXPECT_EQ(study({"--variant", "fast"}).status, 2);
  EXPECT_EQ(study({"--table"}).status, 1);
}

}  // namespace
}  // namespace ponder::e2e
