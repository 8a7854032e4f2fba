#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/philox.h"
#include "base/thread_pool.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

class BaseFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("ponder_base_" + std::to_string(::getpid()) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  fs::path folder_;
};

TEST(Philox, KnownAnswers) {  // kat_vectors of Random123 1.14, philox4x32 10
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Hash, Sha256OfAbc) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Threads, EveryPartRunsOnceAndErrorsArrive) {
  for (int n : {1, 2, 4}) {
    ThreadPool pool(n);
    for (int repeat = 0; repeat < 200; ++repeat) {
      std::vector<int> hits(1000);
      pool.parallel_for(1000, 7, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
      });
      ASSERT_EQ(std::accumulate(hits.begin(), hits.end(), 0), 1000);
      ASSERT_EQ(*std::max_element(hits.begin(), hits.end()), 1);
    }
    EXPECT_THROW(pool.run([&](int part) {
      if (part == n - 1) throw Error("a", "b");
    }),
                 Error);
    pool.run([](int) {});
  }
}

TEST_F(BaseFiles, AtomicWriteKeepsTheOldFileOnFailure) {
  const fs::path path = write("x", "old");
  EXPECT_THROW(write_file_atomic(path,
                                 [](FileWriter& w) {
                                   w.write("ne", 2);
                                   throw Error("x", "y");
                                 }),
               Error);
  EXPECT_EQ(read_file(path), "old");
  write_file_atomic(path, "new");
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(BaseFiles, AppendLogDropsATornLine) {
  const fs::path path = write("log", "one\ntwo\nthr");
  AppendLog(path).append("three");
  EXPECT_EQ(read_file(path), "one\ntwo\nthree\n");
}

TEST_F(BaseFiles, SecondLockIsRefused) {
  LockFile first(folder_ / "lock");
  EXPECT_THROW(LockFile second(folder_ / "lock"), Error);
}

TEST_F(BaseFiles, RowsOfEveryDress) {
  const fs::path path = write("rows.jsonl", "\xEF\xBB\xBF{\"a\":1}\r\n\n{\"a\":2}\n  \n{\"a\":3}");
  JsonRowReader reader(path);
  JsonRow row;
  std::vector<std::pair<int, uint64_t>> seen;
  while (reader.next(row)) seen.emplace_back(row.value["a"].get<int>(), row.line);
  EXPECT_EQ(seen, (std::vector<std::pair<int, uint64_t>>{{1, 1}, {2, 3}, {3, 5}}));

  JsonRowReader array(write("rows.json", " [ {\"a\":1},\n {\"a\":2} ]"));
  ASSERT_TRUE(array.next(row));
  ASSERT_TRUE(array.next(row));
  EXPECT_EQ(row.value["a"], 2);
  EXPECT_FALSE(array.next(row));
}

TEST_F(BaseFiles, BadRowsAreNamedAndCounted) {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  const std::vector<std::string> bad = {"{\"a\":1,\"a\":2}",
                                        "{\"a\":",
                                        "{\"a\":\"\xff\"}",
                                        "{\"a\":\"\xc3\"}",
                                        "nonsense",
                                        "{\"a\":" + deep + "}",
                                        std::string("{\"a\":\0}", 7),
                                        "{\"a\":1}}",
                                        "{'a':1}",
                                        "{\"a\":01}",
                                        "{\"a\":NaN}"};
  std::string text = "{\"a\":0}\n";
  for (const auto& line : bad) text += line + "\n";
  text += "{\"a\":9}\n";
  const fs::path path = write("bad.jsonl", text);
  JsonRowReader reader(path);
  JsonRow row;
  std::vector<uint64_t> lines;
  int good = 0;
  while (reader.next(row, [&](uint64_t line, uint64_t offset, const std::string& problem) {
    EXPECT_FALSE(problem.empty());
    EXPECT_TRUE(offset == 0 || text[offset - 1] == '\n');
    lines.push_back(line);
  }))
    ++good;
  EXPECT_EQ(good, 2);
  ASSERT_EQ(lines.size(), bad.size());
  for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i], i + 2);
  JsonRowReader strict(path);
  ASSERT_TRUE(strict.next(row));
  EXPECT_THROW(strict.next(row), Error);
}

TEST_F(BaseFiles, ALineOverTheCapIsReportedNotStored) {
  const fs::path path = folder_ / "long.jsonl";
  {
    std::ofstream out(path, std::ios::binary);
    out << "{\"a\":1}\n";
    const std::string chunk(1 << 20, 'x');
    for (int i = 0; i < 80; ++i) out << chunk;
    out << "\n{\"a\":2}\n";
  }
  JsonRowReader reader(path);
  JsonRow row;
  int bad = 0, good = 0;
  while (reader.next(row, [&](uint64_t line, uint64_t, const std::string&) {
    EXPECT_EQ(line, 2u);
    ++bad;
  }))
    ++good;
  EXPECT_EQ(bad, 1);
  EXPECT_EQ(good, 2);
}

}  // namespace
}  // namespace ponder
