#include "base/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "testing/temporary_folder.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

size_t num_files(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST(OutputFile, StandsUnderItsNameOnlyWhenCommitted) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "out";
  write_file_atomic(path, "old");
  {
    OutputFile file(path);
    file.write("torn", 4);
    EXPECT_EQ(read_file(path), "old");
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(num_files(folder.path()), 1u);
  OutputFile file(path);
  file.write("new", 3);
  file.commit();
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(num_files(folder.path()), 1u);
}

TEST(OutputFile, FollowsLinksAlsoToWhatIsNotThereYet) {
  const testing::TemporaryFolder folder;
  fs::create_directory(folder.path() / "disk");
  fs::create_symlink("disk/real", folder.path() / "second");
  fs::create_symlink(folder.path() / "second", folder.path() / "first");
  write_file_atomic(folder.path() / "first", "made");
  EXPECT_TRUE(fs::is_symlink(folder.path() / "first"));
  EXPECT_TRUE(fs::is_symlink(folder.path() / "second"));
  EXPECT_EQ(read_file(folder.path() / "disk" / "real"), "made");
  write_file_atomic(folder.path() / "first", "replaced");
  EXPECT_EQ(read_file(folder.path() / "disk" / "real"), "replaced");
  fs::create_symlink("circle", folder.path() / "circle");
  EXPECT_THROW(write_file_atomic(folder.path() / "circle", "x"), Error);
}

TEST(OutputFile, APipeIsWrittenDirectlyAndStaysAPipe) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] {
    const int fd = ::open(path.c_str(), O_RDONLY);
    char buffer[16];
    for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
      got.append(buffer, static_cast<size_t>(n));
    ::close(fd);
  });
  {
    OutputFile file(path);
    EXPECT_TRUE(file.direct());
    file.write("through", 7);
    file.commit();
  }
  reader.join();
  EXPECT_EQ(got, "through");
  EXPECT_TRUE(fs::is_fifo(path));
  EXPECT_EQ(num_files(folder.path()), 1u);
}

TEST(OutputFile, ADeviceStaysADevice) {
  const testing::TemporaryFolder folder;  // never the machine's own /dev/null, were this to fail
  const fs::path path = folder.path() / "null";
  if (::mknod(path.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) GTEST_SKIP() << "not root";
  write_file_atomic(path, "nothing");
  EXPECT_TRUE(fs::is_character_file(path));
  EXPECT_EQ(num_files(folder.path()), 1u);
}

TEST(OutputFile, SharedMemoryHoldsFilesLikeAnyFolder) {
  std::string name = "/dev/shm/ponder-test-XXXXXX";
  if (!::mkdtemp(name.data())) GTEST_SKIP() << "no /dev/shm";
  const fs::path folder = name;
  write_file_atomic(folder / "out", "new");
  {
    OutputFile file(folder / "out");
    EXPECT_FALSE(file.direct());
    file.write("half", 4);
  }
  EXPECT_EQ(read_file(folder / "out"), "new");  // what was not committed replaced nothing
  fs::remove_all(folder);
}

TEST(OutputFile, IsWrittenByOneAtATime) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "out";
  OutputFile first(path);
  first.write("first", 5);
  try {
    OutputFile second(path);
    FAIL() << "two write one file";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBusy);
    EXPECT_EQ(error.where(), path.string());
  }
  first.commit();
  EXPECT_EQ(read_file(path), "first");
  write_file_atomic(path, "second");
  EXPECT_EQ(read_file(path), "second");
}

TEST(OutputFile, WhatAKilledProcessLeftIsUsedAgain) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "out";
  write_file_atomic(folder.path() / "out.tmp", "much longer than what comes now");
  write_file_atomic(path, "short");
  EXPECT_EQ(read_file(path), "short");
  EXPECT_EQ(num_files(folder.path()), 1u);
}

TEST(OutputFile, TakesTheLongestNamesAndNoFolders) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / std::string(255, 'n');
  write_file_atomic(path, "long");
  EXPECT_EQ(read_file(path), "long");
  EXPECT_EQ(num_files(folder.path()), 1u);
  EXPECT_THROW(write_file_atomic(folder.path(), "x"), Error);
}

// Holders remove the name while they hold the lock, as those of a folder beside it do.
TEST(LockFile, OneHolderAlsoWhereHoldersRemoveTheFile) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "lock";
  std::atomic<int> holders = 0, most = 0, taken = 0;
  const auto compete = [&] {
    while (taken < 300) {  // a busy machine refuses more often than it lets one in
      const int fd = open_locked(path, O_RDWR);
      if (fd < 0) continue;
      const int now = ++holders;
      if (now > most) most = now;
      ++taken;
      std::this_thread::sleep_for(std::chrono::microseconds(20));  // lets the others come upon it
      --holders;
      ::unlink(path.c_str());
      ::close(fd);
    }
  };
  std::thread second(compete), third(compete);
  compete();
  second.join();
  third.join();
  EXPECT_EQ(most, 1);
}

}  // namespace
}  // namespace ponder
