#include "base/folder_swap.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

class FolderSwap : public ::testing::Test {
 protected:
  fs::path make(const char* name, const char* content) {
    fs::create_directories(root_ / name);
    write_file_atomic(root_ / name / "file", content);
    return root_ / name;
  }
  std::string content(const char* name) { return read_file(root_ / name / "file"); }
  std::ptrdiff_t entries() {
    return std::distance(fs::directory_iterator(root_.path()), fs::directory_iterator());
  }

  testing::TemporaryFolder root_;
};

TEST_F(FolderSwap, NamesWhatStandsBeside) {
  EXPECT_EQ(beside("runs/out", ".next"), "runs/out.next");
  EXPECT_EQ(beside("runs/out/", ".next"), "runs/out.next");
  EXPECT_EQ(beside("out", ".old"), "out.old");
}

TEST_F(FolderSwap, PutsTheNewInPlaceOfNothingOfAnEmptyOneAndOfAFullOne) {
  swap_folder(make("next", "1"), root_ / "out");
  EXPECT_EQ(content("out"), "1");
  fs::remove(root_ / "out/file");
  swap_folder(make("next", "2"), root_ / "out");
  EXPECT_EQ(content("out"), "2");
  swap_folder(make("next", "3"), root_ / "out");
  EXPECT_EQ(content("out"), "3");
  EXPECT_EQ(entries(), 1);
}

TEST_F(FolderSwap, RecoversWhatAKillBetweenTwoRenamesLeft) {
  const auto recover = [&](bool complete) {
    recover_swapped_folder(root_ / "out", [=](const fs::path&) { return complete; });
  };
  make("out.old", "old");
  recover(false);
  EXPECT_EQ(content("out.old"), "old");
  recover(true);
  EXPECT_EQ(content("out"), "old");
  make("out.old", "older");
  recover(true);
  EXPECT_EQ(content("out"), "old");
  EXPECT_EQ(entries(), 1);
}

TEST_F(FolderSwap, WriterReplacesOnlyWhatItMay) {
  const auto may = [](const fs::path&) { return true; };
  const auto may_not = [](const fs::path&) { return false; };
  {
    FolderWriter writer(root_ / "deep/out", may_not, "ours");
    write_file_atomic(writer.path() / "file", "1");
    EXPECT_FALSE(fs::exists(root_ / "deep/out"));
    writer.commit();
  }
  EXPECT_EQ(content("deep/out"), "1");
  EXPECT_NE(testing::error_text([&] {
              FolderWriter(root_ / "deep/out", may_not, "ours");
            }).find("exists and is not ours, so it is not replaced"),
            std::string::npos);
  { FolderWriter abandoned(root_ / "deep/out", may, "ours"); }
  EXPECT_EQ(content("deep/out"), "1");
  EXPECT_FALSE(fs::exists(root_ / "deep/out.tmp"));
  EXPECT_NE(testing::error_text([&] {
              FolderWriter(root_ / "deep/out/file", may, "ours");
            }).find("expected a folder, found a file"),
            std::string::npos);
}

TEST_F(FolderSwap, WriterFollowsLinksAlsoToWhatIsNotThereYet) {
  const auto may_not = [](const fs::path&) { return false; };
  fs::create_directory(root_ / "disk");
  fs::create_directory_symlink("disk", root_ / "there");
  fs::create_directory_symlink("disk/new", root_ / "later");
  for (const char* link : {"there", "later", "later/"}) {
    fs::remove_all(root_ / "disk/new");
    fs::remove_all(root_ / "disk/file");
    FolderWriter writer(root_ / link, may_not, "ours");
    write_file_atomic(writer.path() / "file", "1");
    writer.commit();
    EXPECT_EQ(content(link), "1");
  }
  EXPECT_TRUE(fs::is_symlink(root_ / "there"));
  EXPECT_TRUE(fs::is_symlink(root_ / "later"));
}

}  // namespace
}  // namespace ponder
