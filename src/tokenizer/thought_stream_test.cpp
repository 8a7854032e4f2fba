#include "tokenizer/thought_stream.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tokenizer/thought_format.h"

namespace ponder::tokenizer {
namespace {

struct Shown {
  std::string thought, solution;
  std::vector<std::string> pieces;
};

// The text handed over `step` bytes at a time.
Shown shown(std::string_view text, size_t step) {
  Shown all;
  ThoughtStream stream;
  const auto take = [&](const std::vector<ThoughtStream::Piece>& pieces) {
    for (const auto& [is_thought, piece] : pieces) {
      EXPECT_FALSE(piece.empty());
      (is_thought ? all.thought : all.solution) += piece;
      all.pieces.push_back((is_thought ? "t:" : "s:") + piece);
    }
  };
  for (size_t at = 0; at < text.size(); at += step) take(stream.push(text.substr(at, step)));
  take(stream.finish());
  return all;
}

TEST(ThoughtStream, JoinedItIsParseThought) {
  for (const std::string_view text :
       {"<|begin_of_thought|>\n\nFirst,\n  then < 3.\n\n<|end_of_thought|>\n\n"
        "<|begin_of_solution|>\n\nIt is \\boxed{2}. \n\n<|end_of_solution|>",
        "<think>\nWait, </thin or <|end_of_thought|>?\n</think>\n\nThe answer is <b>2</b>.\n",
        "<Thought>a b</Thought>\n<Output>c</Output>", " <think></think> 4 ",
        // Cut in the thought, in a tag, in the solution; no tags at all.
        "<think>\nOne more thing, and then", "<think>\nDone.\n</thi", "<|begin_of_thought|>\n\nSo",
        "<|begin_of_thought|>\n\nSo<|end_of_thought|>\n\n<|begin_of_solution|>\n\nIt", "",
        "Plain words, 3 < 4, <thin air>.", "<", "  \n", "\n two lines\n "}) {
    ThoughtParts parts = parse_thought(text);
    if (parts.fault == ThoughtFault::kNoTags) {
      const size_t end = parts.solution.find_last_not_of(" \n") + 1;
      const size_t begin = std::min(end, parts.solution.find_first_not_of(" \n"));
      parts.solution = parts.solution.substr(begin, end - begin);
    }
    for (const size_t step : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{1000}}) {
      const Shown all = shown(text, step);
      EXPECT_EQ(all.thought, parts.thought) << text << step;
      EXPECT_EQ(all.solution, parts.solution) << text << step;
    }
  }
}

TEST(ThoughtStream, ShowsTextAsSoonAsItIsCertain) {
  ThoughtStream stream;
  const auto one = [&](std::string_view text) {
    const auto pieces = stream.push(text);
    return pieces.size() == 1 ? (pieces[0].is_thought ? "t:" : "s:") + pieces[0].text
                              : std::to_string(pieces.size());
  };
  EXPECT_EQ(one("<think>"), "0");
  EXPECT_EQ(one("\n"), "0");
  EXPECT_EQ(one("Let"), "t:Let");
  EXPECT_EQ(one(" me "), "t: me");
  EXPECT_EQ(one("see <"), "t: see");  // with the space that was held back
  EXPECT_EQ(one("3"), "t: <3");
  EXPECT_EQ(one("</think"), "0");
  EXPECT_EQ(one(">\n\nFour"), "s:Four");
}

TEST(ThoughtStream, NothingOutsideOfThePartsIsLost) {
  const Shown all = shown("Hm <Thought>a</Thought> b <Output>c</Output> d", 4);
  EXPECT_EQ(all.thought, "a");
  EXPECT_EQ(all.solution, "Hm\n\nb\n\nc\n\nd");
}

}  // namespace
}  // namespace ponder::tokenizer
