#include "judge/find/chosen_letter.h"

#include <algorithm>
#include <array>
#include <vector>

#include "judge/read/choice_letter.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kPhraseSearch = 50000;  // bytes at the end in which phrases are looked for

struct Hit {
  size_t end;
  char letter;
};

// "I think" is no ninth choice.
bool is_pronoun(string_view text) {
  text = trimmed(text);
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
  const std::string lower = lower_ascii(text);
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
  text = trimmed(text);
  text = text.substr(text.size() > 400 ? text.size() - 400 : 0);
  const size_t paragraph = text.rfind("\n\n");
  if (paragraph != kNone) text = text.substr(paragraph);
  for (int sentences = 0; sentences < 2; ++sentences) {
    size_t begin = text.size() > 1 ? text.substr(0, text.size() - 1).rfind(". ") : kNone;
    const string_view last = begin == kNone ? text : text.substr(begin + 2);
    const std::string lower = lower_ascii(last);
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
      const string_view before = trimmed(string_view(lower).substr(0, i));
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
  const string_view whole = trimmed(text);
  const size_t first_end = whole.find('\n'), last_begin = whole.rfind('\n');
  const string_view first_line = whole.substr(0, first_end);
  if (first_line.size() <= 200) {
    if (const auto letter = choice_letter(first_line, true); letter && !is_pronoun(first_line)) {
      const string_view second =
          first_end == kNone ? string_view() : trimmed(whole.substr(first_end)).substr(0, 200);
      if (!is_list_line(second.substr(0, second.find('\n')), *letter)) return letter;
    }
  }
  if (last_begin != kNone) {
    if (const auto letter = choice_letter(whole.substr(last_begin).substr(0, 200), false)) {
      string_view before = trimmed(whole.substr(0, last_begin));
      before = before.substr(before.rfind('\n') == kNone ? 0 : before.rfind('\n') + 1);
      if (!is_list_line(before, *letter)) return letter;
      return std::nullopt;
    }
  }
  return named_at_the_end(whole);
}

}  // namespace ponder::judge
