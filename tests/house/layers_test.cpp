// The layer check itself: a tree in order passes, every kind of violation is found.
#include <gtest/gtest.h>

#include "base/file.h"
#include "testing/folders.h"
#include "testing/process.h"
#include "testing/temporary_folder.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

class Layers : public ::testing::Test {
 protected:
  Layers() {
    write("CMakeLists.txt",
          "add_subdirectory(low)   # level 0\n"
          "add_subdirectory(mid)   # level 1\n"
          "add_subdirectory(peer)  # level 1\n"
          "add_subdirectory(aid)   # tests only\n");
    write("aid/CMakeLists.txt", "ponder_library(aid LINK ponder_low)\n");
    write("aid/a.h", "#include \"peer/a.h\"\n");
    write("low/CMakeLists.txt", "ponder_library(low)\n");
    write("low/a.h", "#include <vector>\n#include \"low/b.h\"\n");
    write("mid/CMakeLists.txt",
          "ponder_library(mid LINK ponder_low fmt::fmt)  # not ponder_peer\n");
    write("mid/a.cpp", "#include \"low/a.h\"\n#include \"mid/a.h\"\n");
    write("peer/CMakeLists.txt", "ponder_library(peer LINK ponder_low)\n");
    write("peer/a_test.cpp", "#include \"low/a.h\"\n#include \"aid/a.h\"\n");
    write("low/a_fixture.h", "#include \"aid/a.h\"\n");
  }

  void write(const std::string& name, const std::string& text) {
    const fs::path path = root_ / "src" / name;
    fs::create_directories(path.parent_path());
    write_file_atomic(path, text);
  }

  testing::Outcome check() const {
    return testing::run({testing::source_dir() / "tools/check_layers", root_.path().string()});
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
  EXPECT_EQ(outcome.out, "layers: 4 folders, 8 uses of another, all downwards\n");
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

TEST_F(Layers, FindsAProductThatUsesAFolderForTests) {
  write("mid/a.cpp", "#include \"low/a.h\"\n#include \"aid/a.h\"\n");
  expect_refused("src/mid/a.cpp:2: mid may use aid only in its tests");
  write("mid/a.cpp", "#include \"low/a.h\"\n");
  write("mid/CMakeLists.txt", "ponder_library(mid LINK ponder_low ponder_aid)\n");
  expect_refused("src/mid/CMakeLists.txt:1: mid may use aid only in its tests");
}

TEST_F(Layers, FindsAFolderThatIsNeverUsed) {
  write("CMakeLists.txt",
        "add_subdirectory(low)   # level 0\n"
        "add_subdirectory(mid)   # level 1; never other, low\n"
        "add_subdirectory(peer)  # level 1\n"
        "add_subdirectory(aid)   # tests only\n");
  write("mid/CMakeLists.txt", "ponder_library(mid LINK fmt::fmt)\n");
  expect_refused("src/mid/a.cpp:1: mid never uses low");
}

TEST_F(Layers, FindsAnIncludeOfAHeaderThatIsInternalToItsFolder) {
  write("low/CMakeLists.txt", "ponder_library(low HEADERS a.h sub/c.h\n  LINK fmt::fmt)\n");
  write("peer/b.cpp", "#include \"low/sub/c.h\"\n");
  EXPECT_EQ(check().status, 0) << check().err;
  write("peer/b_test.cpp", "#include \"low/b.h\"\n");  // a test may
  EXPECT_EQ(check().status, 0) << check().err;
  write("mid/b.h", "#include \"low/b.h\"\n");
  expect_refused("src/mid/b.h:1: low/b.h is not among the HEADERS of src/low/CMakeLists.txt");
}

TEST_F(Layers, FindsADoorThatNobodyUses) {
  write("low/CMakeLists.txt", "ponder_library(low HEADERS a.h b.h)\n");
  expect_refused("src/low/b.h is among the HEADERS of its folder, but no other folder includes it");
}

TEST_F(Layers, FindsAFolderWithoutALevel) {
  write("CMakeLists.txt",
        "add_subdirectory(low)   # level 0\n"
        "add_subdirectory(mid)   # level 1\n"
        "add_subdirectory(aid)   # tests only\n");
  write("aid/a.h", "");
  expect_refused("src/peer is not in src/CMakeLists.txt");
}

}  // namespace
}  // namespace ponder
