#include "judge/solution.h"

#include <array>
#include <string>

#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kNone = string_view::npos;

constexpr std::array<string_view, 8> kTurnEnds = {
    "<|im_end|>", "<|endoftext|>",         "<|im_start|>",  "<|eot_id|>",
    "</s>",       "<｜end▁of▁sentence｜>", "<end_of_turn>", "<|end|>"};
constexpr std::array<string_view, 6> kThoughtBegins = {
    "<think>", "<|begin_of_thought|>", "<thought>", "<thinking>", "<reasoning>", "<|thinking|>"};
constexpr std::array<string_view, 6> kThoughtEnds = {
    "</think>", "<|end_of_thought|>", "</thought>", "</thinking>", "</reasoning>", "<|/thinking|>"};
constexpr std::array<string_view, 4> kSolutionBegins = {"<|begin_of_solution|>", "<output>",
                                                        "<solution>", "<|answer|>"};
constexpr std::array<string_view, 4> kSolutionEnds = {"<|end_of_solution|>", "</output>",
                                                      "</solution>", "<|/answer|>"};

// The length of one of `tags` at the beginning of `here`, letter case aside, or 0.
template <size_t N>
size_t tag_at(string_view here, const std::array<string_view, N>& tags) {
  for (string_view tag : tags) {
    if (here.size() < tag.size()) continue;
    bool same = true;
    for (size_t i = 0; same && i < tag.size(); ++i) {
      const char c = here[i] >= 'A' && here[i] <= 'Z' ? static_cast<char>(here[i] + 32) : here[i];
      same = c == tag[i];
    }
    if (same) return tag.size();
  }
  return 0;
}

// "# Thinking" and "## Thought process" as headings, and the heading that follows them.
string_view after_heading(string_view text) {
  const string_view lead = trim(text).substr(0, 80);
  if (!lead.starts_with("#") && !lead.starts_with("**")) return text;
  const std::string first = to_lower(lead.substr(0, lead.find('\n')));
  if (first.find("thinking") == std::string::npos && first.find("thought") == std::string::npos &&
      first.find("reasoning") == std::string::npos)
    return text;
  for (size_t line = text.find('\n'); line != kNone; line = text.find('\n', line + 1)) {
    const string_view heading = text.substr(line + 1, 60);
    if (!heading.starts_with("#") && !heading.starts_with("**")) continue;
    const std::string lower = to_lower(heading.substr(0, heading.find('\n')));
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
  for (size_t i = response.find('<'); i != kNone; i = response.find('<', i + 1)) {
    const string_view here = response.substr(i, 24);
    if (here.size() < 4 || !(is_letter(here[1]) || here[1] == '|' || here[1] == '/' ||
                             static_cast<unsigned char>(here[1]) >= 0x80))
      continue;
    if (i > 0 && tag_at(here, kTurnEnds) > 0) {
      response = response.substr(0, i);
      break;
    }
    if (tag_at(here, kThoughtBegins) > 0) {
      open = tagged = true;
    } else if (const size_t end = tag_at(here, kThoughtEnds)) {
      open = false;
      closed = i + end;
      solution = kNone;
    } else if (const size_t begin = tag_at(here, kSolutionBegins)) {
      if (!open || here.starts_with("<|b")) {
        solution = i + begin;
        solution_end = kNone;
        open = false;
      }
    } else if (tag_at(here, kSolutionEnds) > 0 && solution != kNone && solution_end == kNone) {
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
  for (size_t i = text.find_first_of("<%/"); i != kNone; i = text.find_first_of("<%/", i + 1)) {
    if (i < from) continue;
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
