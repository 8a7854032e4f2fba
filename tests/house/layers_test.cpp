// The layer check itself: a tree in order passes, every kind of violation is found.
#include <gtest/gtest.h>

#include "base/file.h"
#include "support/process.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

class Layers : public ::testing::Test {
 protected:
  Layers() {
    write("CMakeLists.txt",
          "add_subdirectory(low)   # level 0\n"
          "add_subdirectory(mid)   # level 1\n"
          "add_subdirectory(peer)  # level 1\n");
    write("low/CMakeLists.txt", "ponder_library(low)\n");
    write("low/a.h", "#include <vector>\n#include \"low/b.h\"\n");
    write("mid/CMakeLists.txt",
          "ponder_library(mid LINK ponder_low fmt::fmt)  # not ponder_peer\n");
    write("mid/a.cpp", "#include \"low/a.h\"\n#include \"mid/a.h\"\n");
    write("peer/CMakeLists.txt", "ponder_library(peer LINK ponder_low)\n");
    write("peer/a_test.cpp", "#include \"low/a.h\"\n");
  }

  void write(const std::string& name, const std::string& text) {
    const fs::path path = root_ / "src" / name;
    fs::create_directories(path.parent_path());
    write_file_atomic(path, text);
  }

  testing::Outcome check() const {
    return testing::run({PONDER_SOURCE_DIR "/tools/check_layers", root_.path().string()});
  }

  void expect_refused(const std::string& place) const {
    const testing::Outcome outcome = check();
    EXPECT_EQ(outcome.status, 1) << outcome.out;
    EXPECT_NE(outcome.err.find(place), std::string::npos) << outcome.err;
    EXPECT_EQ(testing::lines_of(outcome.err).size(), 1u) << outcome.err;
  }

  testing::TemporaryFolder root_;
};

TEST_F(Layers, TreeInOrderPasses) {
  const testing::Outcome outcome = check();
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "layers: 3 folders, 4 uses of another, all downwards\n");
}

TEST_F(Layers, FindsAnIncludeOfAHigherFolder) {
  write("low/sub/c.cpp", "#include \"low/a.h\"\n  #  include \"mid/a.h\"\n");
  expect_refused("src/low/sub/c.cpp:2: low (level 0) may not use mid (level 1)");
}

TEST_F(Layers, FindsAnIncludeOfAFolderOfTheSameLevel) {
  write("peer/a_test.cpp", "#include \"low/a.h\"\n#include \"mid/a.h\"\n");
  expect_refused("src/peer/a_test.cpp:2: peer (level 1) may not use mid (level 1)");
}

TEST_F(Layers, FindsALinkToAFolderThatIsNotLower) {
  write("mid/CMakeLists.txt", "ponder_library(mid LINK ponder_low\n  ponder_peer)\n");
  expect_refused("src/mid/CMakeLists.txt:2: mid (level 1) may not use peer (level 1)");
}

TEST_F(Layers, FindsAnIncludeThatNamesNoKnownFolder) {
  write("mid/a.cpp", "#include \"low/a.h\"\n#include \"elsewhere/a.h\"\n");
  expect_refused("src/mid/a.cpp:2: elsewhere has no level");
}

TEST_F(Layers, FindsIncludesThatHideTheirFolder) {
  write("mid/a.cpp", "#include \"low/a.h\"\n#include \"../peer/a.h\"\n");
  expect_refused("src/mid/a.cpp:2: \"../peer/a.h\" is relative");
  write("mid/a.cpp", "#include \"low/a.h\"\n#include \"a.h\"\n");
  expect_refused("src/mid/a.cpp:2: \"a.h\" names no folder");
}

TEST_F(Layers, FindsAFolderWithoutALevel) {
  write("CMakeLists.txt",
        "add_subdirectory(low)   # level 0\n"
        "add_subdirectory(mid)   # level 1\n");
  expect_refused("src/peer is not in src/CMakeLists.txt");
}

}  // namespace
}  // namespace ponder
