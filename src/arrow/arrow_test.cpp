// Files of another implementation give exactly the rows that were written; damaged ones an Error.
#include "arrow/arrow.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/philox.h"
#include "testing/folders.h"

namespace ponder::arrow {
namespace {

namespace fs = std::filesystem;
const fs::path kGolden = testing::source_dir() / "tests/golden/arrow";

class MemoryBytes : public ByteSource {
 public:
  explicit MemoryBytes(std::string bytes) : bytes_(std::move(bytes)) {}
  size_t read(char* out, size_t num_bytes) override {
    const size_t n = std::min(num_bytes, bytes_.size() - at_);
    std::memcpy(out, bytes_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

std::vector<Json> rows_of(ArrowReader& reader) {
  std::vector<Json> rows;
  JsonRow row;
  while (reader.next(row)) {
    EXPECT_EQ(row.line, rows.size() + 1);
    rows.push_back(row.value);
  }
  return rows;
}

class ArrowGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(ArrowGolden, HoldsExactlyTheRowsThatWereWritten) {
  const fs::path file = kGolden / GetParam();
  ASSERT_TRUE(is_arrow(read_file(file).substr(0, 8)));
  ArrowReader reader(file);
  const std::vector<Json> rows = rows_of(reader);
  JsonRowReader expected(testing::source_dir() / "tests/golden/parquet/rows.jsonl");
  JsonRow row;
  for (size_t i = 0; expected.next(row); ++i) {
    ASSERT_LT(i, rows.size());
    EXPECT_EQ(rows[i], row.value);  // numbers compare by value: 45.0 is 45
  }
}

INSTANTIATE_TEST_SUITE_P(Files, ArrowGolden,
                         ::testing::Values("file.arrow", "stream_lz4.arrow",
                                           "file_large_zstd.arrow", "stream_dictionary.arrow",
                                           "file_views.arrow", "feather.arrow"),
                         [](const auto& file) {
                           const std::string name = file.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(Arrow, AColumnNobodyNeedsRefusesNothing) {
  const fs::path file = kGolden / "unread.arrow";
  const auto use_of = [](ColumnUse use) { return [use](const std::string&) { return use; }; };
  try {
    ArrowReader reader(file, use_of(ColumnUse::kNeeded));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("column price: columns of type Decimal are not read"),
              std::string::npos)
        << error.what();
  }
  ArrowReader reader(file, use_of(ColumnUse::kIfReadable));
  const std::vector<Json> rows = rows_of(reader);
  ASSERT_EQ(rows.size(), 4u);
  for (const char* unread : {"price", "wait", "uuid", "half", "either", "runs", "views", "nothing"})
    EXPECT_TRUE(rows[1].contains(unread) && rows[1][unread].is_null()) << unread;
  EXPECT_EQ(rows[1]["question"], "naïve Ответ 答案");
  EXPECT_EQ(rows[3]["pair"], Json({5, 6}));
  EXPECT_EQ(dump_json(rows[0]["map"]), R"([{"key":"a","value":1}])");
  EXPECT_EQ(rows[1]["bytes"], "text");
  EXPECT_TRUE(rows[0]["bytes"].is_object());  // no UTF-8
  EXPECT_EQ(rows[2]["day"], 2);
  ArrowReader nothing(file, use_of(ColumnUse::kNone));
  EXPECT_TRUE(rows_of(nothing).at(0)["question"].is_null());
}

// Every single byte changed in turn, and the data cut at every length: rows or an Error, nothing else,
// and in no time.
TEST(Arrow, DamageIsAnErrorOrOtherRows) {
  for (const char* name : {"feather.arrow", "unread.arrow"}) {
    const std::string whole = read_file(kGolden / name);
    int errors = 0;
    const auto try_out = [&](std::string bytes) {
      try {
        ArrowReader reader(std::make_unique<MemoryBytes>(std::move(bytes)), name,
                           [](const std::string&) { return ColumnUse::kIfReadable; });
        JsonRow row;
        const auto skip = [](uint64_t, uint64_t, const std::string&) {};
        for (int rows = 0; rows < 1000 && reader.next(row, skip);) ++rows;
      } catch (const Error&) {
        ++errors;
      }
    };
    for (size_t i = 0; i < whole.size(); ++i) {
      for (const char flip : {'\x01', '\x80', '\xFF'}) {
        std::string bytes = whole;
        bytes[i] = static_cast<char>(bytes[i] ^ flip);
        try_out(bytes);
      }
      if (i % 16 == 0) try_out(whole.substr(0, i));
    }
    EXPECT_GT(errors, static_cast<int>(whole.size() / 4)) << name;
  }
}

TEST(Arrow, RandomDamageInEveryLayout) {
  RandomSequence random(7, 7);
  for (const char* name :
       {"file.arrow", "stream_dictionary.arrow", "file_views.arrow", "file_large_zstd.arrow"}) {
    const std::string whole = read_file(kGolden / name);
    for (int round = 0; round < 300; ++round) {
      std::string bytes = whole;
      for (int i = 0; i < 3; ++i)
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      try {
        ArrowReader reader(std::make_unique<MemoryBytes>(std::move(bytes)), name);
        JsonRow row;
        const auto skip = [](uint64_t, uint64_t, const std::string&) {};
        for (int rows = 0; rows < 1000 && reader.next(row, skip);) ++rows;
      } catch (const Error&) {
      }
    }
  }
}

TEST(Arrow, WhatIsCutIsNamed) {
  const std::string whole = read_file(kGolden / "file.arrow");
  for (const size_t size : {size_t{4}, size_t{12}, size_t{500}, whole.size() / 2}) {
    try {
      ArrowReader reader(std::make_unique<MemoryBytes>(whole.substr(0, size)), "f");
      rows_of(reader);
      FAIL() << size;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("the file may be cut"), std::string::npos)
          << error.what();
    }
  }
  EXPECT_FALSE(is_arrow("ARROW1"));
  EXPECT_FALSE(is_arrow("{\"a\":1}\n"));
}

}  // namespace
}  // namespace ponder::arrow
