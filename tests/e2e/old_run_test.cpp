// Run directories of older versions (tests/golden/run_v1): looked at as they are, and gone on with.
#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class OldRun : public ::testing::Test {
 protected:
  void copy_run(const std::string& database) {
    const fs::path golden = testing::source_dir() / "tests/golden/run_v1";
    fs::create_directories(folder_ / "run");
    fs::copy_file(golden / database, folder_ / "run/run.db");
    std::string recipe = read_file(golden / "recipe.toml");
    const std::string base = "base = 'base'";
    recipe.replace(recipe.find(base), base.size(), "base = '" + (folder_ / "base").string() + "'");
    write_file_atomic(folder_ / "run/recipe.toml", recipe);
  }
  std::string out_of(std::initializer_list<std::string> arguments) const {
    const testing::Outcome outcome = ponder(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(OldRun, CanBeLookedAt) {
  copy_run("run.db");
  const std::string run = folder_ / "run";
  const Json status = parse_json(out_of({"status", run, "--json"}), "status");
  EXPECT_EQ(status.at("stages").size(), 10u);
  EXPECT_EQ(status.at("scores").at(1).at("accuracy"), 0.1875);
  EXPECT_NE(out_of({"status", run}).find("imitation + 6 explored, round 1"), std::string::npos);
  EXPECT_EQ(json_lines(out_of({"pool", run, "export", "--quiet"})).size(), 44u);
  EXPECT_EQ(parse_json(out_of({"pool", run, "--json"}), "pool").at("pairs"), 5);
  EXPECT_NE(out_of({"why", run, "dpo:0"}).find("explore-1, round 1"), std::string::npos);
  EXPECT_NE(out_of({"why", run, "imitate:0"}).find("demonstration 0 of synth:choice"),
            std::string::npos);
  EXPECT_EQ(parse_json(out_of({"refine", run, "--json"}), "refine").at("rows"), 6);
}

class SlowOldRun : public OldRun {};

TEST_F(SlowOldRun, GoesOnToTheSameModel) {
  make_tiny_base(folder_ / "base");
  copy_run("interrupted.db");
  const std::string run = folder_ / "run";
  out_of({"run", testing::source_dir() / "recipes/tiny.toml", "--set",
          "base=" + (folder_ / "base").string(), "--out", run, "--threads", "1", "--until",
          "improve-1", "--quiet"});
  const Json whole = parse_json(out_of({"status", run, "--json"}), "status");
  EXPECT_EQ(whole.at("models").at(2).at("name"), "M2");
  EXPECT_EQ(whole.at("models").at(2).at("sha256"),
            "c44bd641be4e9df03b59ea90fc16e4a8d48588ebd02c32f5b93fd2f3dfe3fc24");
  // What was done is not done again.
  EXPECT_EQ(json_lines(out_of({"pool", run, "export", "--quiet"})).size(), 44u);
  EXPECT_NE(read_file(folder_ / "run/report.html").find("imitation + 6 explored, round 1"),
            std::string::npos);
  EXPECT_NE(out_of({"why", run, "improve-1:37"}).find("explore-1, round 1"), std::string::npos);
}

}  // namespace
}  // namespace ponder::e2e
