// What `ponder status` says of a run that has stopped, goes on, fails and ends.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace ponder::e2e
