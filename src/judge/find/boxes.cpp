#include "judge/find/boxes.h"

#include <algorithm>
#include <array>
#include <string>

#include "judge/find/value_run.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kMostJoined = 32;
constexpr size_t kSentenceReach = 200;    // bytes read before and behind a box
constexpr size_t kLongestJoin = 80;       // bytes between two boxes of one answer
constexpr size_t kLongestLabelled = 300;  // bytes between boxes of parts with labels

// Length of the box command at `i`, or 0.
size_t box_command(string_view text, size_t i) {
  for (string_view name :
       {string_view("\\boxed"), string_view("\\fbox"), string_view("\\framebox")}) {
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

// Two small letters or more, apart from the command: no content.
bool is_word_of_prose(string_view text, size_t i) {
  return i > 0 && text[i - 1] == ' ' && i + 1 < text.size() && is_letter(text[i]) &&
         is_letter(text[i + 1]);
}

enum class Between { kNothing, kJoin };

// "and the variance is", "chickens and": words that lead from one result of a sentence to the next.
// A word of reasoning leads to a new result instead.
bool ties_with_and(string_view between) {
  static constexpr std::array<string_view, 22> kReasoning = {
      "so",    "therefore", "thus",  "hence", "then", "answer", "finally", "total",
      "sum",   "which",     "not",   "but",   "we",   "get",    "add",     "because",
      "since", "if",        "using", "wait",  "now",  "result"};
  size_t words = 0;
  bool joined = false;
  for (size_t i = 0; i < between.size();) {
    const char c = between[i];
    if (is_letter(c)) {
      size_t end = i;
      while (end < between.size() && is_letter(between[end])) ++end;
      const std::string word = lower_ascii(between.substr(i, end - i));
      if (std::find(kReasoning.begin(), kReasoning.end(), word) != kReasoning.end()) return false;
      joined |= word == "and";
      ++words;
      i = end;
    } else if (is_space(c) || string_view("$,-*:").find(c) != kNone) {
      if (between.substr(i, 2) == "\n\n") return false;
      ++i;
    } else if (between.substr(i, 2) == "\\(" || between.substr(i, 2) == "\\)") {
      i += 2;
    } else {
      return false;
    }
  }
  return joined && words <= 7;
}

// "\n Median: ": the label of the next line and nothing else.
bool is_label_line(string_view between) {
  const size_t line = between.find('\n');
  if (line == kNone || between.size() > 40) return false;
  string_view label = trimmed(between.substr(line), " \n$*-.\\([");
  if (!label.ends_with(":") || trimmed(between.substr(0, line), " $*.,;\\)]").size() > 0)
    return false;
  label.remove_suffix(1);
  const std::string lower = lower_ascii(label);
  for (string_view final :
       {"answer", "final", "result", "so", "total", "therefore", "thus", "check"}) {
    if (lower.find(final) != std::string::npos) return false;
  }
  return !label.empty() &&
         std::all_of(label.begin(), label.end(), [](char c) { return is_letter(c) || c == ' '; });
}

// "Mean: " before a box on the same line.
bool ends_in_label(string_view before) {
  before = trimmed(before, " $*\\([");
  if (!before.ends_with(":")) return false;
  const size_t line = before.rfind('\n');
  const string_view label = before.substr(line == kNone ? 0 : line + 1);
  return label.size() <= 30;
}

// The last label of `text`, "Part 2", "(b)", "Guess 1": its word, or "(" for a letter in brackets.
std::string last_label(string_view text) {
  static constexpr std::array<string_view, 6> kLabels = {"part",     "guess", "option",
                                                         "question", "case",  "attempt"};
  const std::string lower = lower_ascii(text);
  std::string last;
  for (size_t i = 0; i + 2 < lower.size(); ++i) {
    const bool begins = i == 0 || !is_letter(lower[i - 1]);
    if (begins && lower[i] == '(' && is_letter(lower[i + 1]) && lower[i + 2] == ')') last = "(";
    const bool line = i == 0 || lower[i - 1] == '\n';
    if (line && is_letter(lower[i]) && lower[i + 1] == ')') last = "(";  // "b) …"
    for (string_view label : kLabels) {
      if (!begins || lower.compare(i, label.size(), label) != 0) continue;
      const string_view rest = trimmed(string_view(lower).substr(i + label.size()));
      const bool marked =
          !rest.empty() &&
          (is_digit(rest[0]) || rest[0] == '(' ||
           (rest.size() > 1 && is_letter(rest[0]) && string_view(":.) ").find(rest[1]) != kNone));
      if (marked) last = label;
    }
  }
  return last;
}

// "and", ",", spacing, dollar signs and a name with an equals sign: nothing that starts a new
// thought. A sentence of its own only where it hedges ("Or \boxed{8}") or names a part.
Between between_boxes(string_view whole) {
  // "\boxed{8} (with probability 0.6), \boxed{7}": a remark in brackets ties nothing.
  std::string without;
  const size_t open = whole.find('('), close = whole.find(')');
  const bool remark =
      whole.size() <= kLongestJoin && open != kNone && close != kNone && close > open + 4;
  if (remark) without = std::string(whole.substr(0, open)) + std::string(whole.substr(close + 1));
  const string_view between = remark ? string_view(without) : whole;
  static constexpr std::array<string_view, 16> kJoining = {
      "and", "or",   "together", "maybe", "perhaps", "possibly", "alternatively", "also",
      "y",   "both", "oder",     "et",    "plus",    "und",      "either",        "along"};
  static constexpr std::array<string_view, 24> kSilent = {
      "for",    "part",  "with",     "well",         "as",    "the",    "other",   "one",
      "second", "third", "is",       "are",          "be",    "it",     "could",   "might",
      "its",    "then",  "likewise", "respectively", "guess", "option", "attempt", "first"};
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
      } else if (is_word_of_prose(text, next)) {
        i = next;  // "marked with \boxed as asked"
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

size_t first_of_last_run(string_view text, const std::vector<Box>& boxes) {
  size_t first = boxes.size() - 1;
  while (first > 0 && boxes.size() - first < kMostJoined) {
    const size_t end = boxes[first - 1].end;
    const string_view between = text.substr(end, boxes[first].begin - end);
    bool joined =
        between_boxes(between) == Between::kJoin ||
        (is_label_line(between) && ends_in_label(text.substr(0, boxes[first - 1].begin))) ||
        (between.size() <= kLongestJoin && ties_with_and(between));
    if (!joined && between.size() <= kLongestLabelled) {
      // "Part 1: … \boxed{5}. Part 2: … \boxed{12}": the same label before both.
      const size_t before = first > 1 ? boxes[first - 2].end : 0;
      const size_t from = std::max(
          before, boxes[first - 1].begin - std::min(boxes[first - 1].begin, kLongestLabelled));
      const std::string label = last_label(between);
      joined =
          !label.empty() && label == last_label(text.substr(from, boxes[first - 1].begin - from));
    }
    if (!joined) break;
    --first;
  }
  return first;
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
