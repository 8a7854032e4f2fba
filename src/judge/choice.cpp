#include "judge/choice.h"

#include <algorithm>
#include <array>
#include <vector>

#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kPhraseSearch = 50000;  // bytes at the end in which phrases are looked for
constexpr char kLastInPhrase = 'J';      // "the answer is X" hardly names a choice

char upper_of(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// Without commands, dollar signs, braces, stars; full-width brackets and letters as plain ones.
std::string plain_of(string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size() && plain.size() < 200; ++i) {
    const char c = text[i];
    const string_view wide = text.substr(i, 3);
    if (c == '\\') {
      size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      i = end > i + 1 ? end - 1 : i + 1;
    } else if (wide == "（" || wide == "【" || wide == "「") {
      plain += '(';
      i += 2;
    } else if (wide == "）" || wide == "】" || wide == "」") {
      plain += ')';
      i += 2;
    } else if (wide == "：" || wide == "．" || wide == "、") {
      plain += wide == "：" ? ':' : '.';
      i += 2;
    } else if (wide.size() == 3 && wide[0] == '\xef' && wide[1] == '\xbc' && wide[2] >= '\xa1' &&
               wide[2] <= '\xba') {
      plain += static_cast<char>('A' + (wide[2] - '\xa1'));  // Ａ to Ｚ
      i += 2;
    } else if (c == '\n' || c == '\t') {
      plain += ' ';
    } else if (string_view("${}*`\"").find(c) == kNone) {
      plain += c;
    }
  }
  return plain;
}

// What follows a letter names another one: "A or B", "(A), (C)", "A and D".
bool names_another(string_view rest, char letter) {
  rest = trim(rest);
  bool joined = false;
  while (!rest.empty()) {
    if (string_view(",/&;+)]").find(rest.front()) != kNone) {
      joined |= rest.front() != ')' && rest.front() != ']';
      rest = trim(rest.substr(1));
      continue;
    }
    const std::string lower = to_lower(rest.substr(0, 8));
    size_t word = 0;
    for (string_view join : {"and ", "or ", "maybe ", "perhaps ", "even ", "else ", "both "}) {
      if (lower.starts_with(join)) word = join.size();
    }
    if (word == 0) break;
    joined = true;
    rest = trim(rest.substr(word));
  }
  joined |= rest.starts_with("(");  // "(A) (B)"
  if (!joined || rest.empty()) return false;
  const bool bracket = rest.front() == '(' || rest.front() == '[';
  if (bracket) rest = trim(rest.substr(1));
  if (rest.empty() || rest.front() < 'A' || rest.front() > kLastInPhrase) return false;
  if (rest.front() == letter) return false;
  return rest.size() == 1 || !is_letter(rest[1]);
}

struct Hit {
  size_t end;
  char letter;
};

// "I think" is no ninth choice.
bool is_pronoun(string_view text) {
  text = trim(text);
  if (!text.starts_with("I ") && !text.starts_with("I'")) return false;
  return text.size() < 3 || text[1] == '\'' || (text[2] >= 'a' && text[2] <= 'z');
}

std::vector<Hit> phrase_hits(string_view text) {
  static constexpr std::array<string_view, 34> kPhrases = {"answer is",
                                                           "answers are",
                                                           "answer:",
                                                           "answer**:",
                                                           "answer:**",
                                                           "answer to the problem is",
                                                           "answer would be",
                                                           "answer should be",
                                                           "answer must be",
                                                           "answer choice is",
                                                           "correct option is",
                                                           "correct choice is",
                                                           "best option is",
                                                           "best choice is",
                                                           "right option is",
                                                           "final choice is",
                                                           "answer ",
                                                           "réponse est",
                                                           "respuesta es",
                                                           "antwort ist",
                                                           "答案是",
                                                           "答案为",
                                                           "答案：",
                                                           "答案:",
                                                           "故选",
                                                           "应选",
                                                           "选择",
                                                           "i choose",
                                                           "i pick",
                                                           "i select",
                                                           "we choose",
                                                           "go with",
                                                           "answer = ",
                                                           "\"answer\":"};
  std::vector<Hit> hits;
  const std::string lower = to_lower(text);
  for (string_view phrase : kPhrases) {
    for (size_t at = lower.find(phrase); at != kNone; at = lower.find(phrase, at + 1)) {
      const size_t end = at + phrase.size();
      string_view rest = text.substr(end, 80);
      while (!rest.empty() && (rest.front() == ':' || is_space(rest.front())))
        rest.remove_prefix(1);
      if (rest.starts_with("：")) rest.remove_prefix(3);
      if (is_pronoun(rest)) continue;
      const auto letter = choice_letter(rest, true);
      if (letter && *letter <= kLastInPhrase) hits.push_back({end, *letter});
    }
  }
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.end < b.end; });
  return hits;
}

// The letter that the last sentences name in brackets, in bold or after "option" and "choice", if
// it is one alone.
std::optional<char> named_at_the_end(string_view text) {
  text = trim(text);
  text = text.substr(text.size() > 400 ? text.size() - 400 : 0);
  const size_t paragraph = text.rfind("\n\n");
  if (paragraph != kNone) text = text.substr(paragraph);
  for (int sentences = 0; sentences < 2; ++sentences) {
    size_t begin = text.size() > 1 ? text.substr(0, text.size() - 1).rfind(". ") : kNone;
    const string_view last = begin == kNone ? text : text.substr(begin + 2);
    const std::string lower = to_lower(last);
    char found = '\0';
    bool several = false;
    for (size_t i = 0; i < last.size(); ++i) {
      const char c = last[i];
      if (c < 'A' || c > kLastInPhrase || (i + 1 < last.size() && is_letter(last[i + 1])) ||
          (i > 0 && is_letter(last[i - 1])))
        continue;
      const char next = i + 1 < last.size() ? last[i + 1] : '\0';
      const bool bracket = i > 0 && last[i - 1] == '(' && next == ')';
      const bool bold = i > 1 && last[i - 1] == '*' && (next == '*' || next == '.' || next == ')');
      const string_view before = trim(string_view(lower).substr(0, i));
      const bool named = before.ends_with("option") || before.ends_with("choice") ||
                         before.ends_with("option (") || before.ends_with("choice (") ||
                         before.ends_with("option **") || before.ends_with("choice **");
      const bool correct = string_view(lower).substr(i + 1).starts_with(" is correct") ||
                           string_view(lower).substr(i + 1).starts_with(" is the correct");
      if (!bracket && !bold && !named && !correct) continue;
      several |= found != '\0' && found != c;
      found = c;
    }
    if (several) return std::nullopt;
    if (found != '\0') return found;
    if (begin == kNone) break;
    text = text.substr(0, begin + 1);
  }
  return std::nullopt;
}

// A line "(B) 42" beside a line "(C) 43" lists the choices.
bool is_list_line(string_view line, char letter) {
  const auto other = choice_letter(line.substr(0, 200), false);
  return other && *other != letter;
}

}  // namespace

std::optional<char> choice_letter(string_view text, bool lenient) {
  const std::string plain = plain_of(text.substr(0, 1000));
  string_view rest = trim(plain);
  for (string_view lead : {"the ", "correct ", "final ", "answer", "option", "choice", "is ", ":",
                           "the ", "option", "choice", " "}) {
    if (rest.size() > lead.size() && to_lower(rest.substr(0, lead.size())) == lead &&
        (!is_letter(lead.back()) || !is_letter(rest[lead.size()]))) {
      rest.remove_prefix(lead.size());
      rest = trim(rest);
    }
  }
  rest = trim(rest);
  if (rest.empty()) return std::nullopt;
  const bool bracket = rest.front() == '(' || rest.front() == '[';
  while (!rest.empty() && (rest.front() == '(' || rest.front() == '[')) rest = trim(rest.substr(1));
  if (rest.empty() || !is_letter(rest.front())) return std::nullopt;
  const char letter = rest.front();
  const char upper = upper_of(letter);
  rest = trim(rest.substr(1));
  if (names_another(rest, upper)) return std::nullopt;
  if (bracket) {
    if (rest.empty() || (rest.front() != ')' && rest.front() != ']')) return std::nullopt;
    return upper;
  }
  if (rest.empty() || rest == "." || rest == ")") return upper;
  if (letter != upper) return std::nullopt;  // "a large dog" is no choice
  if (rest.front() == '.' || rest.front() == ')' || rest.front() == ':' || rest.starts_with("。") ||
      rest.starts_with("、")) {
    return upper;
  }
  if (lenient && (rest.front() == ',' || rest.front() == ';' || rest.front() == '(' ||
                  rest.starts_with("- ") || rest.starts_with("–") || rest.starts_with("—") ||
                  rest.starts_with("，") ||
                  (is_letter(rest.front()) && plain.find(' ') != std::string::npos &&
                   trim(plain).size() > 2 && trim(plain)[1] == ' '))) {
    return upper;
  }
  return std::nullopt;
}

std::optional<char> chosen_letter(string_view response, bool* several) {
  const string_view text =
      response.substr(response.size() > kPhraseSearch ? response.size() - kPhraseSearch : 0);
  const auto hits = phrase_hits(text);
  if (!hits.empty()) {
    std::string letters;
    for (const Hit& hit : hits) {
      if (letters.find(hit.letter) == std::string::npos) letters += hit.letter;
    }
    // All choices answered is none chosen.
    if (several) *several = letters.size() > 2;
    return letters.size() > 2 ? std::nullopt : std::optional(hits.back().letter);
  }
  const string_view whole = trim(text);
  const size_t first_end = whole.find('\n'), last_begin = whole.rfind('\n');
  const string_view first_line = whole.substr(0, first_end);
  if (first_line.size() <= 200) {
    if (const auto letter = choice_letter(first_line, true); letter && !is_pronoun(first_line)) {
      const string_view second =
          first_end == kNone ? string_view() : trim(whole.substr(first_end)).substr(0, 200);
      if (!is_list_line(second.substr(0, second.find('\n')), *letter)) return letter;
    }
  }
  if (last_begin != kNone) {
    if (const auto letter = choice_letter(whole.substr(last_begin).substr(0, 200), false)) {
      string_view before = trim(whole.substr(0, last_begin));
      before = before.substr(before.rfind('\n') == kNone ? 0 : before.rfind('\n') + 1);
      if (!is_list_line(before, *letter)) return letter;
      return std::nullopt;
    }
  }
  return named_at_the_end(whole);
}

string_view choice_text(string_view choice) {
  choice = trim(choice);
  if (choice.size() > 3 && choice[0] == '(' && is_letter(choice[1]) && choice[2] == ')')
    return trim(choice.substr(3));
  if (choice.size() > 3 && is_letter(choice[0]) && (choice[1] == ')' || choice[1] == '.') &&
      choice[2] == ' ')
    return trim(choice.substr(3));
  return choice;
}

}  // namespace ponder::judge
