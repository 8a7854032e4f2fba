#include <gtest/gtest.h>
#include <sched.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/philox.h"
#include "base/thread_pool.h"
#include "testing/temporary_folder.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

class BaseFiles : public ::testing::Test {
 protected:
  fs::path write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
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

TEST(Threads, TheCallerDoesThePartsOfThreadsThatGetNoCore) {
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);  // the pool's threads inherit it
  {
    ThreadPool pool(4);
    const std::thread::id caller = std::this_thread::get_id();
    int by_caller = 0;
    for (int repeat = 0; repeat < 1000; ++repeat) {
      std::array<std::atomic<int>, 4> hits{};
      std::array<std::thread::id, 4> by;
      pool.run([&](int part) {
        ++hits[static_cast<size_t>(part)];
        by[static_cast<size_t>(part)] = std::this_thread::get_id();
      });
      for (const auto& hit : hits) ASSERT_EQ(hit, 1);
      by_caller += static_cast<int>(std::count(by.begin() + 1, by.end(), caller));
    }
    EXPECT_GT(by_caller, 0);
  }
  ::sched_setaffinity(0, sizeof before, &before);
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
  try {
    LockFile second(folder_ / "lock");
    ADD_FAILURE() << "was not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBusy);
  }
}

TEST_F(BaseFiles, WhoHoldsALockIsToldWithoutTakingIt) {
  const fs::path path = folder_ / "lock";
  EXPECT_FALSE(lock_holder(path));
  EXPECT_FALSE(fs::exists(path));
  std::atomic<bool> done = false;
  {
    const LockFile held(path);
    const std::string holder = lock_holder(path).value_or("nobody");
    EXPECT_TRUE(holder.starts_with("pid " + std::to_string(::getpid()) + " on ")) << holder;
  }
  EXPECT_FALSE(lock_holder(path));
  // Those who look are in nobody's way.
  std::thread looking([&] {
    while (!done) {
      lock_holder(path);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (int i = 0; i < 50; ++i) EXPECT_NO_THROW(LockFile{path});
  done = true;
  looking.join();
}

TEST_F(BaseFiles, ErrorsSayWhatKindTheyAre) {
  const auto kind_of = [](const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::kInternal;
  };
  const fs::path missing = folder_ / "missing", below_a_file = write("x", "{") / "y";
  EXPECT_EQ(kind_of([&] { read_file(missing); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { sha256_file(missing); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { JsonRowReader reader(missing); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { read_file(below_a_file); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { read_json_file(folder_ / "x"); }), ErrorKind::kInput);
  EXPECT_EQ(kind_of([&] { throw Error("a flag", "is wrong"); }), ErrorKind::kInput);
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
                                        "{\"a\":01}"};
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

TEST_F(BaseFiles, ArraysAreReadElementByElement) {
  JsonRow row;
  const auto read = [&](const std::string& text) {
    JsonRowReader reader(write("array.json", text));
    std::vector<std::string> seen;
    while (reader.next(row, [&](uint64_t line, uint64_t offset, const std::string&) {
      seen.push_back("bad " + std::to_string(line) + " at " + std::to_string(offset));
    })) {
      seen.push_back(dump_json(row.value) + " at " + std::to_string(row.byte_offset));
    }
    return seen;
  };
  using Seen = std::vector<std::string>;
  EXPECT_EQ(read("[]"), Seen{});
  EXPECT_EQ(read(" [ {\"a\":\"],\\\"\"} ,[1,[2]], \"x,y\",3 ]\n"),
            (Seen{"{\"a\":\"],\\\"\"} at 3", "[1,[2]] at 17", "\"x,y\" at 26", "3 at 32"}));
  // A broken element is reported, and the next one read.
  EXPECT_EQ(read("[{\"a\":},{\"b\":1},nonsense,{\"c\":2}]"),
            (Seen{"bad 1 at 1", "{\"b\":1} at 8", "bad 3 at 16", "{\"c\":2} at 25"}));
  for (const char* broken : {"[", "[1", "[1,", "[1,]", "[1] 2", "[{\"a\":1", "[1,2}", "[,1]"}) {
    EXPECT_THROW(read(broken), Error) << broken;
  }
}

TEST_F(BaseFiles, RowsOfTooManyValuesAreRefusedWithoutBuildingThem) {
  std::string text = "{\"a\":1}\n[";
  for (int i = 0; i < 600000; ++i) text += "1,";
  text += "1]\n{\"a\":2}\n";
  JsonRowReader reader(write("many.jsonl", text));
  JsonRow row;
  std::string problem;
  int good = 0;
  while (reader.next(row, [&](uint64_t, uint64_t, const std::string& what) { problem = what; }))
    ++good;
  EXPECT_EQ(good, 2);
  EXPECT_NE(problem.find("JSON values"), std::string::npos) << problem;
}

TEST_F(BaseFiles, LargeRowsBetweenSmallOnesKeepTheirPlaces) {
  const std::string big(3 << 20, 'x');
  const std::string text = "{\"a\":1}\n{\"b\":\"" + big + "\"}\n{\"c\":\"" + big + "\"}\n{\"d\":4}";
  JsonRowReader reader(write("large.jsonl", text));
  JsonRow row;
  std::vector<std::string> keys;
  while (reader.next(row)) {
    keys.push_back(row.value.begin().key() + std::to_string(row.line));
    EXPECT_EQ(text.compare(row.byte_offset, 4, "{\"" + row.value.begin().key() + "\""), 0);
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"a1", "b2", "c3", "d4"}));
}

// With a checksum, as the command line tool writes it.
std::string zstd(const std::string& text) {
  ZSTD_CCtx* context = ::ZSTD_createCCtx();
  ::ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string packed(::ZSTD_compressBound(text.size()), '\0');
  packed.resize(::ZSTD_compress2(context, packed.data(), packed.size(), text.data(), text.size()));
  ::ZSTD_freeCCtx(context);
  return packed;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

TEST_F(BaseFiles, PackedFilesAreRecognisedByTheirContent) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "{\"a\":" + std::to_string(i) + "}\n";
  const size_t half = text.size() / 2;
  const std::string first = text.substr(0, half), second = text.substr(half);
  for (const std::string& packed :
       {gzip(text), gzip(first) + gzip(second), gzip(text) + std::string(512, '\0'), zstd(text),
        zstd(first) + zstd(second),
        std::string("\x50\x2A\x4D\x18\x03\0\0\0abc", 11) + zstd(text)}) {
    EXPECT_EQ(read_file(write("packed.txt", packed)), text);
    JsonRowReader reader(folder_ / "packed.txt");
    JsonRow row;
    int n = 0;
    while (reader.next(row)) EXPECT_EQ(row.value["a"], n++);
    EXPECT_EQ(n, 100000);
  }
  EXPECT_EQ(read_file(write("empty.zst", zstd(""))), "");
  EXPECT_EQ(read_file(write("empty.gz", gzip(""))), "");
}

TEST_F(BaseFiles, DamagedPackedFilesEndInAnError) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i * 7919 % 10007) + "\n";
  for (const std::string& packed : {gzip(text), zstd(text)}) {
    for (const size_t keep : {size_t{5}, packed.size() / 2, packed.size() - 1}) {
      EXPECT_THROW(read_file(write("cut", packed.substr(0, keep))), Error) << keep;
    }
    std::string broken = packed;
    for (size_t i = packed.size() / 2; i < packed.size() / 2 + 20; ++i) broken[i] ^= 0x5A;
    EXPECT_THROW(read_file(write("broken", broken)), Error);
  }
  EXPECT_THROW(read_file(write("more.gz", gzip(text) + "and more")), Error);
}

TEST_F(BaseFiles, PackedParquetIsNamed) {
  JsonRowReader reader(write("rows.parquet.gz", gzip("PAR1\n{}\n")));
  JsonRow row;
  try {
    reader.next(row, [](uint64_t, uint64_t, const std::string&) { FAIL(); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.problem().find("Parquet"), std::string::npos) << error.what();
  }
  JsonRowReader other(write("rows.jsonl", "{}\nPAR1\n{}\n"));  // a bad row like any other
  int good = 0;
  while (other.next(row, [](uint64_t, uint64_t, const std::string&) {})) ++good;
  EXPECT_EQ(good, 2);
}

TEST_F(BaseFiles, AZstandardWindowThatIsTooLargeIsRefused) {
  // A frame header alone: window descriptor 0xB8 asks for 2^33 bytes.
  const std::string frame("\x28\xB5\x2F\xFD\x00\xB8\x01\x00\x00", 9);
  try {
    read_file(write("window.zst", frame));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.problem().find("window"), std::string::npos) << error.what();
  }
}

// The most memory the process ever held, in bytes: nothing below may take more to prepare its
// files.
uint64_t peak_bytes() {
  uint64_t kib = 0;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) kib = std::stoull(line.substr(6));
  }
  return kib * 1024;
}

class SlowFiles : public BaseFiles {
 protected:
  // Packs what `fill` hands over, piece by piece.
  fs::path pack(const std::string& name, const std::function<void(FileWriter&)>& fill) {
    class Packer : public FileWriter {
     public:
      explicit Packer(const fs::path& path) : out_(path, std::ios::binary) {}
      ~Packer() override {
        step(nullptr, 0, ZSTD_e_end);
        ::ZSTD_freeCCtx(context_);
      }
      void write(const void* data, size_t num_bytes) override {
        step(data, num_bytes, ZSTD_e_continue);
      }

     private:
      void step(const void* data, size_t num_bytes, ZSTD_EndDirective mode) {
        ZSTD_inBuffer in{data, num_bytes, 0};
        size_t left = 1;
        while (in.pos < in.size || (mode == ZSTD_e_end && left > 0)) {
          char buffer[1 << 16];
          ZSTD_outBuffer packed{buffer, sizeof buffer, 0};
          left = ::ZSTD_compressStream2(context_, &packed, &in, mode);
          out_.write(buffer, static_cast<std::streamsize>(packed.pos));
        }
      }
      ZSTD_CCtx* context_ = ::ZSTD_createCCtx();
      std::ofstream out_;
    };
    Packer packer(folder_ / name);
    fill(packer);
    return folder_ / name;
  }
  static void write(FileWriter& out, const std::string& text) {
    out.write(text.data(), text.size());
  }
  // Rows and bad rows of a file, read in less than twice the row limit and what the program takes.
  std::pair<uint64_t, uint64_t> count(const fs::path& path) {
    const uint64_t limit = 2 * JsonRowReader::kMaxLineBytes + (uint64_t{32} << 20);
    uint64_t good = 0, bad = 0;
    JsonRowReader reader(path);
    JsonRow row;
    while (reader.next(row, [&](uint64_t, uint64_t, const std::string&) { ++bad; })) ++good;
    EXPECT_LT(peak_bytes(), limit) << path;
    return {good, bad};
  }
};

TEST_F(SlowFiles, ALineOfAGigabyte) {
  std::string piece;
  for (int i = 0; piece.size() < (1 << 20); ++i) piece += std::to_string(i * 7919LL * 7919);
  const fs::path path = pack("long.zst", [&](FileWriter& out) {
    write(out, "{\"a\":\"");
    // What packs too well would be refused as a bomb.
    for (int i = 0; i < 1024; ++i) write(out, piece.substr(static_cast<size_t>(i)));
    write(out, "\"}\n{\"b\":1}\n");
  });
  EXPECT_EQ(count(path), (std::pair<uint64_t, uint64_t>{1, 1}));
}

TEST_F(SlowFiles, ARowJustBelowTheLimit) {
  const std::string piece(1 << 16, 'a');
  const auto large = [&](FileWriter& out) {
    write(out, "{\"a\":\"");
    for (uint64_t i = 1; i < JsonRowReader::kMaxLineBytes / piece.size(); ++i) write(out, piece);
    write(out, "\"}");
  };
  write_file_atomic(folder_ / "row.jsonl", [&](FileWriter& out) {
    large(out);
    write(out, "\n{\"b\":1}\n");
  });
  EXPECT_EQ(count(folder_ / "row.jsonl"), (std::pair<uint64_t, uint64_t>{2, 0}));
  write_file_atomic(folder_ / "row.json", [&](FileWriter& out) {
    write(out, "[");
    large(out);
    write(out, ",2]");
  });
  EXPECT_EQ(count(folder_ / "row.json"), (std::pair<uint64_t, uint64_t>{2, 0}));
}

TEST_F(SlowFiles, TenMillionShortLines) {
  const fs::path path = pack("short.zst", [&](FileWriter& out) {
    std::string lines;
    for (int i = 0; i < 10000000; ++i) {
      lines += i % 10 == 0 ? "{\"a\":}\n" : "{\"a\":" + std::to_string(i) + "}\n";
      if (lines.size() > (1 << 16)) {
        write(out, lines);
        lines.clear();
      }
    }
    write(out, lines);
  });
  EXPECT_EQ(count(path), (std::pair<uint64_t, uint64_t>{9000000, 1000000}));
}

TEST_F(SlowFiles, ABombIsRefused) {
  const std::string zeros(1 << 20, ' ');
  const fs::path path = pack("bomb.zst", [&](FileWriter& out) {
    for (int i = 0; i < 8192; ++i) write(out, zeros);
  });
  EXPECT_LT(fs::file_size(path), 1u << 20);
  EXPECT_THROW(count(path), Error);
}

}  // namespace
}  // namespace ponder
