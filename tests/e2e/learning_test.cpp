// The loop learns: recipes/miniature.toml on the shipped base model must reach scores that no
// random model and no broken trainer, sampler or judge can.
#include <map>

#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

TEST(SlowLearning, SlowThinkingBeatsTheDirectBase) {
  const testing::TemporaryFolder folder;
  testing::Launch launch;
  launch.limit = std::chrono::seconds(500);
  const testing::Outcome run = ponder(
      {"run", testing::source_dir() / "recipes/miniature.toml", "--out", folder / "run", "--quiet"},
      launch);
  ASSERT_EQ(run.status, 0) << run.err;
  const testing::Outcome status = ponder({"status", folder / "run", "--json"});
  ASSERT_EQ(status.status, 0) << status.err;
  std::map<std::string, double> accuracy, finished;
  const Json parsed = parse_json(status.out, "status");
  for (const Json& score : parsed.at("scores")) {
    const auto model = score.at("model").get<std::string>();
    accuracy[model] = score.at("accuracy").get<double>();
    finished[model] = score.at("finished").get<double>();
  }
  ASSERT_EQ(accuracy.size(), 3u) << status.out;
  EXPECT_LT(accuracy["M0"], 0.25) << "the base answers directly: it cannot know these";
  EXPECT_GT(accuracy["M1"], accuracy["M0"] + 0.20) << run.out;
  EXPECT_GT(accuracy["M2"], accuracy["M0"] + 0.30) << run.out;
  EXPECT_GT(accuracy["M2"], accuracy["M1"]) << "exploration did not help\n" << run.out;
  EXPECT_GT(finished["M2"], 0.9) << run.out;
}

}  // namespace
}  // namespace ponder::e2e
