#include "base/json_fields.h"

#include <gtest/gtest.h>

#include "testing/error_text.h"

namespace ponder {
namespace {

class JsonFieldsTest : public ::testing::Test {
 protected:
  const Json json_ = parse_json(R"({
    "text": "t", "yes": true, "seven": 7, "half": 0.5, "large": 18446744073709551615,
    "nothing": null, "ids": [1, 2147483647], "inner": {"list": [{"x": 1}, 5]},
    "many": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]})",
                                "file");
  const JsonFields fields_{json_, "file", "", "look there"};
};

TEST_F(JsonFieldsTest, GivesWhatIsThere) {
  EXPECT_EQ(fields_.text("text"), "t");
  EXPECT_TRUE(fields_.boolean("yes"));
  EXPECT_EQ(fields_.integer("seven"), 7);
  EXPECT_EQ(fields_.number("seven", 7, 7), 7.0);
  EXPECT_EQ(fields_.number("half", 0, 1), 0.5);
  EXPECT_EQ(fields_.token_ids("ids"), (std::vector<int32_t>{1, INT32_MAX}));
  EXPECT_EQ(fields_.fields("inner").element("list", 0).integer("x"), 1);
}

TEST_F(JsonFieldsTest, NullIsAbsent) {
  EXPECT_FALSE(fields_.has("nothing"));
  EXPECT_TRUE(fields_.contains("nothing"));
  EXPECT_EQ(fields_.find("nothing"), nullptr);
  EXPECT_EQ(fields_.text_or("nothing", "x"), "x");
  EXPECT_EQ(fields_.integer_or("gone", 3, 0, 1), 3);
  EXPECT_EQ(fields_.number_or("gone", 3, 0, 1), 3);
  EXPECT_TRUE(fields_.boolean_or("gone", true));
  EXPECT_FALSE(JsonFields(parse_json("{\"b\":false}", ""), "").boolean_or("b", true));
}

TEST_F(JsonFieldsTest, ComplaintsNameFilePathKeyAndAdvice) {
  const auto text = [&](const std::function<void(const JsonFields&)>& read) {
    return testing::error_text([&] { read(fields_); });
  };
  EXPECT_EQ(text([](auto& f) { f.text("nothing"); }), "file: nothing: is missing; look there");
  EXPECT_EQ(text([](auto& f) { f.text("seven"); }),
            "file: seven: expected a string, found 7; look there");
  EXPECT_EQ(text([](auto& f) { f.boolean_or("text", true); }),
            "file: text: expected true or false, found \"t\"; look there");
  EXPECT_EQ(text([](auto& f) { f.integer("half"); }),
            "file: half: expected an integer, found 0.5; look there");
  EXPECT_EQ(text([](auto& f) { f.integer("seven", 8, 9); }),
            "file: seven: expected an integer from 8 to 9, found 7; look there");
  EXPECT_EQ(text([](auto& f) { f.integer("large"); }),
            "file: large: expected an integer, found 18446744073709551615; look there");
  EXPECT_EQ(text([](auto& f) { f.number("half", 1, 2); }),
            "file: half: expected a number from 1 to 2, found 0.5; look there");
  EXPECT_EQ(text([](auto& f) { f.fields("inner").element("list", 1); }),
            "file: inner.list[1]: expected an object, found 5; look there");
  EXPECT_EQ(text([](auto& f) { f.text("many"); }),
            "file: many: expected a string, found array; look there");
  EXPECT_EQ(text([](auto& f) { f.fields("inner").allow_only({"other"}); }),
            "file: inner.list: a key that ponder does not know; look there");
  EXPECT_EQ(text([](auto& f) { f.fail("text", "is odd", "change it"); }),
            "file: text: is odd; change it");
  for (const char* bad : {"[-1]", "[2147483648]", "[1.5]", "[\"a\"]", "3"}) {
    const Json json = parse_json(std::string("{\"ids\":") + bad + "}", "");
    EXPECT_NE(
        testing::error_text([&] { JsonFields(json, "").token_ids("ids"); }).find("ids: expected"),
        std::string::npos)
        << bad;
  }
}

}  // namespace
}  // namespace ponder
