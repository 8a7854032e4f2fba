#include "judge/find/solution.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>

#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;

enum class Mark { kTurnEnd, kThoughtBegin, kThoughtEnd, kSolutionBegin, kSolutionEnd };
struct Tag {
  string_view text;  // lower case
  Mark mark;
};
constexpr std::array<Tag, 28> kTags = {{
    {"<|im_end|>", Mark::kTurnEnd},
    {"<|endoftext|>", Mark::kTurnEnd},
    {"<|im_start|>", Mark::kTurnEnd},
    {"<|eot_id|>", Mark::kTurnEnd},
    {"</s>", Mark::kTurnEnd},
    {"<｜end▁of▁sentence｜>", Mark::kTurnEnd},
    {"<end_of_turn>", Mark::kTurnEnd},
    {"<|end|>", Mark::kTurnEnd},
    {"<think>", Mark::kThoughtBegin},
    {"<|begin_of_thought|>", Mark::kThoughtBegin},
    {"<thought>", Mark::kThoughtBegin},
    {"<thinking>", Mark::kThoughtBegin},
    {"<reasoning>", Mark::kThoughtBegin},
    {"<|thinking|>", Mark::kThoughtBegin},
    {"</think>", Mark::kThoughtEnd},
    {"<|end_of_thought|>", Mark::kThoughtEnd},
    {"</thought>", Mark::kThoughtEnd},
    {"</thinking>", Mark::kThoughtEnd},
    {"</reasoning>", Mark::kThoughtEnd},
    {"<|/thinking|>", Mark::kThoughtEnd},
    {"<|begin_of_solution|>", Mark::kSolutionBegin},
    {"<output>", Mark::kSolutionBegin},
    {"<solution>", Mark::kSolutionBegin},
    {"<|answer|>", Mark::kSolutionBegin},
    {"<|end_of_solution|>", Mark::kSolutionEnd},
    {"</output>", Mark::kSolutionEnd},
    {"</solution>", Mark::kSolutionEnd},
    {"<|/answer|>", Mark::kSolutionEnd},
}};

constexpr unsigned char lower(char c) {
  return static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

// For each byte: the tags (one bit each) that have it at a given place. Three bytes leave a tag or
// two to be compared, so that a text full of brackets costs little more than one without.
using TagSets = std::array<uint32_t, 256>;
constexpr TagSets tags_with_byte_at(size_t place) {
  TagSets sets{};
  for (size_t i = 0; i < kTags.size(); ++i)
    sets[static_cast<unsigned char>(kTags[i].text[place])] |= uint32_t{1} << i;
  return sets;
}
static_assert(kTags.size() <= 32);
constexpr TagSets kSecond = tags_with_byte_at(1), kThird = tags_with_byte_at(2),
                  kFourth = tags_with_byte_at(3);

// The tag that `text` has at `i`, letter case aside, or nothing.
const Tag* tag_at(string_view text, size_t i) {
  if (text.size() - i < 4) return nullptr;
  uint32_t tags =
      kSecond[lower(text[i + 1])] & kThird[lower(text[i + 2])] & kFourth[lower(text[i + 3])];
  for (; tags != 0; tags &= tags - 1) {
    const Tag& tag = kTags[static_cast<size_t>(std::countr_zero(tags))];
    const string_view here = text.substr(i, tag.text.size());
    if (std::equal(here.begin(), here.end(), tag.text.begin(), tag.text.end(),
                   [](char a, char b) { return lower(a) == static_cast<unsigned char>(b); }))
      return &tag;
  }
  return nullptr;
}

// The next '<' from `i` on. Close ones are found byte by byte, far ones in one leap.
size_t next_bracket(string_view text, size_t i) {
  for (const size_t near = std::min(text.size(), i + 16); i < near; ++i) {
    if (text[i] == '<') return i;
  }
  return text.find('<', i);
}

// "# Thinking" and "## Thought process" as headings, and the heading that follows them.
string_view after_heading(string_view text) {
  const string_view lead = trimmed(text).substr(0, 80);
  if (!lead.starts_with("#") && !lead.starts_with("**")) return text;
  const std::string first = lower_ascii(lead.substr(0, lead.find('\n')));
  if (first.find("thinking") == std::string::npos && first.find("thought") == std::string::npos &&
      first.find("reasoning") == std::string::npos)
    return text;
  for (size_t line = text.find('\n'); line != kNone; line = text.find('\n', line + 1)) {
    const string_view heading = text.substr(line + 1, 60);
    if (!heading.starts_with("#") && !heading.starts_with("**")) continue;
    const std::string lower = lower_ascii(heading.substr(0, heading.find('\n')));
    for (string_view name : {"solution", "final answer", "answer", "response", "final response",
                             "final solution", "output"}) {
      const size_t begin = lower.find_first_not_of("#* ");
      if (begin != std::string::npos && string_view(lower).substr(begin).starts_with(name))
        return text.substr(line + 1);
    }
  }
  return {};
}

}  // namespace

string_view solution_part(string_view response) {
  size_t solution = kNone, closed = kNone, solution_end = kNone;
  bool open = false, tagged = false;
  for (size_t i = next_bracket(response, 0); i != kNone; i = next_bracket(response, i + 1)) {
    const Tag* tag = tag_at(response, i);
    if (!tag || (tag->mark == Mark::kTurnEnd && i == 0)) continue;
    const size_t end = i + tag->text.size();
    if (tag->mark == Mark::kTurnEnd) {
      response = response.substr(0, i);
    } else if (tag->mark == Mark::kThoughtBegin) {
      open = tagged = true;
    } else if (tag->mark == Mark::kThoughtEnd) {
      open = false;
      closed = end;
      solution = kNone;
    } else if (tag->mark == Mark::kSolutionBegin) {
      if (!open || tag->text.starts_with("<|b")) {
        solution = end;
        solution_end = kNone;
        open = false;
      }
    } else if (solution != kNone && solution_end == kNone) {
      solution_end = i;
    }
  }
  if (open) return {};
  if (solution != kNone && solution <= response.size())
    return response.substr(solution, solution_end == kNone ? kNone : solution_end - solution);
  if (closed != kNone) return response.substr(closed);
  return tagged ? string_view() : after_heading(response);
}

std::optional<std::string> without_comments(string_view text) {
  std::string kept;
  size_t from = 0;
  const auto cut = [&](size_t begin, size_t end) {
    kept += text.substr(from, begin - from);
    from = end;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '<' && text[i] != '%' && text[i] != '/') continue;
    if (text.substr(i, 4) == "<!--") {
      const size_t close = text.find("-->", i);
      cut(i, close == kNone ? text.size() : close + 3);
      if (close == kNone) break;
      i = close + 2;
    } else if (text[i] == '%' || text.substr(i, 2) == "//") {
      size_t begin = i;
      while (begin > from && (text[begin - 1] == ' ' || text[begin - 1] == '\t')) --begin;
      if (begin > from && text[begin - 1] != '\n') continue;
      const size_t end = text.find('\n', i);
      const string_view line = text.substr(i, end == kNone ? kNone : end - i);
      if (line.find("\\boxed") == kNone && line.find("\\fbox") == kNone) continue;
      cut(i, i + line.size());
      if (end == kNone) break;
      i = end - 1;
    }
  }
  if (from == 0) return std::nullopt;
  kept += text.substr(from);
  return kept;
}

}  // namespace ponder::judge
