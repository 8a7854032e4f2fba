#include "judge/find/boxes.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_set>
#include <utility>

#include "judge/find/value_run.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kSentenceReach = 200;  // bytes read before and behind a box

// Length of the box command at `i`, or 0.
size_t box_command(string_view text, size_t i) {
  const string_view rest = text.substr(i);
  const size_t length = rest.starts_with("\\boxed")      ? 6
                        : rest.starts_with("\\fbox")     ? 5
                        : rest.starts_with("\\framebox") ? 9
                                                         : 0;
  return length < rest.size() && is_letter(rest[length]) ? 0 : length;
}

// Of the boxes long before the last ones only what they hold counts, so that one of each will do: a
// text may hold a million.
void drop_repeats(std::vector<Box>& all) {
  constexpr size_t kKept = 64;
  std::unordered_set<string_view> seen;
  string_view last = "\n";
  const auto is_repeat = [&](const Box& box) {
    return box.content == std::exchange(last, box.content) || !seen.insert(box.content).second;
  };
  const auto old = all.end() - kKept;
  all.erase(std::remove_if(all.begin(), old, is_repeat), old);
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

// Two small letters or more, apart from the command: no content.
bool is_word_of_prose(string_view text, size_t i) {
  return i > 0 && text[i - 1] == ' ' && i + 1 < text.size() && is_letter(text[i]) &&
         is_letter(text[i + 1]);
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

// "is not \\boxed{5}", "x \\neq \\\boxed{5}".
bool is_denied_by_sign(string_view text, const Box& box) {
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

}  // namespace

Boxes find_boxes(string_view text) {
  struct Open {
    size_t begin, content, depth;
  };
  std::vector<Open> open;
  Boxes boxes;
  std::vector<Box>& all = boxes.all;
  size_t depth = 0;  // braces since the first open box
  size_t many = 4096;
  const auto add = [&](const Box& box) {
    all.push_back(box);
    if (all.size() < many) return;
    drop_repeats(all);
    many = std::max(many, 2 * all.size());
  };
  size_t i = 0;
  while (i < text.size()) {
    if (open.empty()) {
      i = text.find('\\', i);
      if (i == kNone) break;
    }
    const char c = text[i];
    if (c == '\\') {
      const bool twice = i + 2 < text.size() && text[i + 1] == '\\';  // escaped twice
      const size_t name = i + (twice ? 2 : 1);
      const char first = name < text.size() ? text[name] : '\0';
      const char second = name + 1 < text.size() ? text[name + 1] : '\0';
      if (!(first == 'b' && second == 'o') && !(first == 'f' && (second == 'b' || second == 'r'))) {
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
      } else if (is_word_of_prose(text, next)) {
        i = next;  // "marked with \boxed as asked"
      } else {
        const size_t end = end_of_unbraced(text, next);
        if (end > next && open.empty()) add({i, end, text.substr(next, end - next), false});
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
      add({last.begin, i + 1, text.substr(last.content, i - last.content), false});
    }
    ++i;
  }
  // "Put your answer within \boxed{}" beside a box that holds something.
  const auto is_empty = [](const Box& box) { return trimmed(box.content).empty(); };
  if (!std::all_of(all.begin(), all.end(), is_empty)) std::erase_if(all, is_empty);
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

Standing box_standing(string_view text, const Box& first, const Box& last) {
  if (is_denied_by_sign(text, first)) return Standing::kSpoilt;
  const string_view before = text.substr(0, first.begin);
  size_t from = before.size() > kSentenceReach ? before.size() - kSentenceReach : 0;
  for (string_view end : {". ", "\n", "! ", "? "}) {
    const size_t stop = before.rfind(end);
    if (stop != kNone) from = std::max(from, stop + end.size());
  }
  string_view after = text.substr(last.end, kSentenceReach);
  while (!after.empty() && string_view("$*}").find(after.front()) != kNone) after.remove_prefix(1);
  for (string_view close : {"\\)", "\\]"}) {
    if (after.starts_with(close)) after.remove_prefix(2);
  }
  string_view head = text.substr(from, first.begin - from);
  while (!head.empty() && (string_view("$*{ ").find(head.back()) != kNone ||
                           head.ends_with("\\(") || head.ends_with("\\[")))
    head.remove_suffix(head.ends_with("\\(") || head.ends_with("\\[") ? 2 : 1);
  // The box as a plain number in its sentence.
  const std::string sentence = std::string(head) + " 77777 " + std::string(after);
  const auto sentences = sentences_of(sentence);
  for (size_t s = 0; s < sentences.size(); ++s) {
    const Pieces& t = sentences[s].tokens;
    for (size_t i = 0; i < t.size(); ++i) {
      if (!is_value(t[i]) || t[i].text.find("77777") == kNone) continue;
      if (is_supposed(sentences[s]) || (s + 1 < sentences.size() && takes_back(sentences[s + 1])))
        return Standing::kSpoilt;
      return standing_of(t, i, i + 1);
    }
  }
  return Standing::kStated;
}

}  // namespace ponder::judge
