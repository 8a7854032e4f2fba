#include "base/mended_json.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "testing/temporary_folder.h"

namespace ponder {
namespace {

Json mended(const std::string& text) {
  const std::string json = mended_json(text);
  return json.empty() ? Json() : parse_json(json, "mended");
}

std::string why(const Json& value) { return value.at(kUnreadable).get<std::string>(); }

TEST(MendedJson, WhatJsonDoesNotHaveIsNamedInItsPlace) {
  const Json row =
      mended(R"({"a": NaN, "b": [-Infinity, Infinity], "c": "x \ud83d y", "NaN": "NaN"})");
  EXPECT_EQ(why(row["a"]).find("NaN, which JSON does not have"), 0u);
  EXPECT_EQ(why(row["b"][0]).find("-Infinity, "), 0u);
  EXPECT_EQ(why(row["b"][1]).find("Infinity, "), 0u);
  EXPECT_NE(why(row["c"]).find("\\ud83d, half of a surrogate pair"), std::string::npos);
  EXPECT_EQ(row["NaN"], "NaN");  // a text is one
}

TEST(MendedJson, NumbersBeyondSixtyFourBitsBecomeTheirDigits) {
  const Json row = mended(R"([123456789012345678901234567890, -9223372036854775809, 1e400, 1e-400,
                             18446744073709551615, -9223372036854775808, 0.5, -0])");
  EXPECT_EQ(row[0], "123456789012345678901234567890");
  EXPECT_EQ(row[1], "-9223372036854775809");
  EXPECT_EQ(row[2], "1e400");
  for (size_t i = 3; i < row.size(); ++i) EXPECT_TRUE(row[i].is_number()) << i;
}

TEST(MendedJson, WhatHasNoneOfTheseStaysAsItIs) {
  for (const char* text : {"", "{", R"({"a":1})", R"({"a":"\ud83d\ude00"})", R"({"a":01})", "[nan]",
                           R"({"a":"\\ud83d"})", R"("open \ud83d)", R"({"\ud83d":1})"}) {
    EXPECT_EQ(mended_json(text), "") << text;
  }
  for (const char* half :
       {R"(["\ud83d"])", R"(["\ud83d\u0041"])", R"(["\ude00"])", R"(["\ud83d\n"])"})
    EXPECT_TRUE(mended(half)[0].is_object()) << half;
}

TEST(MendedJson, RowsAreReadWithThem) {
  const testing::TemporaryFolder folder;
  write_file_atomic(folder / "rows.jsonl", "{\"a\":NaN,\"b\":1}\n{\"a\":NaN,\"b\":}\n{\"b\":2}\n");
  JsonRowReader reader(folder / "rows.jsonl");
  JsonRow row;
  ASSERT_TRUE(reader.next(row));
  EXPECT_EQ(row.value["b"], 1);
  EXPECT_NE(why(row.value["a"]).find("NaN"), std::string::npos);
  EXPECT_THROW(reader.next(row), Error);
  ASSERT_TRUE(reader.next(row));
  EXPECT_EQ(row.value["b"], 2);
  EXPECT_EQ(row.line, 3u);
}

}  // namespace
}  // namespace ponder
