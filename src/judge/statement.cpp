#include "judge/statement.h"

#include <algorithm>
#include <array>
#include <vector>

#include "judge/result.h"
#include "judge/sentence.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
using Pieces = std::vector<Piece>;
constexpr size_t kNone = string_view::npos;
constexpr size_t kStatementWindow = 20000;  // bytes at the end in which prose is read
constexpr size_t kMostSentences = 60;       // looked at from the end
constexpr size_t kMostDifferent = 8;        // a text that states more answers states none

template <size_t N>
bool any_word(const Piece& token, const std::array<string_view, N>& words) {
  return token.kind == Piece::Kind::kWord &&
         std::any_of(words.begin(), words.end(), [&](string_view w) { return token.is_word(w); });
}

constexpr std::array<string_view, 20> kFillers = {
    "indeed", "simply", "just",   "exactly", "approximately", "about",    "roughly",
    "only",   "now",    "still",  "thus",    "therefore",     "actually", "equal",
    "to",     "given",  "around", "at",      "least",         "precisely"};
constexpr std::array<string_view, 14> kLongFillers = {
    "by",    "as",     "follows", "the",      "a",    "total", "of",
    "value", "number", "integer", "fraction", "most", "found", "clearly"};
constexpr std::array<string_view, 14> kCopulas = {
    "is",  "are",  "be",     "equals", "equal",  "remains", "becomes",
    "was", "were", "yields", "gives",  "totals", "lautet",  "est"};
constexpr std::array<string_view, 13> kPrepositions = {"at",    "in",     "after",  "over",  "for",
                                                       "from",  "within", "with",   "every", "per",
                                                       "those", "these",  "between"};
constexpr std::array<string_view, 17> kSubordinators = {
    "because",  "since", "before", "if",    "when",  "where", "which", "than",  "given",
    "assuming", "using", "as",     "after", "while", "whose", "such",  "during"};
constexpr std::array<string_view, 9> kNewClause = {
    "so", "therefore", "thus", "hence", "leaving", "meaning", "giving", "leaves", "gives"};
constexpr std::array<string_view, 14> kConclusions = {
    "based",      "therefore", "thus",   "hence",       "so",      "finally",    "consequently",
    "conclusion", "overall",   "answer", "accordingly", "summary", "altogether", "conclude"};
constexpr std::array<string_view, 18> kRemarks = {
    "verify",       "verified",   "verification", "verifying", "confirm",  "confirms",
    "confirmed",    "confirming", "correct",      "correctly", "accurate", "consistent",
    "double-check", "hope",       "feel",         "checking",  "check",    "checks"};
constexpr std::array<string_view, 7> kRemarkStarts = {"this",  "these",  "note",         "here",
                                                      "where", "notice", "alternatively"};
constexpr std::array<string_view, 9> kHedges = {
    "or", "maybe", "perhaps", "possibly", "alternatively", "could", "might", "either", "unless"};
constexpr std::array<string_view, 9> kHedgeFillers = {"but",  "it",   "is",   "be", "also",
                                                      "else", "even", "just", "and"};

bool is_copula(const Piece& token) {
  const bool wide = token.kind == Piece::Kind::kWord &&
                    (token.text.ends_with("为") || token.text.ends_with("是"));
  return wide || any_word(token, kCopulas) || token.is_mark(":") || token.is_mark("=") ||
         token.is_mark("≈");
}

bool is_value(const Piece& token) { return token.kind == Piece::Kind::kValue; }

// Where the values that begin at `i` and belong together end: "2, 3 and 5", "5 or perhaps 7".
size_t end_of_run(const Pieces& t, size_t i) {
  size_t end = i + 1;
  while (end < t.size()) {
    size_t j = end;
    bool joined = false, hedged = false, only_plain = true;
    while (j < t.size() && j < end + 6 && !is_value(t[j])) {
      if (t[j].is_mark(",") || t[j].is_mark(";") || t[j].is_mark("/") || t[j].is_mark("&") ||
          t[j].is_word("and")) {
        joined = true;
      } else if (any_word(t[j], kHedges) || t[j].is_mark("?")) {
        hedged = true;
      } else if (any_word(t[j], kHedgeFillers) || t[j].is_mark("(")) {
        only_plain = false;
      } else {
        return end;
      }
      ++j;
    }
    if (j >= t.size() || !is_value(t[j])) return end;
    const bool adjacent = j == end && t[i].bold && t[j].bold;
    if (!hedged && !adjacent && (!joined || !only_plain)) return end;
    if (!hedged && t[i].formula != t[j].formula) return end;
    end = j + 1;
  }
  return end;
}

// The values of a run as one answer; nothing for too many.
std::optional<std::string> run_text(const Pieces& t, size_t begin, size_t end) {
  std::vector<std::string> seen;
  std::string all;
  for (size_t i = begin; i < end; ++i) {
    if (!is_value(t[i])) continue;
    std::string value = result_of(t[i].text);
    if (value.empty()) continue;
    std::string form = normal_form(value);
    if (std::find(seen.begin(), seen.end(), form) != seen.end()) continue;
    seen.push_back(std::move(form));
    if (seen.size() > 4 * kMostDifferent) return std::nullopt;
    if (!all.empty()) all += ", ";
    all += value;
  }
  if (all.empty()) return std::nullopt;
  return all;
}

// The value that follows token `i` with nothing but fillers in between; t.size() where none does.
size_t value_after(const Pieces& t, size_t i) {
  for (size_t steps = 0; i < t.size() && steps < 6; ++i, ++steps) {
    if (is_value(t[i])) return i;
    if (!any_word(t[i], kFillers) && !any_word(t[i], kLongFillers) && !is_copula(t[i]) &&
        !t[i].is_mark("("))
      break;
  }
  return t.size();
}

// The value run that ends a sentence right after its verb, at most two words (a unit) behind it:
// "…, the number of ways is indeed \(6\)." Where it begins, or t.size().
size_t final_statement(const Pieces& t) {
  size_t words = 0;
  for (size_t i = t.size(); i-- > 0;) {
    if (t[i].kind == Piece::Kind::kWord && ++words > 2) return t.size();
    if (!is_value(t[i])) continue;
    size_t begin = i;
    for (size_t j = 0; j <= i; j = is_value(t[j]) ? end_of_run(t, j) : j + 1) {
      if (is_value(t[j])) begin = j;
    }
    size_t verb = begin;
    while (verb > 0 && begin - verb < 5 &&
           (any_word(t[verb - 1], kFillers) || any_word(t[verb - 1], kLongFillers) ||
            any_word(t[verb - 1], kRemarks)))
      --verb;
    const bool stated = verb > 0 && is_copula(t[verb - 1]);
    const bool direct = verb == begin || t[begin].strong;
    return stated && direct && (t[begin].strong || t[begin].formula) ? begin : t.size();
  }
  return t.size();
}

bool speaks_of_checking(const Sentence& sentence) {
  return std::any_of(sentence.tokens.begin(), sentence.tokens.end(),
                     [](const Piece& token) { return any_word(token, kRemarks); });
}

bool is_remark(const Sentence& sentence) {
  static constexpr std::array<string_view, 8> kMeans = {"means",  "gives", "leaves", "is",
                                                        "equals", "makes", "leads",  "results"};
  const Pieces& t = sentence.tokens;
  if (any_word(t.front(), kRemarkStarts) &&
      !(t.front().is_word("this") && t.size() > 1 && any_word(t[1], kMeans)))
    return true;
  if (final_statement(t) < t.size()) return false;
  return speaks_of_checking(sentence);
}

// A question or a supposition: "You ask whether the answer is 7."
bool asks(const Sentence& sentence) {
  static constexpr std::array<string_view, 4> kSupposing = {"whether", "suppose", "pretend", "ask"};
  return sentence.question ||
         std::any_of(sentence.tokens.begin(), sentence.tokens.end(),
                     [](const Piece& token) { return any_word(token, kSupposing); });
}

bool is_conclusion(const Sentence& sentence) {
  for (size_t i = 0; i < sentence.tokens.size() && i < 4; ++i) {
    if (any_word(sentence.tokens[i], kConclusions)) return true;
  }
  return false;
}

// A value and no words.
bool is_lone_value(const Sentence& sentence) {
  bool value = false;
  for (const Piece& token : sentence.tokens) {
    if (token.kind == Piece::Kind::kWord) return false;
    if (token.kind == Piece::Kind::kMark && token.text != "," && token.text != ":") return false;
    value |= is_value(token);
  }
  return value;
}

bool few_words(string_view words) {
  static constexpr std::array<string_view, 28> kNoAnswers = {
      "correct", "accurate",   "confirmed",  "right",     "verified", "wrong",   "not",
      "that",    "in",         "to",         "as",        "for",      "needed",  "required",
      "indeed",  "consistent", "reasonable", "incorrect", "valid",    "what",    "we",
      "when",    "also",       "clear",      "unknown",   "this",     "because", "reached"};
  const string_view first = words.substr(0, words.find_first_of(" ,;:."));
  const std::string lower = to_lower(first);
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
      const std::string lower = to_lower(text.substr(end, word - end));
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
  const string_view formula = trim(text.substr(0, end));
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
  text = trim(text.substr(0, text.find('\n')));
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

std::optional<PhraseAnswer> in_phrase(const Sentence& sentence, string_view text) {
  const Pieces& t = sentence.tokens;
  size_t word = t.size();
  for (size_t i = 0; i < t.size(); ++i) {
    if (t[i].is_word("answer") || t[i].is_word("answers") || t[i].is_word("ans")) word = i;
  }
  if (word == t.size()) return std::nullopt;
  for (size_t i = word + 1; i < t.size() && i < word + 10; ++i) {
    if (is_value(t[i])) break;
    const bool of = t[i].is_word("of") && i == word + 1;  // "our answer of 7 is correct"
    const bool verb = is_copula(t[i]) || of || (t[i].is_word("as") && i + 1 < t.size());
    if (!verb) continue;
    // "The answer is: therefore": the last of several.
    size_t begin = i + 1;
    if (auto brackets = all_in_brackets(rest_of_line(text, t[i])))
      return PhraseAnswer{std::move(*brackets), true};
    const size_t value = value_after(t, begin);
    if (value < t.size()) {
      if (auto answer = run_text(t, value, end_of_run(t, value))) {
        if (!t[value].formula && value == begin) {
          if (auto formula = plain_formula(trim(rest_of_line(text, t[i]))))
            return PhraseAnswer{*formula, true};
        }
        return PhraseAnswer{*answer, true};
      }
      break;
    }
    if (i + 1 < t.size() && is_copula(t[i + 1])) continue;
    const string_view rest = trim(rest_of_line(text, t[i]));
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

// The tokens of the sentence's last clause that hold a value: a leading "Since …," and a trailing
// "because …" cut away.
Pieces main_clause(const Pieces& all) {
  const auto strong_in = [&](size_t from, size_t to) {
    return std::any_of(all.begin() + static_cast<std::ptrdiff_t>(from),
                       all.begin() + static_cast<std::ptrdiff_t>(to),
                       [](const Piece& token) { return is_value(token) && token.strong; });
  };
  size_t begin = 0, end = all.size();
  for (size_t i = 1; i < all.size(); ++i) {
    if ((any_word(all[i], kNewClause) || all[i].is_mark(";")) && strong_in(i, all.size()) &&
        !(i + 1 < all.size() && all[i + 1].is_word("that")))
      begin = i + 1;
  }
  while (begin < end && (any_word(all[begin], kConclusions) || all[begin].is_mark(","))) ++begin;
  if (begin < end &&
      (any_word(all[begin], kSubordinators) || any_word(all[begin], kPrepositions))) {
    for (size_t i = begin; i < end; ++i) {
      if (all[i].is_mark(",") && strong_in(i, end)) {
        begin = i + 1;
        break;
      }
    }
  }
  for (size_t i = begin + 1; i < end; ++i) {
    if (any_word(all[i], kSubordinators) && strong_in(begin, i)) end = i;
  }
  return Pieces(all.begin() + static_cast<std::ptrdiff_t>(begin),
                all.begin() + static_cast<std::ptrdiff_t>(end));
}

// "in 3 weeks", "for her 3 fish", "3 tanks of 10 fish": beside the point where another value
// stands.
bool is_aside(const Pieces& t, size_t value) {
  for (size_t back = 1; back <= 3 && back <= value; ++back) {
    const Piece& token = t[value - back];
    if (is_value(token) || token.kind == Piece::Kind::kMark) return false;
    if (token.is_word("least") || token.is_word("most")) return false;
    if (any_word(token, kPrepositions)) return true;
    if (token.is_word("of")) {
      const bool sum = back < value && (t[value - back - 1].is_word("total") ||
                                        t[value - back - 1].is_word("sum") ||
                                        t[value - back - 1].is_word("number"));
      return !sum;
    }
  }
  return false;
}

// The value that a sentence states.
std::optional<std::string> stated_in(const Sentence& sentence) {
  const size_t last = final_statement(sentence.tokens);
  if (last < sentence.tokens.size())
    return run_text(sentence.tokens, last, end_of_run(sentence.tokens, last));
  const Pieces t = main_clause(sentence.tokens);
  std::optional<size_t> bold, verb, plain, aside;
  for (size_t i = 0; i < t.size(); i = is_value(t[i]) ? end_of_run(t, i) : i + 1) {
    if (!is_value(t[i])) continue;
    if (!t[i].strong && !t[i].formula) continue;
    size_t before = i;
    while (before > 0 && before + 6 > i && !is_value(t[before - 1]) &&
           (any_word(t[before - 1], kFillers) || any_word(t[before - 1], kLongFillers)))
      --before;
    const bool stated = before > 0 && is_copula(t[before - 1]);
    if (!t[i].strong && !(stated && before == i)) continue;
    if (t[i].bold) bold = i;
    if (stated && t[i].strong) verb = i;
    if (stated && !t[i].strong && !verb) verb = i;
    if (is_aside(t, i)) {
      aside = i;
    } else if (t[i].strong) {
      plain = i;
    }
  }
  for (const auto& found : {bold, verb, plain, aside}) {
    if (found) return run_text(t, *found, end_of_run(t, *found));
  }
  return std::nullopt;
}

std::vector<Sentence> last_sentences(string_view text) {
  if (text.size() > kStatementWindow) {
    text.remove_prefix(text.size() - kStatementWindow);
    const size_t line = text.find('\n');
    if (line != kNone) text.remove_prefix(line);
  }
  return sentences_of(text);
}

// Results on lines of their own one after another are one answer, and too many are none.
std::optional<std::string> lone_values(const std::vector<Sentence>& sentences, size_t last) {
  size_t first = last;
  const auto is_figure = [](const Sentence& sentence) {
    const Piece& token = sentence.tokens.front();
    return is_value(token) && !token.formula && token.text.find('=') == kNone;
  };
  while (first > 0 && is_lone_value(sentences[first - 1]) && is_figure(sentences[first - 1]))
    --first;
  if (!is_figure(sentences[last])) first = last;
  if (last - first > kMostDifferent) return std::nullopt;
  Pieces all;
  for (size_t i = first; i <= last; ++i)
    all.insert(all.end(), sentences[i].tokens.begin(), sentences[i].tokens.end());
  return run_text(all, 0, all.size());
}

}  // namespace

std::optional<std::string> leading_answer(string_view text, bool words_allowed) {
  text = trim(text.substr(0, 1000));
  while (!text.empty() && (text.front() == ':' || text.front() == '*' || text.starts_with("："))) {
    const bool bold = text.starts_with("**") && text.find("**", 2) < text.find('\n');
    if (bold) break;
    text.remove_prefix(text.front() == '*' || text.front() == ':' ? 1 : 3);
    text = trim(text);
  }
  if (auto brackets = all_in_brackets(text)) return brackets;
  if (auto formula = plain_formula(text)) return formula;
  const auto sentences = sentences_of(text);
  if (sentences.empty()) return std::nullopt;
  const Pieces& t = sentences.front().tokens;
  const size_t value = value_after(t, 0);
  if (value < t.size()) return run_text(t, value, end_of_run(t, value));
  if (!words_allowed) return std::nullopt;
  string_view line = trim(text.substr(0, text.find('\n')));
  while (!line.empty() && string_view(".*").find(line.back()) != kNone) line.remove_suffix(1);
  if (!few_words(line)) return std::nullopt;
  return std::string(line);
}

std::optional<PhraseAnswer> phrase_answer(string_view text, bool* several) {
  std::optional<PhraseAnswer> last;
  std::vector<std::string> different;
  for (const Sentence& sentence : last_sentences(text)) {
    if (asks(sentence)) continue;
    auto found = in_phrase(sentence, text);
    if (!found) continue;
    std::string form = normal_form(found->answer);
    if (std::find(different.begin(), different.end(), form) == different.end())
      different.push_back(std::move(form));
    if (different.size() > kMostDifferent) {
      if (several) *several = true;
      return std::nullopt;
    }
    last = std::move(found);
  }
  return last;
}

std::optional<std::string> corrected_answer(string_view text) {
  static constexpr std::array<string_view, 9> kCorrections = {
      "wait", "no", "actually", "correction", "oops", "sorry", "hmm", "instead", "rather"};
  static constexpr std::array<string_view, 6> kBe = {"is",    "it's",     "be",
                                                     "meant", "actually", "that's"};
  for (const Sentence& sentence : last_sentences(text)) {
    const Pieces& t = sentence.tokens;
    bool corrects = false;
    for (size_t i = 0; i < t.size(); ++i) {
      corrects |= i < 3 && any_word(t[i], kCorrections);
      const bool colon = t[i].is_mark(":") && i > 0 && t[i - 1].is_word("correction");
      if (!corrects || !(any_word(t[i], kBe) || colon)) continue;
      if (i + 1 < t.size() && is_value(t[i + 1])) return run_text(t, i + 1, end_of_run(t, i + 1));
    }
  }
  return std::nullopt;
}

std::optional<std::string> stated_answer(string_view text, string_view& how) {
  const auto sentences = last_sentences(text);
  std::optional<std::string> fallback;
  size_t plain_seen = 0;
  bool remarked = false;  // what stands before a closing remark may be the verification
  for (size_t n = 0; n < sentences.size() && n < kMostSentences; ++n) {
    const size_t i = sentences.size() - 1 - n;
    const Sentence& sentence = sentences[i];
    if (asks(sentence)) continue;
    if (is_lone_value(sentence) && n == 0) {
      how = "result on its own line";
      return lone_values(sentences, i);
    }
    if (auto phrase = in_phrase(sentence, text)) {
      how = "answer phrase";
      return std::move(phrase->answer);
    }
    const bool remark = is_remark(sentence);
    auto value = stated_in(sentence);
    if (remark) {
      remarked |= speaks_of_checking(sentence);
      if (!fallback) fallback = std::move(value);
      continue;
    }
    ++plain_seen;
    if (!value) continue;
    if (is_conclusion(sentence) || (plain_seen <= 2 && !remarked)) {
      how = is_conclusion(sentence) ? "conclusion" : "last statement";
      return value;
    }
    if (!fallback) fallback = std::move(value);
  }
  how = "last statement";
  return fallback;
}

}  // namespace ponder::judge
