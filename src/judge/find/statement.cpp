#include "judge/find/statement.h"

#include <algorithm>
#include <array>
#include <vector>

#include "judge/find/phrase.h"
#include "judge/find/result.h"
#include "judge/find/sentence.h"
#include "judge/find/value_run.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kMostSentences = 60;  // looked at from the end

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
           (is_filler(t[verb - 1]) || any_word(t[verb - 1], kRemarks)))
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
    while (before > 0 && before + 6 > i && !is_value(t[before - 1]) && is_filler(t[before - 1]))
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
