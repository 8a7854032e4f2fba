#include "tokenizer/thought_format.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/json.h"
#include "base/philox.h"
#include "testing/folders.h"

namespace ponder::tokenizer {
namespace {

struct Case {
  const char* text;
  ThoughtFault fault;
  const char* thought;
  const char* solution;
  const char* detail;  // a part of it
};

TEST(ThoughtFormat, SaysWhatIsWrong) {
  using enum ThoughtFault;
#define BT "<|begin_of_thought|>"
#define ET "<|end_of_thought|>"
#define BS "<|begin_of_solution|>"
#define ES "<|end_of_solution|>"
  const Case kCases[] = {
      {BT "\n\na\n\n" ET "\n\n" BS "\n\nb\n\n" ES, kNone, "a", "b", ""},
      {" \n" BT "a" ET BS "b" ES "\n", kNone, "a", "b", ""},
      {"just text", kNoTags, "", "just text", "no thought tags"},
      {"", kNoTags, "", "", "no thought tags"},
      {BT "a", kMissingTag, "a", "", ET " is missing"},
      {BT "a" ET, kMissingTag, "a", "", BS},
      {BT "a" ET "b", kMissingTag, "a", "b", BS},
      {BT "a" ET BS "b", kMissingTag, "a", "b", ES},
      {BT "a" BS "b" ES, kMissingTag, "a", "b", ET},
      {"a" ET BS "b" ES, kMissingTag, "a", "b", BT},
      {BS "b" ES, kMissingTag, "", "b", BT},
      {BT "a" ET "b" ES, kMissingTag, "a", "b", BS},
      {BT "a" BT "c" ET BS "b" ES, kRepeatedTag, "a" BT "c", "b", BT " again at byte 21"},
      {BT "a" ET BS "b" ES BS "c" ES, kRepeatedTag, "a", "b", BS " again"},
      {BS "b" ES BT "a" ET, kCrossedTags, "a", "b", BT},
      {BT "a" BS ET "b" ES, kCrossedTags, "a" BS, ET "b", ET},
      {"x" BT "a" ET BS "b" ES, kTextOutside, "a", "b", "before the thought at byte 0"},
      {BT "a" ET "x" BS "b" ES, kTextOutside, "a", "b", "between"},
      {BT "a" ET BS "b" ES " x", kTextOutside, "a", "b", "after the solution at byte 81"},
      {BT " \n" ET BS "b" ES, kEmptyThought, "", "b", "thought"},
      {BT "a" ET BS ES, kEmptySolution, "a", "", "solution"},
      {"<think>\na\n</think>\n\nb", kNone, "a", "b", ""},
      {"<think>a</think>", kEmptySolution, "a", "", "solution"},
      {"<think></think>b", kEmptyThought, "", "b", "thought"},
      {"a\n</think>\nb", kMissingTag, "a", "b", "<think> is missing"},
      {"<think>a", kMissingTag, "a", "", "</think> is missing"},
      {"<think>a</think>b</think>c", kRepeatedTag, "a", "b</think>c", "</think> again at byte 17"},
      {"</think>a<think>b", kCrossedTags, "b", "", "<think>"},
      {"x <think>a</think>b", kTextOutside, "a", "b", "before the thought"},
      {"<think>a " BT " </think>b", kNone, "a " BT, "b", ""},  // the family of the first tag
      {"<Thought>a</Thought>\n<Output>b</Output>", kNone, "a", "b", ""},
      {"<Thought>a</Thought><Output>b", kMissingTag, "a", "b", "</Output>"},
      {"a < b <thin> <|begin_of_", kNoTags, "", "a < b <thin> <|begin_of_", ""},
  };
#undef BT
#undef ET
#undef BS
#undef ES
  for (const Case& c : kCases) {
    const ThoughtParts parts = parse_thought(c.text);
    EXPECT_EQ(to_string(parts.fault), to_string(c.fault)) << c.text;
    EXPECT_EQ(parts.thought, c.thought) << c.text;
    EXPECT_EQ(parts.solution, c.solution) << c.text;
    EXPECT_NE(parts.detail.find(c.detail), std::string::npos) << c.text << ": " << parts.detail;
    EXPECT_EQ(parts.detail.empty(), c.fault == kNone) << c.text;
  }
}

TEST(ThoughtFormat, RangesPointIntoTheText) {
  const std::string text = format_thought("some thought", "a solution");
  const ThoughtParts parts = parse_thought(text);
  EXPECT_EQ(text.substr(parts.thought_begin, parts.thought_end - parts.thought_begin),
            "\n\nsome thought\n\n");
  EXPECT_EQ(text.substr(parts.solution_begin, parts.solution_end - parts.solution_begin),
            "\n\na solution\n\n");
  const ThoughtParts plain = parse_thought("plain");
  EXPECT_EQ(plain.thought_end, 0u);
  EXPECT_EQ(plain.solution_begin, 0u);
  EXPECT_EQ(plain.solution_end, 5u);
}

TEST(ThoughtFormat, RoundTrip) {
  RandomSequence random(7, 8);
  const auto words = [&] {
    static const char* kParts[] = {"a", " ", "\n\n",         "<",          "|",
                                   ">", "é", "$\\boxed{1}$", "<|im_end|>", "think"};
    std::string text = "x";
    for (int64_t n = random.between(0, 20); n > 0; --n)
      text += kParts[random.below(std::size(kParts))];
    return text + "y";
  };
  for (int i = 0; i < 500; ++i) {
    const std::string thought = words(), solution = words();
    if (thought.find("<think>") != std::string::npos ||
        solution.find("<think>") != std::string::npos)
      continue;
    const ThoughtParts parts = parse_thought(format_thought(thought, solution));
    EXPECT_EQ(to_string(parts.fault), "none") << parts.detail;
    EXPECT_EQ(parts.thought, thought);
    EXPECT_EQ(parts.solution, solution);
  }
}

// Any order and number of tags: no crash, ranges inside the text, and "none" only for the one right
// order.
TEST(ThoughtFormat, AnyTagSoup) {
  static const char* kParts[] = {"<|begin_of_thought|>",
                                 "<|end_of_thought|>",
                                 "<|begin_of_solution|>",
                                 "<|end_of_solution|>",
                                 "<think>",
                                 "</think>",
                                 "<Output>",
                                 "x",
                                 "\n"};
  RandomSequence random(9, 10);
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (int64_t n = random.between(0, 9); n > 0; --n)
      text += kParts[random.below(std::size(kParts))];
    const ThoughtParts parts = parse_thought(text);
    ASSERT_LE(parts.thought_begin, parts.thought_end) << text;
    ASSERT_LE(parts.thought_end, text.size()) << text;
    ASSERT_LE(parts.solution_begin, parts.solution_end) << text;
    ASSERT_LE(parts.solution_end, text.size()) << text;
    if (parts.fault == ThoughtFault::kNone) {
      EXPECT_FALSE(parts.thought.empty()) << text;
      EXPECT_FALSE(parts.solution.empty()) << text;
    }
  }
}

TEST(ThoughtFormat, RealDemonstrations) {
  const std::filesystem::path file = testing::shared_data() / "imitation/still_format.jsonl";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no shared data at " << file;
  int num_rows = 0;
  JsonRowReader reader(file);
  for (JsonRow row; reader.next(row); ++num_rows) {
    const auto text = row.value.at("combined_text").get<std::string>();
    const ThoughtParts parts = parse_thought(text);
    EXPECT_EQ(to_string(parts.fault), "none") << row.line << ": " << parts.detail;
    EXPECT_EQ(parse_thought(format_thought(parts.thought, parts.solution)).solution,
              parts.solution);
  }
  EXPECT_GT(num_rows, 200);
}

TEST(TeacherResponse, Headings) {
  const ThoughtParts huatuo = parse_teacher_response(
      "## Thinking\n\nFirst.\n\n## Solution sketch\nMore.\n\n"
      "## Final Response\n\nIt is 4.");
  EXPECT_EQ(huatuo.fault, ThoughtFault::kNone) << huatuo.detail;
  EXPECT_EQ(huatuo.thought, "First.\n\n## Solution sketch\nMore.");
  EXPECT_EQ(huatuo.solution, "It is 4.");
  EXPECT_EQ(parse_teacher_response("**Reasoning:**\na\n**Answer**\nb").solution, "b");
  EXPECT_EQ(parse_teacher_response("# Thinking\nand no end").fault, ThoughtFault::kMissingTag);
  EXPECT_EQ(parse_teacher_response("# Thinking\n## Answer\nb").fault, ThoughtFault::kEmptyThought);
  EXPECT_EQ(parse_teacher_response("# Thinking\na\n## Answer\n").fault,
            ThoughtFault::kEmptySolution);
  EXPECT_EQ(parse_teacher_response("Words.\n# Thinking\na\n## Answer\nb").fault,
            ThoughtFault::kNoTags);
  EXPECT_EQ(parse_teacher_response("# Introduction\na\n## Answer\nb").fault, ThoughtFault::kNoTags);
  EXPECT_EQ(parse_teacher_response("<think>t</think>s").thought, "t");
  // A model's own response is not read by its headings.
  EXPECT_EQ(parse_thought("# Thinking\na\n## Answer\nb").fault, ThoughtFault::kNoTags);
}

TEST(TeacherResponse, TagsOfOnesOwn) {
  const auto two = thought_tags_from_string("[[, ]]");
  ASSERT_TRUE(two);
  const ThoughtParts parts = parse_teacher_response("[[ why ]] so <think>", *two);
  EXPECT_EQ(parts.fault, ThoughtFault::kNone) << parts.detail;
  EXPECT_EQ(parts.thought, "why");
  EXPECT_EQ(parts.solution, "so <think>");
  const auto four = thought_tags_from_string("<r>,</r>,<a>,</a>");
  ASSERT_TRUE(four);
  EXPECT_EQ(parse_teacher_response("<r>w</r><a>s</a>", *four).solution, "s");
  EXPECT_EQ(parse_teacher_response("<r>w</r><a>s</a> and", *four).fault,
            ThoughtFault::kTextOutside);
  EXPECT_EQ(parse_teacher_response("<a>s</a><r>w</r>", *four).fault, ThoughtFault::kCrossedTags);
  EXPECT_EQ(parse_teacher_response("<think>t</think>s", *four).thought, "t");
  for (const char* bad : {"", "<a>", "<a>,", "<a>,<b>,<c>", "a,b,c,d,e", "<a>,<a>", "a,aa"}) {
    EXPECT_FALSE(thought_tags_from_string(bad)) << bad;
  }
}

}  // namespace
}  // namespace ponder::tokenizer
