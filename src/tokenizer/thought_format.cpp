#include "tokenizer/thought_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "tokenizer/thought_tags.h"

namespace ponder::tokenizer {
namespace {

struct Tag {
  size_t family, role;
  size_t begin, end;
};

// The tags of one family, in the order of the text.
std::vector<Tag> find_own_tags(std::string_view text, const TagFamily& own) {
  std::vector<Tag> tags;
  for (size_t role = 0; role < kNumTagRoles; ++role) {
    const std::string_view tag = own[role];
    if (tag.empty()) continue;
    for (size_t at = text.find(tag); at != kAbsent; at = text.find(tag, at + tag.size())) {
      tags.push_back({0, role, at, at + tag.size()});
    }
  }
  std::stable_sort(tags.begin(), tags.end(),
                   [](const Tag& a, const Tag& b) { return a.begin < b.begin; });
  return tags;
}

// The tags of the family whose tag comes first, in the order of the text.
std::vector<Tag> find_tags(std::string_view text) {
  std::vector<Tag> tags;
  for (size_t at = text.find('<'); at != kAbsent; at = text.find('<', at + 1)) {
    for (size_t family = 0; family < kTagFamilies.size(); ++family) {
      if (!tags.empty() && tags[0].family != family) continue;
      for (size_t role = 0; role < kNumTagRoles; ++role) {
        const std::string_view tag = kTagFamilies[family][role];
        if (!tag.empty() && text.substr(at, tag.size()) == tag) {
          tags.push_back({family, role, at, at + tag.size()});
        }
      }
    }
  }
  return tags;
}

const Tag* first_of(const std::vector<Tag>& tags, size_t role, size_t from = 0) {
  for (const Tag& tag : tags) {
    if (tag.role == role && tag.begin >= from) return &tag;
  }
  return nullptr;
}

// What can be told apart, whatever is wrong: a part ends at its end tag, or else where the next
// part begins.
void find_parts(std::string_view text, const TagFamily& family, const std::vector<Tag>& tags,
                ThoughtParts& parts) {
  const bool has_solution_tags = !family[kBeginSolution].empty();
  const Tag* begin = first_of(tags, kBeginThought);
  const Tag* end = first_of(tags, kEndThought, begin ? begin->end : 0);
  const Tag* solution = first_of(tags, kBeginSolution);
  if (begin || end) {
    parts.thought_begin = begin ? begin->end : 0;
    parts.thought_end = text.size();
    if (end) {
      parts.thought_end = end->begin;
    } else if (solution && solution->begin >= parts.thought_begin) {
      parts.thought_end = solution->begin;
    }
  }
  if (solution) {
    const Tag* last = first_of(tags, kEndSolution, solution->end);
    parts.solution_begin = solution->end;
    parts.solution_end = last ? last->begin : text.size();
  } else if (end) {
    const Tag* last = has_solution_tags ? first_of(tags, kEndSolution, end->end) : nullptr;
    parts.solution_begin = end->end;
    parts.solution_end = last ? last->begin : text.size();
  }
}

struct Finding {
  ThoughtFault fault = ThoughtFault::kNone;
  std::string detail;
};

Finding find_tag_fault(const TagFamily& family, const std::vector<Tag>& tags) {
  std::array<size_t, kNumTagRoles> count{};
  for (const Tag& tag : tags) {
    if (++count[tag.role] > 1) {
      return {ThoughtFault::kRepeatedTag,
              fmt::format("{} again at byte {}", family[tag.role], tag.begin)};
    }
  }
  for (size_t role = 0; role < kNumTagRoles; ++role) {
    if (!family[role].empty() && count[role] == 0) {
      return {ThoughtFault::kMissingTag, fmt::format("{} is missing", family[role])};
    }
  }
  for (size_t i = 1; i < tags.size(); ++i) {
    if (tags[i].role < tags[i - 1].role) {
      return {ThoughtFault::kCrossedTags,
              fmt::format("{} at byte {} stands after {}", family[tags[i].role], tags[i].begin,
                          family[tags[i - 1].role])};
    }
  }
  return {};
}

// For tags that are complete and in order.
Finding find_text_outside(std::string_view text, const std::vector<Tag>& tags) {
  const auto check = [&](size_t begin, size_t end, std::string_view place) -> Finding {
    const std::string_view outside = text.substr(begin, end - begin);
    if (is_blank(outside)) return {};
    return {
        ThoughtFault::kTextOutside,
        fmt::format("text {} at byte {}", place, begin + outside.find_first_not_of(kWhiteSpace))};
  };
  Finding finding = check(0, tags[kBeginThought].begin, "before the thought");
  if (finding.fault != ThoughtFault::kNone || tags.size() < kNumTagRoles) return finding;
  finding =
      check(tags[kEndThought].end, tags[kBeginSolution].begin, "between thought and solution");
  if (finding.fault != ThoughtFault::kNone) return finding;
  return check(tags[kEndSolution].end, text.size(), "after the solution");
}

ThoughtParts without_tags(std::string_view response) {
  ThoughtParts parts;
  parts.fault = ThoughtFault::kNoTags;
  parts.detail = "no thought tags";
  parts.solution = response;
  parts.solution_end = response.size();
  return parts;
}

ThoughtParts parse_tagged(std::string_view response, const TagFamily& family,
                          const std::vector<Tag>& tags) {
  ThoughtParts parts;
  find_parts(response, family, tags, parts);
  parts.thought =
      trimmed(response.substr(parts.thought_begin, parts.thought_end - parts.thought_begin));
  parts.solution =
      trimmed(response.substr(parts.solution_begin, parts.solution_end - parts.solution_begin));
  Finding finding = find_tag_fault(family, tags);
  if (finding.fault == ThoughtFault::kNone) finding = find_text_outside(response, tags);
  if (finding.fault == ThoughtFault::kNone && parts.thought.empty()) {
    finding = {ThoughtFault::kEmptyThought, "nothing between the thought's tags"};
  }
  if (finding.fault == ThoughtFault::kNone && parts.solution.empty()) {
    finding = {ThoughtFault::kEmptySolution, "no solution after the thought"};
  }
  parts.fault = finding.fault;
  parts.detail = std::move(finding.detail);
  return parts;
}

// As parse_tagged; a lone end tag ends a thought that the prompt has opened.
ThoughtParts parse_maybe_opened(std::string_view response, const TagFamily& family,
                                const std::vector<Tag>& tags) {
  const bool only_end =
      tags.size() == 1 && tags[0].role == kEndThought && family[kBeginSolution].empty();
  if (!only_end) return parse_tagged(response, family, tags);
  const std::string opened = std::string(family[kBeginThought]) + std::string(response);
  const size_t shift = family[kBeginThought].size();
  ThoughtParts parts =
      parse_tagged(opened, family,
                   {{tags[0].family, kBeginThought, 0, shift},
                    {tags[0].family, kEndThought, tags[0].begin + shift, tags[0].end + shift}});
  for (size_t* at :
       {&parts.thought_begin, &parts.thought_end, &parts.solution_begin, &parts.solution_end})
    *at -= shift;
  return parts;
}

// The words of a line that is a heading (`## Thinking`, `**Thinking**`) in lower case, else "".
std::string heading_of(std::string_view line) {
  std::string text(trimmed(line));
  const bool hashes = text.starts_with("#");
  const bool bold = text.size() > 4 && text.starts_with("**") && text.ends_with("**");
  if (!hashes && !bold) return "";
  const size_t words = text.find_first_not_of("#* ");
  if (words == std::string::npos) return "";
  text.erase(0, words);
  while (!text.empty() && std::string_view("*#: ").find(text.back()) != kAbsent) text.pop_back();
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// A response whose first line is a heading that announces the thought, and a later one the answer.
std::optional<ThoughtParts> parse_headings(std::string_view response) {
  constexpr std::string_view kThoughts[] = {"thinking", "thought", "thoughts", "thought process",
                                            "reasoning"};
  constexpr std::string_view kAnswers[] = {"final response", "final answer", "response",
                                           "answer",         "solution",     "output"};
  const auto is_one_of = [](const std::string& heading, const auto& names) {
    return std::find(std::begin(names), std::end(names), heading) != std::end(names);
  };
  ThoughtParts parts;
  bool thought = false;
  for (size_t at = 0; at < response.size();) {
    const size_t end = std::min(response.find('\n', at), response.size());
    const std::string_view line = response.substr(at, end - at);
    const size_t next = std::min(end + 1, response.size());
    if (!thought) {
      if (!is_blank(line)) {
        if (!is_one_of(heading_of(line), kThoughts)) return std::nullopt;
        thought = true;
        parts.thought_begin = next;
      }
    } else if (is_one_of(heading_of(line), kAnswers)) {
      // The last such heading counts: a thought may have sections of its own.
      parts.thought_end = at;
      parts.solution_begin = next;
      parts.solution_end = response.size();
    }
    at = end + 1;
  }
  if (!thought) return std::nullopt;
  if (parts.solution_end == 0) {
    parts.thought_end = response.size();
    parts.fault = ThoughtFault::kMissingTag;
    parts.detail = "a heading that announces the thought, and none that announces the answer";
  }
  parts.thought =
      trimmed(response.substr(parts.thought_begin, parts.thought_end - parts.thought_begin));
  parts.solution =
      trimmed(response.substr(parts.solution_begin, parts.solution_end - parts.solution_begin));
  if (parts.fault == ThoughtFault::kNone && parts.thought.empty()) {
    parts.fault = ThoughtFault::kEmptyThought;
    parts.detail = "nothing below the thought's heading";
  } else if (parts.fault == ThoughtFault::kNone && parts.solution.empty()) {
    parts.fault = ThoughtFault::kEmptySolution;
    parts.detail = "nothing below the answer's heading";
  }
  return parts;
}

}  // namespace

std::string_view to_string(ThoughtFault fault) {
  switch (fault) {
    case ThoughtFault::kNone:
      return "none";
    case ThoughtFault::kNoTags:
      return "no_tags";
    case ThoughtFault::kMissingTag:
      return "missing_tag";
    case ThoughtFault::kRepeatedTag:
      return "repeated_tag";
    case ThoughtFault::kCrossedTags:
      return "crossed_tags";
    case ThoughtFault::kTextOutside:
      return "text_outside";
    case ThoughtFault::kEmptyThought:
      return "empty_thought";
    case ThoughtFault::kEmptySolution:
      return "empty_solution";
  }
  return "none";
}

ThoughtParts parse_thought(std::string_view response) {
  const std::vector<Tag> tags = find_tags(response);
  if (tags.empty()) return without_tags(response);
  return parse_tagged(response, kTagFamilies[tags[0].family], tags);
}

ThoughtParts parse_teacher_response(std::string_view response, const ThoughtTags& own) {
  if (!own.empty()) {
    const TagFamily family = {own.begin_thought, own.end_thought, own.begin_solution,
                              own.end_solution};
    const std::vector<Tag> tags = find_own_tags(response, family);
    if (!tags.empty()) return parse_maybe_opened(response, family, tags);
  }
  const std::vector<Tag> tags = find_tags(response);
  if (!tags.empty()) return parse_maybe_opened(response, kTagFamilies[tags[0].family], tags);
  if (const auto parts = parse_headings(response)) return *parts;
  return without_tags(response);
}

std::optional<ThoughtTags> thought_tags_from_string(std::string_view text) {
  std::array<std::string, kNumTagRoles> tags;
  size_t count = 0;
  for (;;) {
    const size_t comma = text.find(',');
    if (count == kNumTagRoles) return std::nullopt;
    tags[count++] = trimmed(text.substr(0, comma));
    if (tags[count - 1].empty()) return std::nullopt;
    if (comma == kAbsent) break;
    text.remove_prefix(comma + 1);
  }
  if (count != 2 && count != kNumTagRoles) return std::nullopt;
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < count; ++j) {
      // A tag inside another could not be told apart from it.
      if (i != j && tags[j].find(tags[i]) != std::string::npos) return std::nullopt;
    }
  }
  return ThoughtTags{tags[0], tags[1], tags[2], tags[3]};
}

std::string format_thought(std::string_view thought, std::string_view solution) {
  const TagFamily& tags = kTagFamilies[0];
  return fmt::format("{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n{}", tags[kBeginThought], thought,
                     tags[kEndThought], tags[kBeginSolution], solution, tags[kEndSolution]);
}

}  // namespace ponder::tokenizer
