#include "judge/find/chosen_letter.h"

#include <algorithm>
#include <array>
#include <vector>

#include "judge/find/marks.h"
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

// "the answer is not B", "I would not choose B"
bool denies_before(string_view lower, size_t at) {
  const string_view before = trimmed(lower.substr(at > 12 ? at - 12 : 0, std::min<size_t>(at, 12)));
  return before.ends_with(" not") || before.ends_with("n't") || before.ends_with("never") ||
         before.ends_with("不");
}

// What follows a letter calls it wrong: "B is wrong", "B cannot be right".
bool called_wrong(string_view rest) {
  const std::string lower = lower_ascii(trimmed(rest.substr(0, 40)));
  for (string_view wrong :
       {"is wrong", "is incorrect", "is not", "isn't", "is false", "cannot", "can't", "is out",
        "is impossible", "are wrong", "are incorrect", "can be ruled out", "is ruled out",
        "is eliminated", "不正确", "错误"}) {
    if (lower.starts_with(wrong)) return true;
  }
  return false;
}

// The letter directly behind a phrase; Chinese may follow it without a space: "选B选项".
std::optional<char> letter_of_phrase(string_view rest) {
  const auto letter = choice_letter(rest, true);
  if (letter) return letter;
  const size_t at = rest.find_first_not_of(" (*");
  if (at == kNone || rest[at] < 'A' || rest[at] > kLastInPhrase || at + 1 >= rest.size())
    return std::nullopt;
  // A character of three bytes from the CJK blocks.
  const bool chinese = static_cast<unsigned char>(rest[at + 1]) >= 0xe3 &&
                       static_cast<unsigned char>(rest[at + 1]) <= 0xe9;
  return chinese ? std::optional(rest[at]) : std::nullopt;
}

std::vector<Hit> phrase_hits(string_view text) {
  static constexpr std::array<string_view, 37> kPhrases = {"ans:",
                                                           "ans.",
                                                           "answer -",
                                                           "answer –",
                                                           "选项是",
                                                           "选项为",
                                                           "【答案】",
                                                           "选",
                                                           "only option",
                                                           "选项",
                                                           "answer is",
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
  const auto look_for = [&](string_view phrase) {
    for (size_t at = lower.find(phrase); at != kNone; at = lower.find(phrase, at + 1)) {
      const size_t end = at + phrase.size();
      string_view rest = text.substr(end, 80);
      while (!rest.empty() && (rest.front() == ':' || is_space(rest.front())))
        rest.remove_prefix(1);
      if (rest.starts_with("：")) rest.remove_prefix(3);
      if (is_pronoun(rest) || denies_before(lower, at)) continue;
      const auto letter = letter_of_phrase(rest);
      const size_t place = letter ? rest.find(*letter) : kNone;
      if (place != kNone && called_wrong(rest.substr(place + 1))) continue;
      if (letter && *letter <= kLastInPhrase) hits.push_back({end, *letter});
    }
  };
  for (string_view phrase : kPhrases) look_for(phrase);
  for (string_view phrase : kMarksOfLanguages) look_for(phrase);
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.end < b.end; });
  return hits;
}

// "A large box is heavy."
bool is_article(string_view line) {
  line = trimmed(line);
  return line.size() > 12 && line.starts_with("A ") && line[2] >= 'a' && line[2] <= 'z' &&
         std::count(line.begin(), line.end(), ' ') >= 3 && !line.starts_with("A is") &&
         !line.starts_with("A because");
}

// How a sentence names a letter.
enum class Naming { kNone, kNamed, kChosen, kDenied };

// Of the letter at `i` of a sentence; `lower` is the sentence in lower case.
Naming naming_of(string_view sentence, string_view lower, size_t i) {
  const char next = i + 1 < sentence.size() ? sentence[i + 1] : '\0';
  const string_view rest = sentence.substr(i + 1 + (next == ')' || next == '*'));
  if (called_wrong(rest)) return Naming::kDenied;
  string_view before = trimmed(lower.substr(0, i));
  while (!before.empty() && string_view("(*, ").find(before.back()) != kNone)
    before.remove_suffix(1);
  for (string_view denial :
       {" not", "n't be", "not be", "eliminate", "reject", "exclude", "than", "rule out"}) {
    if (before.ends_with(denial) || before == trimmed(denial)) return Naming::kDenied;
  }
  const std::string after = lower_ascii(trimmed(rest.substr(0, 40)));
  for (string_view right : {"is correct", "is the correct", "is right", "is the right",
                            "is the answer", "is the best", "is true", "must be"}) {
    if (after.starts_with(right)) return Naming::kChosen;
  }
  const bool closes = after.empty() || after == "." || after.starts_with(". ") || after == ")";
  for (string_view lead : {"so", "thus", "hence", "therefore", "choose", "pick", "select", "is",
                           "leaving", "leaves", "so it's", "it's"}) {
    if (!before.ends_with(lead) || !closes) continue;
    const size_t begin = before.size() - lead.size();
    if (begin == 0 || !is_letter(before[begin - 1])) return Naming::kChosen;
  }
  if (before == "only" && (after.starts_with("satisf") || after.starts_with("works") ||
                           after.starts_with("is ") || after.starts_with("fits")))
    return Naming::kChosen;
  const bool bracket = i > 0 && sentence[i - 1] == '(' && next == ')';
  const bool bold = i > 1 && sentence[i - 1] == '*' && (next == '*' || next == '.' || next == ')');
  const bool named = before.ends_with("option") || before.ends_with("choice");
  return bracket || bold || named ? Naming::kNamed : Naming::kNone;
}

// The letter that the last sentences call right, else the one that they name alone, in brackets, in
// bold or after "option" and "choice"; letters that they deny do not count.
std::optional<char> named_at_the_end(string_view text) {
  text = trimmed(text);
  text = text.substr(text.size() > 400 ? text.size() - 400 : 0);
  const size_t paragraph = text.rfind("\n\n");
  if (paragraph != kNone) text = text.substr(paragraph);
  for (int sentences = 0; sentences < 2; ++sentences) {
    size_t begin = text.size() > 1 ? text.substr(0, text.size() - 1).rfind(". ") : kNone;
    const string_view last = trimmed(begin == kNone ? text : text.substr(begin + 2));
    const std::string lower = lower_ascii(last);
    std::string named, chosen;
    for (size_t i = 0; i < last.size(); ++i) {
      const char c = last[i];
      if (c < 'A' || c > kLastInPhrase || (i + 1 < last.size() && is_letter(last[i + 1])) ||
          (i > 0 && is_letter(last[i - 1])))
        continue;
      const Naming naming = naming_of(last, lower, i);
      std::string* letters = naming == Naming::kChosen  ? &chosen
                             : naming == Naming::kNamed ? &named
                                                        : nullptr;
      if (letters && letters->find(c) == kNone) *letters += c;
    }
    for (const std::string* letters : {&chosen, &named}) {
      if (letters->size() > 1) return std::nullopt;
      if (letters->size() == 1) return letters->front();
    }
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
  string_view whole = trimmed(text);
  if (whole.starts_with("<") && whole.ends_with(">") && whole.size() == 3)
    whole = whole.substr(1, 1);
  const size_t first_end = whole.find('\n'), last_begin = whole.rfind('\n');
  const string_view first_line = whole.substr(0, first_end);
  if (first_line.size() <= 200) {
    const auto letter = choice_letter(first_line, true);
    const size_t at = letter ? first_line.find(*letter) : kNone;
    const bool wrong = at != kNone && called_wrong(first_line.substr(at + 1));
    if (letter && !is_pronoun(first_line) && !wrong && !is_article(first_line)) {
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
