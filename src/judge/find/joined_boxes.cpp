// Which of the last boxes the text joins into one answer.
#include <algorithm>
#include <array>
#include <string>

#include "judge/find/boxes.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kMostJoined = 32;
constexpr size_t kLongestJoin = 80;       // bytes between two boxes of one answer
constexpr size_t kLongestLabelled = 300;  // bytes between boxes of parts with labels

// "++++++", "-----", "| | |" without the spaces: one mark three times or more is a rule, no sum.
size_t length_of_rule(string_view text, size_t i) {
  if (string_view("+-=*~#|_/").find(text[i]) == kNone) return 0;
  const size_t end = std::min(text.find_first_not_of(text[i], i), text.size());
  return end - i >= 3 ? end - i : 0;
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

}  // namespace

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

}  // namespace ponder::judge
