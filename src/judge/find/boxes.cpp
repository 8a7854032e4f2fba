#include "judge/find/boxes.h"

#include <algorithm>
#include <array>
#include <string>

#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kMostJoined = 32;
constexpr size_t kLongestJoin = 80;  // bytes between two boxes of one answer

// Length of the box command at `i`, or 0.
size_t box_command(string_view text, size_t i) {
  for (string_view name : {string_view("\\boxed"), string_view("\\fbox")}) {
    if (text.substr(i, name.size()) != name) continue;
    const size_t end = i + name.size();
    return end < text.size() && is_letter(text[end]) ? 0 : name.size();
  }
  return 0;
}

// The end of what follows a box command without a brace: `2`, `-3.5`, `\frac12`, `\text{B}`.
size_t end_of_unbraced(string_view text, size_t i) {
  const size_t limit = std::min(text.size(), i + 200);
  bool command = false;
  while (i < limit) {
    if (text[i] == '\\' && i + 1 < limit && is_letter(text[i + 1])) {
      if (box_command(text, i) > 0) break;
      ++i;
      while (i < limit && is_letter(text[i])) ++i;
      command = true;
    } else if (text[i] == '{' && command) {
      const size_t close = matching_brace(text.substr(0, limit), i);
      if (close == kNone) break;
      i = close + 1;
    } else if (is_space(text[i]) || string_view("$}{\\").find(text[i]) != kNone) {
      break;
    } else {
      ++i;
    }
  }
  return i;
}

// "++++++", "-----", "| | |" without the spaces: one mark three times or more is a rule, no sum.
size_t length_of_rule(string_view text, size_t i) {
  if (string_view("+-=*~#|_/").find(text[i]) == kNone) return 0;
  const size_t end = std::min(text.find_first_not_of(text[i], i), text.size());
  return end - i >= 3 ? end - i : 0;
}

enum class Between { kNothing, kJoin };

// "and", ",", spacing, dollar signs and a name with an equals sign: nothing that starts a new
// thought. A sentence of its own only where it hedges ("Or \boxed{8}") or names a part.
Between between_boxes(string_view between) {
  static constexpr std::array<string_view, 16> kJoining = {
      "and", "or",   "together", "maybe", "perhaps", "possibly", "alternatively", "also",
      "y",   "both", "oder",     "et",    "plus",    "und",      "either",        "along"};
  static constexpr std::array<string_view, 20> kSilent = {
      "for", "part", "with", "well", "as",    "the",   "other", "one",  "second",   "third",
      "is",  "are",  "be",   "it",   "could", "might", "its",   "then", "likewise", "respectively"};
  static constexpr std::array<string_view, 6> kCommands = {"quad", "qquad",  "text",
                                                           "mbox", "textbf", "mathrm"};
  if (between.size() > kLongestJoin) return Between::kNothing;
  bool joined = false, named = false, paragraph = false, stop = false;
  bool words = false, laid_out = false;
  size_t i = 0;
  while (i < between.size()) {
    const char c = between[i];
    if (const size_t marks = length_of_rule(between, i)) {
      joined = true;
      i += marks;
    } else if (is_letter(c)) {
      words = true;
      size_t end = i;
      while (end < between.size() && is_letter(between[end])) ++end;
      const std::string word = lower_ascii(between.substr(i, end - i));
      size_t after = end;
      while (after < between.size() &&
             (is_space(between[after]) || between[after] == '_' || is_digit(between[after])))
        ++after;
      const char next = after < between.size() ? between[after] : '\0';
      const bool hedge = word != "and" && word != "y" &&
                         std::find(kJoining.begin(), kJoining.end(), word) != kJoining.end();
      if (word.size() == 1 && next == '=') {
        named = true;
      } else if (word.size() == 1 && i > 0 &&
                 (between[i - 1] == '(' || next == ')' || next == ':')) {
        named = true;  // "for part (a) and"
      } else if (stop && !hedge && word != "part") {
        return Between::kNothing;
      } else if (std::find(kJoining.begin(), kJoining.end(), word) != kJoining.end()) {
        joined = true;
        stop = false;
      } else if (word == "part") {
        stop = false;
      } else if (word.size() > 1 &&
                 std::find(kSilent.begin(), kSilent.end(), word) == kSilent.end()) {
        return Between::kNothing;
      }
      i = end;
    } else if (c == '\\') {
      size_t end = i + 1;
      while (end < between.size() && is_letter(between[end])) ++end;
      const string_view name = between.substr(i + 1, end - i - 1);
      if (!name.empty() && std::find(kCommands.begin(), kCommands.end(), name) == kCommands.end())
        return Between::kNothing;
      const char space = name.empty() && end < between.size() ? between[end] : '\0';
      laid_out |= name == "quad" || name == "qquad" ||
                  (space != '\0' && string_view("\\,;:! ").find(space) != kNone);
      i = name.empty() ? i + 2 : end;
    } else if (is_space(c) || is_digit(c) || string_view("$,;{}_=():*/&?.!-|~").find(c) != kNone) {
      paragraph |= c == '\n' && between.substr(i, 2) == "\n\n";
      joined |= c == ',' || c == ';' || c == '/' || c == '&' || c == '?' || c == '|';
      stop |= c == '.' || c == '!';
      ++i;
    } else {
      return Between::kNothing;
    }
  }
  if (stop && !named) return Between::kNothing;
  if (paragraph) return named ? Between::kJoin : Between::kNothing;
  const bool empty =
      trimmed(between).empty() || trimmed(between) == "$$" || trimmed(between) == "$ $";
  return joined || named || empty || (laid_out && !words) ? Between::kJoin : Between::kNothing;
}

// The end of the formula around an unclosed box, if that is on the same line and leaves the braces
// balanced.
size_t repaired_end(string_view text, size_t content) {
  int depth = 0;
  for (size_t i = content; i < text.size() && i < content + 400; ++i) {
    const char c = text[i];
    if (c == '\n') return kNone;
    if (c == '$' || text.substr(i, 2) == "\\)" || text.substr(i, 2) == "\\]")
      return depth == 0 && i > content ? i : kNone;
    if (c == '\\') {
      ++i;
    } else {
      depth += c == '{';
      depth -= c == '}';
    }
  }
  return kNone;
}

}  // namespace

Boxes find_boxes(string_view text) {
  struct Open {
    size_t begin, content, depth;
  };
  std::vector<Open> open;
  Boxes boxes;
  std::vector<Box>& all = boxes.all;
  size_t depth = 0;  // braces since the first open box
  size_t i = 0;
  while (i < text.size()) {
    if (open.empty()) {
      i = text.find('\\', i);
      if (i == kNone) break;
    }
    const char c = text[i];
    if (c == '\\') {
      const bool twice = i + 2 < text.size() && text[i + 1] == '\\';  // escaped twice
      const char first = i + 1 < text.size() ? text[twice ? i + 2 : i + 1] : '\0';
      if (first != 'b' && first != 'f') {
        i += 2;
        continue;
      }
      if (twice && box_command(text, i + 1) > 0) ++i;
      const size_t length = box_command(text, i);
      if (length == 0) {
        i += 2;
        continue;
      }
      size_t next = i + length;
      while (next < text.size() && text[next] == ' ') ++next;
      if (next < text.size() && text[next] == '{') {
        open.push_back({i, next + 1, depth});
        ++depth;
        i = next + 1;
      } else {
        const size_t end = end_of_unbraced(text, next);
        if (end > next && open.empty())
          all.push_back({i, end, text.substr(next, end - next), false});
        i = std::max(end, next);
      }
      continue;
    }
    if (c == '{') {
      ++depth;
    } else if (c == '}' && depth > 0 && --depth == open.back().depth) {
      const Open last = open.back();
      open.pop_back();
      while (!all.empty() && all.back().begin > last.begin) all.pop_back();  // inner ones
      all.push_back({last.begin, i + 1, text.substr(last.content, i - last.content), false});
    }
    ++i;
  }
  // The outermost box that never closes comes after the last closed one, or holds it.
  if (!open.empty()) {
    const Open last = open.back();
    if (all.empty() || all.back().begin < last.begin) {
      const size_t end = repaired_end(text, last.content);
      if (end != kNone)
        all.push_back({last.begin, end, text.substr(last.content, end - last.content), true});
      else
        boxes.unclosed = true;
    }
  }
  return boxes;
}

size_t first_of_last_run(string_view text, const std::vector<Box>& boxes) {
  size_t first = boxes.size() - 1;
  while (first > 0 && boxes.size() - first < kMostJoined &&
         between_boxes(text.substr(boxes[first - 1].end,
                                   boxes[first].begin - boxes[first - 1].end)) == Between::kJoin) {
    --first;
  }
  return first;
}

bool is_denied(string_view text, const Box& box) {
  string_view before = text.substr(0, box.begin);
  before = before.substr(before.size() > 40 ? before.size() - 40 : 0);
  while (!before.empty() && string_view(" $\\([{*\n").find(before.back()) != kNone)
    before.remove_suffix(1);
  const std::string lower = lower_ascii(before);
  for (string_view denial : {" not", " n't", "isn't", " never", "\\neq", "\\ne", "≠",
                             "not equal to", "cannot be", "rather than", "instead of"}) {
    if (lower.ends_with(denial)) return true;
  }
  return false;
}

}  // namespace ponder::judge
