#include "judge/find/phrase.h"

#include <algorithm>
#include <array>
#include <vector>

#include "judge/find/standing.h"
#include "judge/find/value_run.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;

bool few_words(string_view words) {
  static constexpr std::array<string_view, 28> kNoAnswers = {
      "correct", "accurate",   "confirmed",  "right",     "verified", "wrong",   "not",
      "that",    "in",         "to",         "as",        "for",      "needed",  "required",
      "indeed",  "consistent", "reasonable", "incorrect", "valid",    "what",    "we",
      "when",    "also",       "clear",      "unknown",   "this",     "because", "reached"};
  const string_view first = words.substr(0, words.find_first_of(" ,;:."));
  const std::string lower = lower_ascii(first);
  if (std::find(kNoAnswers.begin(), kNoAnswers.end(), lower) != kNoAnswers.end()) return false;
  return !words.empty() && words.size() <= 60 && std::count(words.begin(), words.end(), ' ') <= 4 &&
         words.back() != ':';
}

// "x^2 + 1", "p - q", "f(x) = 2x": letters that are names, and no words. Up to the sentence's end.
std::optional<std::string> plain_formula(string_view text) {
  size_t end = 0;
  bool operators = false;
  while (end < text.size() && text[end] != '\n') {
    const char c = text[end];
    if ((c == '.' || c == ';') && (end + 1 >= text.size() || is_space(text[end + 1]))) break;
    if (is_letter(c) && end + 1 < text.size() && is_letter(text[end + 1])) {
      size_t word = end;
      while (word < text.size() && is_letter(text[word])) ++word;
      const std::string lower = lower_ascii(text.substr(end, word - end));
      bool known = false;
      for (string_view name : {"sqrt", "pi", "sin", "cos", "tan", "log", "ln", "exp", "inf",
                               "infinity", "and", "or", "abs", "xy", "ab", "bc", "ac"})
        known |= lower == name;
      if (!known) return std::nullopt;
      end = word;
      continue;
    }
    if (c == '$' || c == '\\' || c == '*') return std::nullopt;
    operators |= string_view("+-*/^=<>").find(c) != kNone;
    ++end;
  }
  const string_view formula = trimmed(text.substr(0, end));
  const bool letters = std::any_of(formula.begin(), formula.end(), is_letter);
  if (formula.empty() || formula.size() > 80 || !letters || (!operators && formula.size() > 1))
    return std::nullopt;
  return std::string(formula);
}

// From the text that follows the phrase to the end of its line.
string_view rest_of_line(string_view text, const Piece& after) {
  const size_t at = static_cast<size_t>(after.text.data() - text.data()) + after.text.size();
  const string_view rest = text.substr(std::min(at, text.size()));
  return rest.substr(0, rest.find('\n'));
}

// "[12 or 13]", "(3, 5)": brackets around all that is said hold one answer, whatever is inside.
std::optional<std::string> all_in_brackets(string_view text) {
  text = trimmed(text.substr(0, text.find('\n')));
  while (!text.empty() && string_view(".!").find(text.back()) != kNone) text.remove_suffix(1);
  if (text.empty() || text.size() > 400 || (text.front() != '[' && text.front() != '('))
    return std::nullopt;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    depth += string_view("[(").find(text[i]) != kNone;
    depth -= string_view("])").find(text[i]) != kNone;
    if (depth == 0) return i + 1 == text.size() ? std::optional(std::string(text)) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

namespace {

// What the sentence states with the word "answer" at `word`.
std::optional<PhraseAnswer> announced(const Pieces& t, size_t word, string_view text) {
  // "We conclude that 8 is the answer."
  for (size_t back = 1; back <= 3 && back < word; ++back) {
    const size_t verb = word - back;
    const bool word_alone = t[verb].kind == Piece::Kind::kWord && is_copula(t[verb]);
    if (!word_alone || !is_value(t[verb - 1])) continue;
    if (standing_of(t, verb - 1, verb) != Standing::kStated) return std::nullopt;
    if (auto answer = run_text(t, verb - 1, verb)) return PhraseAnswer{*answer, true};
  }
  for (size_t i = word + 1; i < t.size() && i < word + 10; ++i) {
    if (is_value(t[i])) break;
    const bool of = t[i].is_word("of") && i == word + 1;  // "our answer of 7 is correct"
    const bool verb = is_copula(t[i]) || of || (t[i].is_word("as") && i + 1 < t.size());
    if (!verb) continue;
    // "The answer is: therefore": the last of several.
    size_t begin = i + 1;
    if (auto brackets = all_in_brackets(rest_of_line(text, t[i])))
      return PhraseAnswer{std::move(*brackets), true};
    size_t value = value_after(t, begin);
    if (value == t.size() && begin + 1 < t.size() && is_value(t[begin + 1]) &&
        (t[begin].is_word("negative") || t[begin].is_word("minus")))
      value = begin + 1;
    if (value < t.size()) {
      const size_t end = end_of_run(t, value);
      const Standing standing = standing_of(t, value, end);
      if (standing == Standing::kSpoilt) return std::nullopt;
      if (auto answer = run_text(t, value, end)) {
        if (standing == Standing::kNegative) return PhraseAnswer{"-" + *answer, true};
        if (!t[value].formula && value == begin) {
          if (auto formula = plain_formula(trimmed(rest_of_line(text, t[i]))))
            return PhraseAnswer{*formula, true};
        }
        return PhraseAnswer{*answer, true};
      }
      break;
    }
    if (i + 1 < t.size() && is_copula(t[i + 1])) continue;
    const string_view rest = trimmed(rest_of_line(text, t[i]));
    if (auto formula = plain_formula(rest)) return PhraseAnswer{*formula, true};
    string_view words = rest.substr(0, rest.find(". "));
    while (!words.empty() && string_view(".*!\"_").find(words.back()) != kNone)
      words.remove_suffix(1);
    while (!words.empty() && string_view("*\"_ ").find(words.front()) != kNone)
      words.remove_prefix(1);
    const bool digits = std::any_of(words.begin(), words.end(), is_digit);
    if (!digits && few_words(words)) return PhraseAnswer{std::string(words), false};
    break;
  }
  return std::nullopt;
}

}  // namespace

std::optional<PhraseAnswer> in_phrase(const Sentence& sentence, string_view text) {
  const Pieces& t = sentence.tokens;
  size_t word = t.size();
  for (size_t i = 0; i < t.size(); ++i) {
    if (t[i].is_word("answer") || t[i].is_word("answers") || t[i].is_word("ans")) word = i;
  }
  if (word == t.size() || is_supposed(sentence)) return std::nullopt;
  auto found = announced(t, word, text);
  if (!found) return std::nullopt;
  found->plain = is_plainly_announced(t, word);
  found->further = is_further_offer(t, word);
  return found;
}

std::optional<std::string> leading_answer(string_view text, bool words_allowed) {
  text = trimmed(text.substr(0, 1000));
  while (!text.empty() && (text.front() == ':' || text.front() == '*' || text.starts_with("："))) {
    const bool bold = text.starts_with("**") && text.find("**", 2) < text.find('\n');
    if (bold) break;
    text.remove_prefix(text.front() == '*' || text.front() == ':' ? 1 : 3);
    text = trimmed(text);
  }
  if (auto brackets = all_in_brackets(text)) return brackets;
  if (auto formula = plain_formula(text)) return formula;
  const auto sentences = sentences_of(text);
  if (sentences.empty()) return std::nullopt;
  const Pieces& t = sentences.front().tokens;
  const size_t value = value_after(t, 0);
  if (value < t.size()) return run_text(t, value, end_of_run(t, value));
  if (!words_allowed) return std::nullopt;
  string_view line = trimmed(text.substr(0, text.find('\n')));
  while (!line.empty() && string_view(".*").find(line.back()) != kNone) line.remove_suffix(1);
  if (!few_words(line)) return std::nullopt;
  return std::string(line);
}

std::optional<PhraseAnswer> phrase_answer(string_view text, bool* several, bool plainly) {
  std::optional<PhraseAnswer> last;
  std::vector<std::string> different;
  for (const Sentence& sentence : last_sentences(text)) {
    if (asks(sentence)) continue;
    if (last && takes_back(sentence)) last.reset();
    auto found = in_phrase(sentence, text);
    if (!found || (plainly && !found->plain) || (last && last->plain && !found->plain)) {
      if (!found || !found->further) continue;
    }
    std::string form = normal_form(found->answer);
    if (std::find(different.begin(), different.end(), form) == different.end())
      different.push_back(std::move(form));
    const bool offers = last && found->further && normal_form(last->answer) != different.back();
    if (different.size() > kMostDifferent || offers) {
      if (several) *several = true;
      return std::nullopt;
    }
    last = std::move(found);
  }
  return last;
}

}  // namespace ponder::judge
