#include "judge/find/stated_value.h"

#include <algorithm>
#include <array>
#include <vector>

#include "judge/find/standing.h"
#include "judge/text.h"

namespace ponder::judge {

using std::string_view;

namespace {

constexpr std::array<string_view, 15> kPrepositions = {"at",    "in",     "after",   "over",  "for",
                                                       "from",  "within", "with",    "every", "per",
                                                       "those", "these",  "between", "by",    "on"};
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
    const bool after_giving = all[i].is_word("giving") && all[i - 1].is_word("after");
    if (((any_word(all[i], kNewClause) && !after_giving) || all[i].is_mark(";")) &&
        strong_in(i, all.size()) && !(i + 1 < all.size() && all[i + 1].is_word("that")))
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
    const bool in_total = token.is_word("in") && t[value - back + 1].is_word("total");
    if (any_word(token, kPrepositions) && !in_total) return true;
    if (token.is_word("of")) {
      const bool sum = back < value && (t[value - back - 1].is_word("total") ||
                                        t[value - back - 1].is_word("sum") ||
                                        t[value - back - 1].is_word("number"));
      return !sum;
    }
  }
  return false;
}

// The run at `begin` as an answer, where the sentence stands by it.
std::optional<std::string> stood_by(const Pieces& t, size_t begin) {
  const size_t end = end_of_run(t, begin);
  const Standing standing = standing_of(t, begin, end);
  if (standing == Standing::kSpoilt) return std::nullopt;
  auto answer = run_text(t, begin, end);
  if (answer && standing == Standing::kNegative) answer = "-" + *answer;
  return answer;
}

// "9 chickens and 10 rabbits." at the end: counts of two things are one answer.
std::optional<std::string> counts_of_things(const Pieces& t) {
  const size_t n = t.size();
  if (n < 6 || !is_copula(t[n - 6])) return std::nullopt;
  const auto count = [](const Piece& piece) {
    return is_value(piece) && !piece.formula && !piece.bold;
  };
  const auto thing = [](const Piece& piece) { return piece.kind == Piece::Kind::kWord; };
  if (!count(t[n - 5]) || !thing(t[n - 4]) || !t[n - 3].is_word("and") || !count(t[n - 2]) ||
      !thing(t[n - 1]))
    return std::nullopt;
  return std::string(t[n - 5].text) + ", " + std::string(t[n - 2].text);
}

// "Three trucks will be needed to carry 80 stones.": the count that the sentence begins with.
std::optional<std::string> needed_count(const Pieces& t) {
  static constexpr std::array<string_view, 6> kOutcomes = {"needed", "required", "necessary",
                                                           "left",   "possible", "enough"};
  size_t i = 0;
  while (i < t.size() && (any_word(t[i], kConclusions) || t[i].is_mark(","))) ++i;
  if (i >= t.size()) return std::nullopt;
  const size_t count = i++;
  const bool figure = is_value(t[count]) && t[count].strong;
  const std::string word = lower_ascii(t[count].text);
  if (!figure && (t[count].kind != Piece::Kind::kWord || !spoken_number(word))) return std::nullopt;
  while (i < t.size() && i <= count + 4 && t[i].kind == Piece::Kind::kWord && !is_copula(t[i])) ++i;
  if (i >= t.size() || !is_copula(t[i])) return std::nullopt;
  while (i < t.size() && (is_copula(t[i]) || t[i].is_word("be"))) ++i;
  if (i >= t.size() || !any_word(t[i], kOutcomes)) return std::nullopt;
  return figure ? run_text(t, count, count + 1) : std::optional(word);
}

// "x = 8 or x = -3; only the first is admissible."
std::optional<std::string> only_first_or_second(const Pieces& t) {
  for (size_t i = 0; i + 2 < t.size(); ++i) {
    if (!t[i].is_word("only") || !t[i + 1].is_word("the")) continue;
    const bool first = t[i + 2].is_word("first"), second = t[i + 2].is_word("second");
    if (!first && !second) continue;
    std::vector<size_t> values;
    for (size_t j = 0; j < i; ++j) {
      if (is_value(t[j])) values.push_back(j);
    }
    if (values.size() != 2) return std::nullopt;
    const size_t chosen = values[first ? 0 : 1];
    return run_text(t, chosen, chosen + 1);
  }
  return std::nullopt;
}

size_t answer_word(const Pieces& t) {
  const auto word = std::find_if(t.begin(), t.end(), [](const Piece& piece) {
    return piece.is_word("answer") || piece.is_word("answers");
  });
  return static_cast<size_t>(word - t.begin());
}

// "We obtain 7 as our final answer."
std::optional<std::string> given_as_answer(const Pieces& t, size_t word) {
  size_t i = word;
  while (i > 0 && (t[i - 1].is_word("final") || t[i - 1].is_word("our") ||
                   t[i - 1].is_word("the") || t[i - 1].is_word("my")))
    --i;
  if (i < 2 || !t[i - 1].is_word("as") || !is_value(t[i - 2])) return std::nullopt;
  return standing_of(t, i - 2, i - 1) == Standing::kStated ? run_text(t, i - 2, i - 1)
                                                           : std::nullopt;
}

// "exactly 8 of them: 1, 2, 3, …": the count, not what it counts.
std::optional<std::string> count_before_list(const Pieces& t) {
  for (size_t i = 1; i + 3 < t.size(); ++i) {
    if (is_value(t[i]) && t[i + 1].is_word("of") && t[i + 2].is_word("them") &&
        t[i + 3].is_mark(":"))
      return run_text(t, i, i + 1);
  }
  return std::nullopt;
}

}  // namespace

bool speaks_of_checking(const Sentence& sentence) {
  return std::any_of(sentence.tokens.begin(), sentence.tokens.end(),
                     [](const Piece& token) { return any_word(token, kRemarks); });
}

bool is_conclusion(const Sentence& sentence) {
  for (size_t i = 0; i < sentence.tokens.size() && i < 4; ++i) {
    if (any_word(sentence.tokens[i], kConclusions)) return true;
  }
  return false;
}

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

std::optional<std::string> spoken_count(const Sentence& sentence) {
  const Pieces& t = sentence.tokens;
  if (t.size() > 12 || std::any_of(t.begin(), t.end(), is_value)) return std::nullopt;
  std::optional<std::string> found;
  for (size_t i = 0; i < t.size(); ++i) {
    const std::string word = lower_ascii(t[i].text);
    if (t[i].kind != Piece::Kind::kWord || !spoken_number(word)) continue;
    if (found) return std::nullopt;
    size_t before = i;
    while (before > 0 && is_filler(t[before - 1])) --before;
    const bool first = before == 0 || (before == 1 && any_word(t[0], kConclusions));
    if (!first && !is_copula(t[before - 1])) return std::nullopt;
    if (i > before && (t[i - 1].is_word("most") || t[i - 1].is_word("least"))) return std::nullopt;
    found = word;
  }
  return found;
}

std::optional<std::string> yes_or_no(const Sentence& sentence) {
  static constexpr std::array<string_view, 4> kAnswers = {"yes", "no", "true", "false"};
  const Pieces& t = sentence.tokens;
  // "The statement is false."
  if (t.size() > 2 && t[t.size() - 2].is_word("is") &&
      (t.back().is_word("true") || t.back().is_word("false")))
    return lower_ascii(t.back().text);
  size_t i = 0;
  while (i < t.size() && (any_word(t[i], kConclusions) || t[i].is_mark(",") || t[i].is_mark(":")))
    ++i;
  if (i == t.size() || !any_word(t[i], kAnswers)) return std::nullopt;
  const bool alone = i + 1 == t.size() || t[i + 1].kind == Piece::Kind::kMark;
  return alone ? std::optional(lower_ascii(t[i].text)) : std::nullopt;
}

std::optional<std::string> stated_in(const Sentence& sentence) {
  if (is_supposed(sentence)) return std::nullopt;
  const Pieces all = without_asides(sentence.tokens);
  if (auto chosen = only_first_or_second(all)) return chosen;
  if (auto counts = counts_of_things(all)) return counts;
  if (auto count = needed_count(all)) return count;
  if (auto count = count_before_list(all)) return count;
  if (!rejected_values(all).empty()) {
    const auto rejected = rejected_values(all);
    for (size_t i = 0; i < all.size(); ++i) {
      const bool thrown_away = std::find(rejected.begin(), rejected.end(), i) != rejected.end();
      if (is_value(all[i]) && all[i].strong && all[i].text.find_first_of("<>") == kNone &&
          !thrown_away && i < rejected.front() && standing_of(all, i, i + 1) == Standing::kStated)
        return run_text(all, i, i + 1);
    }
    return std::nullopt;
  }
  const size_t last = final_statement(all);
  if (const size_t word = answer_word(all); word < all.size()) {
    // "The answer ends in 7": what is said of the answer and is not the answer.
    if (auto given = given_as_answer(all, word)) return given;
    size_t next = word + 1;  // "**Answer** 8", "Answer → 8"
    while (next < all.size() && (all[next].text == "→" || all[next].text == "-")) ++next;
    if (next < all.size() && is_value(all[next]) && end_of_run(all, next) == all.size())
      return stood_by(all, next);
    const bool numbered = word + 1 < all.size() && is_value(all[word + 1]);
    return last < all.size() && !numbered ? stood_by(all, last) : std::nullopt;
  }
  if (last < all.size()) return stood_by(all, last);
  const Pieces t = main_clause(all);
  std::optional<size_t> bold, verb, plain, aside;
  for (size_t i = 0; i < t.size(); i = is_value(t[i]) ? end_of_run(t, i) : i + 1) {
    if (!is_value(t[i])) continue;
    if (!t[i].strong && !t[i].formula) continue;
    if (standing_of(t, i, end_of_run(t, i)) == Standing::kSpoilt) continue;
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
    if (!found) continue;
    // In the whole sentence: what is said behind the clause counts too.
    const auto whole = std::find_if(all.begin(), all.end(), [&](const Piece& piece) {
      return piece.text.data() == t[*found].text.data();
    });
    return stood_by(all, static_cast<size_t>(whole - all.begin()));
  }
  return std::nullopt;
}

}  // namespace ponder::judge
