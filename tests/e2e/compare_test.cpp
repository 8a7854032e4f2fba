// Trainings of one recipe under several seeds, and other recipes, beside each other.
#include <gtest/gtest.h>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class CompareTest : public ::testing::Test {
 protected:
  void SetUp() override { make_tiny_base(folder_ / "base"); }

  std::string run(const std::string& name, const std::string& set) {
    const testing::Outcome outcome = ponder({"run", testing::source_dir() / "recipes/tiny.toml",
                                             "--set", "base=" + (folder_ / "base").string(),
                                             "--quiet", "--set", set, "--out", folder_ / name});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return folder_ / name;
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(CompareTest, TrainingSeedsAndRecipes) {
  const std::string one = run("one", "train_seed=1"), two = run("two", "train_seed=2");
  // Another order of rows alone: other weights from the same demonstrations.
  EXPECT_NE(read_file(fs::path(one) / "checkpoints/M1/model.safetensors"),
            read_file(fs::path(two) / "checkpoints/M1/model.safetensors"));
  const testing::Outcome both = ponder({"compare", one, two});
  EXPECT_EQ(both.status, 0) << both.err;
  EXPECT_NE(both.out.find("one: 2 training seeds"), std::string::npos) << both.out;
  EXPECT_NE(both.out.find("M1 − M0"), std::string::npos) << both.out;
  const std::vector<Json> lines = json_lines(ponder({"compare", one, two, "--json"}).out);
  ASSERT_EQ(lines.size(), 1u);
  const Json& table = lines[0];
  EXPECT_EQ(table["runs"].size(), 1u);
  EXPECT_EQ(table["models"][0]["model"], "M0");
  EXPECT_NE(ponder({"compare", one, two, "--markdown"}).out.find("| M1 |"), std::string::npos);

  const testing::Outcome again = ponder({"compare", one, two, one});
  EXPECT_EQ(again.status, 2);
  EXPECT_NE(again.err.find("seed 1, train_seed 1"), std::string::npos) << again.err;

  const std::string other = run("other", "sft.lr=2e-3");
  const testing::Outcome against = ponder({"compare", one, other});
  EXPECT_EQ(against.status, 0) << against.err;
  EXPECT_NE(against.out.find("other against one: sft.lr:"), std::string::npos) << against.out;
  EXPECT_NE(against.out.find("other M1 − one M1"), std::string::npos) << against.out;
  EXPECT_NE(against.out.find("one training seed"), std::string::npos) << against.out;
}

TEST_F(CompareTest, WhatIsNoRun) {
  const testing::Outcome outcome = ponder({"compare", folder_ / "base"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("is no run directory"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace ponder::e2e
