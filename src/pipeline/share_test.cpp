// A run that begins with another's stages, and leaves that one as it is.
#include "pipeline/share.h"

#include <map>

#include "base/hash.h"
#include "pipeline/run_fixture.h"
#include "testing/error_text.h"

namespace ponder::pipeline {
namespace {

namespace fs = std::filesystem;

class Shares : public RunTest {
 protected:
  // All files of the run, their bytes hashed.
  std::map<std::string, std::string> files(const std::string& out) const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / out)) {
      // The lock names who had it last; SQLite's two files beside the database come and go.
      const std::string name = fs::relative(entry.path(), folder_ / out);
      if (entry.is_regular_file() && name != "lock" && !name.ends_with("-shm") &&
          !name.ends_with("-wal"))
        found[name] = sha256_hex(read_file(entry.path()));
    }
    return found;
  }
  void go_on(const Recipe& recipe, const std::string& out) {
    PipelineRun run(recipe, read_sources(recipe), folder_ / out, threads_, monitor_, &stop_,
                    Changes::kRedone);
    run.execute("", [](const pool::StageRecord&) {});
  }
};

TEST_F(Shares, FinishedStagesAreNotMadeAgain) {
  const Recipe first = recipe(), other = recipe({"evaluate.samples=2"});
  run(first);
  const auto before = files("out");
  share_run(folder_ / "out", folder_ / "new");
  const fs::path weights = "checkpoints/M1/model.safetensors";
  EXPECT_TRUE(fs::equivalent(folder_ / "out" / weights, folder_ / "new" / weights));
  go_on(other, "new");
  EXPECT_EQ(files("out"), before);
  EXPECT_TRUE(fs::equivalent(folder_ / "out" / weights, folder_ / "new" / weights))
      << "imitate does not depend on evaluate.samples";
  EXPECT_EQ(pool("new").counts_of("evaluate-M1").rollouts, 6);
  EXPECT_EQ(pool("out").counts_of("evaluate-M1").rollouts, 3);
}

TEST_F(Shares, WhatIsDoneAgainIsNotTheOthers) {
  run(recipe());
  const auto before = files("out");
  share_run(folder_ / "out", folder_ / "new");
  go_on(recipe({"sft.lr=1e-3"}), "new");
  EXPECT_EQ(files("out"), before);
  const fs::path weights = "checkpoints/M1/model.safetensors";
  EXPECT_NE(read_file(folder_ / "out" / weights), read_file(folder_ / "new" / weights));
  // It ends as a fresh run of that recipe would.
  run(recipe({"sft.lr=1e-3"}), "", nullptr, "fresh");
  EXPECT_EQ(read_file(folder_ / "fresh" / weights), read_file(folder_ / "new" / weights));
  // And both runs go on by themselves.
  bool finished = false;
  run(recipe(), "", &finished);
  EXPECT_TRUE(finished);
  for (const auto& [name, hash] : files("out")) {
    if (!name.starts_with("checkpoints/")) continue;
    EXPECT_EQ(hash, before.at(name)) << name;
  }
}

TEST_F(Shares, AgainIsNothing) {
  run(recipe(), "imitate");
  share_run(folder_ / "out", folder_ / "new");
  go_on(recipe(), "new");
  const auto done = files("new");
  share_run(folder_ / "out", folder_ / "new");
  EXPECT_EQ(files("new"), done);
}

TEST_F(Shares, RefusesWhatIsNoRunAndWhatIsAnother) {
  const auto error = [&](const char* from, const char* out) {
    return testing::error_text([&] { share_run(folder_ / from, folder_ / out); });
  };
  EXPECT_NE(error("nowhere", "new").find("is no run: it has no run.db"), std::string::npos);
  run(recipe(), "ingest");
  run(recipe(), "ingest", nullptr, "another");
  EXPECT_NE(error("out", "another").find("not one made from"), std::string::npos);
  write_file_atomic(folder_ / "mine.txt", "x");
  fs::create_directories(folder_ / "full");
  write_file_atomic(folder_ / "full/mine.txt", "x");
  EXPECT_NE(error("out", "full"), "(no error)");
  EXPECT_TRUE(fs::exists(folder_ / "full/mine.txt"));
  const LockFile lock(folder_ / "out/lock");
  EXPECT_NE(error("out", "new").find("is being worked on by"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

}  // namespace
}  // namespace ponder::pipeline
