// The response format of slow thinking: a thought, then a solution. Written
//   <|begin_of_thought|>\n\n…\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n…\n\n<|end_of_solution|>
// (STILL-2); also read: <think>…</think> followed by the solution, and
// <Thought>…</Thought><Output>…</Output>.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ponder::tokenizer {

enum class ThoughtFault {
  kNone,
  kNoTags,       // plain text: all of it is the solution
  kMissingTag,   // a tag of the family is absent (e.g. the thought never ends)
  kRepeatedTag,  // a tag stands twice
  kCrossedTags,  // tags in the wrong order
  kTextOutside,  // words before the thought, between the parts or after the solution
  kEmptyThought,
  kEmptySolution,
};
std::string_view to_string(ThoughtFault fault);  // "none", "no_tags", "missing_tag", …

struct ThoughtParts {
  std::string thought;   // trimmed of surrounding white space
  std::string solution;  // trimmed; with kNoTags the whole text
  ThoughtFault fault = ThoughtFault::kNone;
  std::string detail;  // which tag, at which byte; empty when kNone
  // Byte ranges of the two parts in the text that was parsed, tags excluded: for loss masks that
  // align on the thought only or the solution only. Empty ranges (0, 0) where a part is absent.
  size_t thought_begin = 0, thought_end = 0, solution_begin = 0, solution_end = 0;
};

// Never throws. A response with any fault but kNone and kNoTags still yields what could be told
// apart.
ThoughtParts parse_thought(std::string_view response);

// A pair (or two) of tags of one's own for reading data. The solution's may be absent: all that
// follows the thought is the solution then.
struct ThoughtTags {
  std::string begin_thought, end_thought, begin_solution, end_solution;
  bool empty() const { return begin_thought.empty(); }
};
// "<a>,</a>" or "<a>,</a>,<b>,</b>"; nothing for anything else, or if one tag contains another.
std::optional<ThoughtTags> thought_tags_from_string(std::string_view text);

// parse_thought for responses of teachers in data files, which also come with `own` tags (looked
// for first), or with headings: a first line like `## Thinking` (Thinking, Thought, Thought
// process, Reasoning; hashes or bold) and a later one like `## Final Response` (Final response,
// Final answer, Answer, Response, Solution, Output; the last such line counts).
// Where the only tag is </think>, or the end tag of two of one's own, the generation prompt held the
// opening one: what stands before it is the thought.
ThoughtParts parse_teacher_response(std::string_view response, const ThoughtTags& own = {});

// The canonical (STILL-2) text of a response; the inverse of parse_thought for well-formed parts.
std::string format_thought(std::string_view thought, std::string_view solution);

}  // namespace ponder::tokenizer
