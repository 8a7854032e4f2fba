#include "judge/statement.h"

#include <algorithm>
#include <vector>

#include "judge/text.h"

namespace ponder::judge {

using std::string_view;

size_t after_last(string_view text, string_view tag) {
  const size_t at = text.rfind(tag);
  return at == string_view::npos ? at : at + tag.size();
}

bool looks_like_answer(string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return is_digit(c); }) ||
         text.find('\\') != string_view::npos || trim(text).size() == 1 ||
         text.find('=') != string_view::npos;
}

namespace {

constexpr size_t kNone = string_view::npos;
constexpr size_t kPhraseWindow = 1000;  // bytes after a phrase in which its answer stands
constexpr size_t kEndWindow = 1500;     // bytes at the end in which an unmarked answer may stand

// One piece of prose: words, or a formula or bold part that is never cut.
struct Piece {
  string_view text;     // without its dress
  bool marked = false;  // formula or bold
  bool bold = false;
};

// Length of the opening mark at `i` with its closing one, or an empty pair.
std::pair<string_view, string_view> mark_at(string_view text, size_t i) {
  for (const auto& [open, close] : {std::pair<string_view, string_view>{"$$", "$$"},
                                    {"\\[", "\\]"},
                                    {"\\(", "\\)"},
                                    {"**", "**"},
                                    {"$", "$"}}) {
    if (text.substr(i, open.size()) == open) return {open, close};
  }
  return {};
}

// Two words in a row, none of them a command: no formula.
bool holds_prose(string_view text) {
  int words = 0;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && is_letter(text[end])) ++end;
    const bool command = i > 0 && (text[i - 1] == '\\' || text[i - 1] == '{');
    if (end - i >= 3 && !command) ++words;
    i = std::max(end, i + 1);
  }
  return words >= 1 && text.find('\\') == kNone && text.find(' ') != kNone;
}

// Sentences of `text` as rows of pieces.
std::vector<std::vector<Piece>> sentences_of(string_view text) {
  std::vector<std::vector<Piece>> sentences(1);
  size_t begin = 0, i = 0;
  const auto flush = [&](size_t end) {
    if (end > begin) sentences.back().push_back({text.substr(begin, end - begin), false});
  };
  while (i < text.size()) {
    const auto [open, close] = mark_at(text, i);
    if (!open.empty()) {
      const size_t inside = i + open.size();
      const size_t end = text.find(close, inside);
      // A lone dollar sign is money: "costs $5 and then $6".
      const bool money =
          open == "$" && end != kNone && holds_prose(text.substr(inside, end - inside));
      if (end != kNone && end > inside && !money &&
          text.substr(inside, end - inside).find("\n\n") == kNone) {
        flush(i);
        const string_view content = text.substr(inside, end - inside);
        // Bold words are words.
        const bool bold = open == "**";
        sentences.back().push_back({content, !bold || looks_like_answer(content), bold});
        i = begin = end + close.size();
        // "\] So, ..." begins a sentence.
        const string_view next = trim(text.substr(i, 4));
        if (open.back() == '[' && !next.empty() && next[0] >= 'A' && next[0] <= 'Z')
          sentences.emplace_back();
        continue;
      }
      i += open.size();
      continue;
    }
    const char c = text[i];
    const bool stop = (c == '.' || c == '!') && (i + 1 >= text.size() || is_space(text[i + 1]));
    const bool other = text.substr(i, 3) == "。" ||
                       (c == '\n' && i + 1 < text.size() && text[i + 1] == '\n') || c == '\n';
    if (stop || other) {
      flush(i);
      if (!sentences.back().empty()) sentences.emplace_back();
      i += text.substr(i, 3) == "。" ? 3 : 1;
      begin = i;
      continue;
    }
    ++i;
  }
  flush(text.size());
  if (sentences.back().empty()) sentences.pop_back();
  return sentences;
}

bool joins(string_view words) {
  const std::string lower = to_lower(trim(words));
  return lower.empty() || lower == "," || lower == "and" || lower == "or" || lower == ", and" ||
         lower == ", or" || lower == ";";
}

// The last number of some words with its sign, fraction, per cent and thousands.
std::optional<std::string> last_number(string_view words) {
  size_t end = words.size();
  while (end > 0 && !is_digit(words[end - 1])) --end;
  if (end == 0) return std::nullopt;
  size_t begin = end;
  const auto inside = [&](char c) { return is_digit(c) || c == '.' || c == ',' || c == '/'; };
  while (begin > 0 && inside(words[begin - 1])) --begin;
  while (begin < end && !is_digit(words[begin]) && words[begin] != '.') ++begin;
  if (begin > 0 && words[begin - 1] == '-' && (begin == 1 || !is_digit(words[begin - 2]))) --begin;
  std::string number(words.substr(begin, end - begin));
  const string_view rest = trim(words.substr(end));
  if (rest.starts_with("%") || rest.starts_with("\\%") || rest.starts_with("percent"))
    number += "%";
  return number;
}

bool begins_as_value(string_view text) {
  return !text.empty() &&
         (is_digit(text.front()) || string_view("-+.$([{\\").find(text.front()) != kNone);
}

// The answer that one sentence states, or nothing.
std::optional<std::string> stated_in(const std::vector<Piece>& sentence, bool after_verb = true) {
  for (auto piece = sentence.rbegin(); piece != sentence.rend(); ++piece) {
    const string_view text = trim(piece->text);
    const bool heading = text.ends_with(":") || text.find(". ") != kNone;
    if (piece->bold && begins_as_value(text) && text.size() <= 60 && !heading)
      return std::string(text);
  }
  // Only what follows the last "is", "are", "be" or colon, where there is something.
  size_t first_piece = 0, offset = 0;
  for (size_t p = 0; after_verb && p < sentence.size(); ++p) {
    if (sentence[p].marked) continue;
    const std::string lower = to_lower(sentence[p].text);
    for (string_view verb : {" is ", " are ", " be ", ":", " is:", " equals "}) {
      const size_t end = after_last(lower, verb);
      const bool empty =
          end != kNone && trim(string_view(lower).substr(end)).empty() && p + 1 == sentence.size();
      if (end != kNone && !empty && (p > first_piece || end > offset)) {
        first_piece = p;
        offset = end;
      }
    }
  }
  std::vector<Piece> tail(sentence.begin() + static_cast<std::ptrdiff_t>(first_piece),
                          sentence.end());
  if (tail.empty()) return std::nullopt;
  if (!tail[0].marked) tail[0].text.remove_prefix(std::min(offset, tail[0].text.size()));
  // A run of formulas: the first one where the tail begins with it, else the last.
  std::vector<std::string> runs;
  bool open = false, begins = false;
  size_t last_marked = 0;
  for (size_t p = 0; p < tail.size(); ++p) {
    if (tail[p].marked && looks_like_answer(tail[p].text)) {
      if (open)
        runs.back() += ", " + std::string(tail[p].text);
      else
        runs.emplace_back(tail[p].text);
      begins |= runs.size() == 1 && !open && (p == 0 || trim(tail[0].text).empty()) && p <= 1;
      open = true;
      last_marked = p;
    } else if (open && !joins(tail[p].text)) {
      open = false;
    }
  }
  if (!runs.empty()) {
    const std::string chosen = begins ? runs.front() : runs.back();
    // "4 \times 9 = 36 which leaves 7": a number in words after the formulas wins only when none
    // begins.
    if (!begins && last_marked + 1 < tail.size()) {
      if (auto number = last_number(tail.back().text)) return number;
    }
    return chosen;
  }
  std::string words;
  for (const Piece& piece : tail) words += piece.text;
  const string_view short_words = trim(words);
  if (short_words.empty()) return std::nullopt;
  const auto spaces = std::count(short_words.begin(), short_words.end(), ' ');
  if (begins_as_value(short_words) && spaces <= 3) return std::string(short_words);
  if (auto number = last_number(words)) return number;
  return after_verb ? stated_in(sentence, false) : std::nullopt;
}

}  // namespace

std::optional<std::string> after_phrase(string_view text) {
  text = text.substr(0, kPhraseWindow);
  while (!text.empty() && (is_space(text.front()) || text.front() == ':' ||
                           text.substr(0, 2) == "**" || text.substr(0, 3) == "：")) {
    // "** 5 **" keeps its marks for the pieces, "Answer:** 5" does not.
    if (text.substr(0, 2) == "**") {
      const size_t close = text.find("**", 2);
      const size_t line = text.find('\n');
      if (close != kNone && close < line) break;
    }
    text.remove_prefix(text.front() == '*' ? 2 : text.substr(0, 3) == "：" ? 3 : 1);
  }
  for (const auto& sentence : sentences_of(text)) {
    if (auto answer = stated_in(sentence)) return answer;
    const bool words = sentence.size() == 1 && !sentence[0].marked;
    const string_view plain = trim(sentence.empty() ? string_view() : sentence[0].text);
    if (words && !plain.empty() && plain.size() <= 60) return std::string(plain);
    break;
  }
  return std::nullopt;
}

std::optional<std::string> at_the_end(string_view text) {
  if (text.size() > kEndWindow) {
    text.remove_prefix(text.size() - kEndWindow);
    const size_t line = text.find('\n');
    if (line != kNone) text.remove_prefix(line);
  }
  const auto sentences = sentences_of(text);
  int tried = 0;
  for (auto it = sentences.rbegin(); it != sentences.rend() && tried < 2; ++it, ++tried) {
    if (auto answer = stated_in(*it)) return answer;
  }
  return std::nullopt;
}

}  // namespace ponder::judge
