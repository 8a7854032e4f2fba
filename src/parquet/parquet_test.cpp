// Files of other implementations give exactly the rows that were written; damaged ones an Error.
#include "parquet/parquet.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/philox.h"
#include "parquet/column_reader.h"
#include "parquet/encodings.h"
#include "parquet/thrift.h"
#include "testing/folders.h"

namespace ponder::parquet {
namespace {

namespace fs = std::filesystem;
const fs::path kGolden = testing::source_dir() / "tests/golden/parquet";

class MemoryFile : public RandomAccess {
 public:
  explicit MemoryFile(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  std::string read(uint64_t offset, uint64_t num_bytes) const override {
    EXPECT_LE(offset, bytes_.size());
    EXPECT_LE(num_bytes, bytes_.size() - offset);
    return bytes_.substr(offset, num_bytes);
  }

 private:
  std::string bytes_;
};

std::vector<Json> expected_rows() {
  std::vector<Json> rows;
  JsonRowReader reader(kGolden / "rows.jsonl");
  JsonRow row;
  while (reader.next(row)) rows.push_back(row.value);
  return rows;
}

std::vector<Json> rows_of(ParquetReader& reader) {
  std::vector<Json> rows;
  JsonRow row;
  while (reader.next(row)) {
    EXPECT_EQ(row.line, rows.size() + 1);
    rows.push_back(row.value);
  }
  return rows;
}

class Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(Golden, HoldsExactlyTheRowsThatWereWritten) {
  const fs::path file = kGolden / GetParam();
  ASSERT_TRUE(is_parquet(file));
  ParquetReader reader(file);
  const std::vector<Json> rows = rows_of(reader), expected = expected_rows();
  ASSERT_EQ(rows.size(), expected.size());
  // Numbers compare by value: 45.0 is 45.
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i], expected[i]);
}

INSTANTIATE_TEST_SUITE_P(Files, Golden,
                         ::testing::Values("v1_plain.parquet", "v1_dictionary_snappy.parquet",
                                           "v1_groups.parquet", "v2_dictionary_gzip.parquet",
                                           "v2_delta_zstd.parquet", "v2_lengths_groups.parquet"),
                         [](const auto& file) {
                           const std::string name = file.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(Parquet, ColumnsOfJsonByAnotherWriter) {
  ParquetReader reader(kGolden / "hyparquet.parquet");
  const std::vector<Json> rows = rows_of(reader), expected = expected_rows();
  ASSERT_EQ(rows.size(), 5u);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i]["question"], expected[i]["question"]);
    EXPECT_EQ(rows[i]["extra"], expected[i]["meta"]);
    EXPECT_EQ(rows[i]["flag"], expected[i]["flag"]);
    EXPECT_EQ(rows[i]["score"], expected[i]["score"]);
  }
}

void expect_refused(const fs::path& file, std::string_view word) {
  try {
    ParquetReader reader(file);
    rows_of(reader);
    FAIL() << file;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
  }
}

TEST(Parquet, WhatIsNotReadIsRefusedByName) {
  expect_refused(kGolden / "uuid.parquet", "FIXED_LEN_BYTE_ARRAY");
  expect_refused(kGolden / "rows.jsonl", "expected a Parquet file");
  expect_refused(kGolden / "absent.parquet", "cannot be read");
  EXPECT_FALSE(is_parquet(kGolden / "rows.jsonl"));
  EXPECT_FALSE(is_parquet(kGolden / "absent.parquet"));
  EXPECT_FALSE(is_parquet(kGolden));
}

TEST(Parquet, Lz4IsRead) {
  ParquetReader reader(kGolden / "lz4.parquet");
  const std::vector<Json> rows = rows_of(reader), expected = expected_rows();
  ASSERT_FALSE(rows.empty());
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i], expected.at(i));
  // Hadoop's blocks, behind their sizes unpacked and packed.
  const std::string block(
      "\x50"
      "abcde",
      6);
  const std::string framed = std::string("\0\0\0\x05\0\0\0\x06", 8) + block;
  EXPECT_EQ(decompress(5, framed + framed, 10), "abcdeabcde");
  EXPECT_THROW(decompress(5, framed, 4), DecodeFault);
  EXPECT_THROW(decompress(5, framed.substr(0, 9), 5), DecodeFault);
}

TEST(Parquet, ACodecThatIsNotReadIsNoDamage) {
  Leaf leaf;
  leaf.name = "text";
  ColumnChunk chunk;
  chunk.codec = 4;
  const MemoryFile file("");
  try {
    ColumnReader column(file, leaf, chunk, "f");
    FAIL();
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("f, column text: codec BROTLI is not read"), std::string::npos) << text;
    EXPECT_EQ(text.find("damaged"), std::string::npos) << text;
  }
}

TEST(Parquet, AColumnNobodyNeedsRefusesNothing) {
  EXPECT_NO_THROW(ParquetReader(kGolden / "uuid.parquet",
                                [](const std::string&) { return ColumnUse::kIfReadable; }));
  ParquetReader reader(kGolden / "hyparquet.parquet", [](const std::string& name) {
    return name == "question" ? ColumnUse::kNeeded : ColumnUse::kNone;
  });
  const std::vector<Json> rows = rows_of(reader), expected = expected_rows();
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0]["question"], expected[0]["question"]);
  EXPECT_TRUE(rows[0].contains("extra") && rows[0]["extra"].is_null());
}

// Every single byte changed in turn, and the file cut at every length: rows or an Error, nothing
// else, and in no time.
TEST(Parquet, DamageIsAnErrorOrOtherRows) {
  std::string problems;  // of all errors
  for (const char* name :
       {"hyparquet.parquet", "uuid.parquet", "lz4.parquet", "demonstrations.parquet"}) {
    const std::string whole = read_file(kGolden / name);
    int errors = 0;
    const auto try_out = [&](std::string bytes) {
      try {
        ParquetReader reader(std::make_unique<MemoryFile>(std::move(bytes)), name);
        JsonRow row;
        int rows = 0;
        while (rows < 1000 && reader.next(row, [&](uint64_t, uint64_t, const std::string&) {})) {
          ++rows;
        }
      } catch (const Error& error) {
        problems += error.problem() + "\n";
        ++errors;
      }
    };
    for (size_t i = 0; i < whole.size(); ++i) {
      for (const char flip : {'\x01', '\x02', '\x80', '\xFF'}) {
        std::string bytes = whole;
        bytes[i] = static_cast<char>(bytes[i] ^ flip);
        try_out(bytes);
      }
      try_out(whole.substr(0, i));
    }
    EXPECT_GT(errors, static_cast<int>(whole.size()));
  }
  // Lies that no count and no length gives away by itself.
  for (const char* lie :
       {"the column has more rows than its group", "the column has fewer rows than the others",
        "where the page's header says", "the pages end", "a row that begins inside a list",
        "beyond", " values where "}) {
    EXPECT_NE(problems.find(lie), std::string::npos) << lie;
  }
}

TEST(Parquet, RandomDamageInEveryEncoding) {
  RandomSequence random(7, 7);
  for (const char* name : {"v1_dictionary_snappy.parquet", "v2_delta_zstd.parquet",
                           "v2_lengths_groups.parquet", "v2_dictionary_gzip.parquet"}) {
    const std::string whole = read_file(kGolden / name);
    for (int round = 0; round < 300; ++round) {
      std::string bytes = whole;
      for (int i = 0; i < 3; ++i) {
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      }
      try {
        ParquetReader reader(std::make_unique<MemoryFile>(std::move(bytes)), name);
        JsonRow row;
        for (int rows = 0; rows < 1000; ++rows) {
          if (!reader.next(row, [](uint64_t, uint64_t, const std::string&) {})) break;
        }
      } catch (const Error&) {
      }
    }
  }
}

std::string with_footer(const std::string& thrift, uint32_t claimed) {
  std::string bytes = "PAR1" + thrift;
  bytes.append(reinterpret_cast<const char*>(&claimed), 4);
  return bytes + "PAR1";
}

TEST(Parquet, LyingSizesAllocateNothing) {
  const auto open = [](const std::string& bytes) {
    ParquetReader reader(std::make_unique<MemoryFile>(bytes), "f");
  };
  EXPECT_THROW(open(with_footer("", 0)), Error);
  EXPECT_THROW(open(with_footer("x", 0xFFFFFFFF)), Error);
  EXPECT_THROW(open(with_footer("x", 2)), Error);
  // Field 2, a list of 2^35 structs in a few bytes.
  const std::string list = "\x29\xFC\xFF\xFF\xFF\xFF\x7F";
  EXPECT_THROW(open(with_footer(list, static_cast<uint32_t>(list.size()))), Error);
  EXPECT_THROW(decompress(1, "\xFF\xFF\xFF\x0F", 33554431), DecodeFault);
  EXPECT_THROW(decompress(2, "nonsense", 1 << 26), DecodeFault);
  EXPECT_THROW(decompress(6, "nonsense", 1 << 26), DecodeFault);
  EXPECT_THROW(decompress(4, "", 0), DecodeFault);
}

// One page of one value in a list, whose repetition and definition levels are these.
std::string page_with_levels(char repetition, char definition) {
  const std::string head("\x15\x00\x15\x28\x15\x28\x2C\x15\x02\x15\x00\x15\x06\x15\x06\x00\x00",
                         17);
  const std::string length("\x02\x00\x00\x00", 4);
  return head + length + "\x02" + repetition + length + "\x02" + definition + "12345678";
}

TEST(Parquet, LevelsBeyondTheirLargestAreRefused) {
  Leaf leaf;
  leaf.name = "list";
  leaf.type = PhysicalType::kInt64;
  leaf.max_definition_level = leaf.max_repetition_level = 1;
  const auto read = [&](char repetition, char definition) {
    const MemoryFile file(page_with_levels(repetition, definition));
    ColumnChunk chunk;
    chunk.num_values = 1;
    chunk.end = file.size();
    ColumnReader column(file, leaf, chunk, "f");
    Value value;
    int level = 0;
    column.next(value, level);
    EXPECT_EQ(level, definition);
    EXPECT_FALSE(column.more());
  };
  EXPECT_NO_THROW(read(0, 1));
  EXPECT_NO_THROW(read(1, 0));
  EXPECT_THROW(read(3, 1), Error);  // one bit is all it needs, but a run has whole bytes
  EXPECT_THROW(read(0, 3), Error);
}

// A list whose repeated group has one member: the group is only there to repeat it, unless its name
// says that older writers meant a struct of one member.
TEST(Parquet, ListsOfOldAndNewWriters) {
  const auto kind_of_member = [](const std::string& repeated) {
    const auto text = [](const std::string& name) {
      return std::string(1, static_cast<char>(name.size())) + name;
    };
    const std::string footer =
        "\x29\x4C" + ("\x48" + text("row")) + std::string("\x15\x02\x00", 3) +
        ("\x35\x02\x18" + text("l")) + std::string("\x15\x02\x15\x06\x00", 5) +
        ("\x35\x04\x18" + text(repeated)) + std::string("\x15\x02\x00", 3) +
        ("\x15\x0C\x25\x02\x18" + text("x")) + std::string("\x25\x00\x00\x29\x0C\x00", 6);
    return parse_metadata(footer, 1000, "f").leaves.at(0).path.back().kind;
  };
  EXPECT_EQ(kind_of_member("list"), PathStep::Kind::kSame);
  EXPECT_EQ(kind_of_member("element"), PathStep::Kind::kSame);
  EXPECT_EQ(kind_of_member("array"), PathStep::Kind::kField);
  EXPECT_EQ(kind_of_member("l_tuple"), PathStep::Kind::kField);
}

TEST(Encodings, RunsAndPackedValues) {
  // The example of the specification: 0 to 7 in three bits, then a run of five 6.
  const std::string bytes("\x03\x88\xC6\xFA\x0A\x06", 6);
  RleDecoder decoder(bytes, 3);
  for (uint32_t i = 0; i < 8; ++i) EXPECT_EQ(decoder.next(), i);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(decoder.next(), 6u);
  EXPECT_THROW(decoder.next(), DecodeFault);
}

TEST(Encodings, BitsAcrossAllOfSixtyFour) {
  // One delta block of 64-bit deltas: first value 0, min delta 0, one value of each pattern.
  std::string bytes("\x80\x01\x04\x03\x00\x00\x40\x00\x00\x00", 10);
  for (const uint64_t delta : {UINT64_MAX, uint64_t{0x0123456789ABCDEF}}) {
    bytes.append(reinterpret_cast<const char*>(&delta), 8);
  }
  DeltaDecoder decoder(bytes);
  EXPECT_EQ(decoder.num_values(), 3u);
  EXPECT_EQ(decoder.next(), 0);
  EXPECT_EQ(decoder.next(), -1);
  EXPECT_EQ(decoder.next(), 0x0123456789ABCDEE);
  EXPECT_THROW(decoder.next(), DecodeFault);
}

// 32-bit columns wrap around in 32 bits: the largest number, and one more.
TEST(Encodings, DeltasOfThirtyTwoBitsWrapAround) {
  const std::string bytes("\x80\x01\x04\x02\xFE\xFF\xFF\xFF\x0F\x02\x00\x00\x00\x00", 14);
  for (const auto& [type, expected] : {std::pair(PhysicalType::kInt32, int64_t{INT32_MIN}),
                                       std::pair(PhysicalType::kInt64, int64_t{INT32_MAX} + 1)}) {
    ValueDecoder decoder(bytes, 5, type, nullptr);
    Value value;
    decoder.next(value);
    EXPECT_EQ(value.integer, INT32_MAX);
    decoder.next(value);
    EXPECT_EQ(value.integer, expected);
  }
}

TEST(Encodings, IndicesStayInsideTheDictionary) {
  std::vector<Value> dictionary(3);
  for (int64_t i = 0; i < 3; ++i) dictionary[static_cast<size_t>(i)].integer = 10 + i;
  const std::string bytes("\x02\x02\x02\x02\x03", 5);  // two bits; one 2, one 3
  ValueDecoder decoder(bytes, 8, PhysicalType::kInt64, &dictionary);
  Value value;
  decoder.next(value);
  EXPECT_EQ(value.integer, 12);
  EXPECT_THROW(decoder.next(value), DecodeFault);
}

TEST(Encodings, ImpossibleDeltas) {
  const std::string tables[] = {std::string("\x80\x01\x00\x03\x00", 5),
                                std::string("\x81\x01\x04\x03\x00", 5),
                                std::string("\x00\x04\x03\x00", 4), "", "\x80"};
  for (const std::string& bytes : tables) EXPECT_THROW(DeltaDecoder{bytes}, DecodeFault);
  const std::string many("\x80\x01\x01\xFF\xFF\xFF\xFF\x0F\x00\x00\x00", 11);
  EXPECT_THROW(DeltaDecoder{many}, DecodeFault);
}

TEST(Thrift, DepthAndLengthsAreBounded) {
  const std::string deep(100000, '\x1C');  // a struct in a struct in a struct …
  ThriftReader reader(deep);
  EXPECT_THROW(reader.skip(ThriftType::kStruct), ThriftFault);
  const std::string lists(100000, '\x19');
  ThriftReader nested(lists);
  EXPECT_THROW(nested.skip(ThriftType::kList), ThriftFault);
  const std::string text = "\xFF\xFF\xFF\xFF\x0F";
  ThriftReader longer(text);
  EXPECT_THROW(longer.skip(ThriftType::kBinary), ThriftEnd);
  const std::string number(20, '\xFF');
  ThriftReader huge(number);
  EXPECT_THROW(huge.skip(ThriftType::kI64), ThriftFault);
}

}  // namespace
}  // namespace ponder::parquet
