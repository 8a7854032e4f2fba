#include "judge/find/standing.h"

#include <algorithm>
#include <array>

#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;

constexpr size_t kReach = 8;  // words between a verb and its value

constexpr std::array<string_view, 17> kNegations = {
    "not",   "never", "cannot",  "can't",     "isn't",    "aren't",   "wasn't", "doesn't", "don't",
    "won't", "nor",   "neither", "shouldn't", "couldn't", "wouldn't", "hardly", "nothing"};
// Between the verb and the value: another value is meant.
constexpr std::array<string_view, 29> kChanges = {
    "than",    "exceeds", "exceed",    "below",    "above",    "under",   "beyond", "twice",
    "double",  "triple",  "thrice",    "half",     "multiple", "divisor", "factor", "square",
    "cube",    "root",    "different", "anything", "except",   "besides", "other",  "reciprocal",
    "quarter", "third",   "but",       "close",    "near"};
constexpr std::array<string_view, 10> kComparatives = {
    "more", "less", "fewer", "greater", "higher", "lower", "larger", "smaller", "above", "below"};
constexpr std::array<string_view, 8> kWrong = {"wrong",   "incorrect",    "false",    "impossible",
                                               "invalid", "inadmissible", "mistaken", "untrue"};
constexpr std::array<string_view, 6> kBeing = {"is", "are", "was", "were", "be", "seems"};

const Piece* at(const Pieces& t, size_t i) { return i < t.size() ? &t[i] : nullptr; }

bool is_at(const Pieces& t, size_t i, string_view word) {
  return i < t.size() && t[i].is_word(word);
}

bool has_word(const Pieces& t, string_view word) {
  return std::any_of(t.begin(), t.end(), [&](const Piece& piece) { return piece.is_word(word); });
}

// "is wrong", "is not the answer", "is a lower bound", from the verb at `i` on.
bool calls_it_wrong(const Pieces& t, size_t i) {
  while (is_at(t, i, "would") || is_at(t, i, "must") || is_at(t, i, "can")) ++i;
  if (is_at(t, i, "isn't") || is_at(t, i, "cannot") || is_at(t, i, "can't")) return true;
  if (!at(t, i) || !any_word(t[i], kBeing)) return false;
  size_t next = i + 1;
  while (is_at(t, next, "a") || is_at(t, next, "also") || is_at(t, next, "clearly")) ++next;
  if (!at(t, next)) return false;
  if (any_word(t[next], kWrong) || any_word(t[next], kNegations)) return true;
  if (is_at(t, next, "too")) return true;
  return (is_at(t, next, "lower") || is_at(t, next, "upper")) && is_at(t, next + 1, "bound");
}

bool spoilt_behind(const Pieces& t, size_t end) {
  if (!at(t, end)) return false;
  if (is_at(t, end, "or") && at(t, end + 1) && any_word(t[end + 1], kComparatives)) return true;
  if (is_at(t, end, "only") && (is_at(t, end + 1, "if") || is_at(t, end + 1, "when"))) return true;
  if (is_at(t, end, "at") && (is_at(t, end + 1, "most") || is_at(t, end + 1, "least"))) return true;
  for (string_view word : {"factorial", "squared", "cubed", "plus", "minus", "divided",
                           "multiplied", "modulo", "mod", "raised"}) {
    if (is_at(t, end, word)) return true;
  }
  if (is_at(t, end, "to") && is_at(t, end + 1, "the") && is_at(t, end + 2, "power")) return true;
  if (t[end].is_mark("-") && at(t, end + 1) && t[end + 1].kind == Piece::Kind::kWord &&
      t[end + 1].text.data() == t[end].text.data() + 1)
    return true;  // a 7-digit number
  const bool product = is_at(t, end, "times") || is_at(t, end, "of");
  if (product && at(t, end + 1) && is_value(t[end + 1])) return true;
  if (calls_it_wrong(t, end)) return true;
  return t[end].is_mark(",") && is_at(t, end + 1, "which") && calls_it_wrong(t, end + 2);
}

}  // namespace

Standing standing_of(const Pieces& t, size_t begin, size_t end) {
  const bool names_answer = has_word(t, "answer");
  size_t verb = begin;
  for (size_t back = 1; back <= kReach && back <= begin; ++back) {
    const Piece& piece = t[begin - back];
    if (is_value(piece) || piece.is_mark(",") || piece.is_mark(";")) break;
    if (is_copula(piece)) {
      verb = begin - back;
      break;
    }
  }
  size_t from = verb < begin ? verb + 1 : begin - std::min<size_t>(begin, 3);
  for (size_t i = from; i < begin; ++i) {
    if (is_value(t[i]) && t[i].strong) from = i + 1;  // what is said of another value
  }
  for (size_t i = from; i < begin; ++i) {
    if (is_value(t[i]) || t[i].kind == Piece::Kind::kMark) continue;
    const bool bound = (t[i].is_word("least") || t[i].is_word("most")) && names_answer;
    const bool with = names_answer && (t[i].is_word("with") || t[i].is_word("has"));
    if (any_word(t[i], kNegations) || bound || with) return Standing::kSpoilt;
    const bool change = any_word(t[i], kChanges) && !t[i].is_word("but");
    const bool but = t[i].is_word("but") && i > 0 && t[i - 1].is_word("anything");
    const bool bounds = t[i].is_word("than") || t[i].is_word("exceeds") || t[i].is_word("below") ||
                        t[i].is_word("above") || t[i].is_word("beyond");
    if ((t[i].is_word("perhaps") || t[i].is_word("maybe")) && names_answer)
      return Standing::kSpoilt;
    if ((verb < begin || bounds) && (change || but)) return Standing::kSpoilt;
  }
  if (verb < begin) {
    // "won't be able to place 16 eggs" denies the placing.
    const bool able = is_at(t, verb + 1, "able");
    if (verb > 0 && any_word(t[verb - 1], kNegations) && !able) return Standing::kSpoilt;
  }
  if (spoilt_behind(t, end) || t[begin].text.ends_with("squared") ||
      t[begin].text.ends_with("cubed"))
    return Standing::kSpoilt;
  if (names_answer && end < t.size() && any_word(t[end], kComparatives)) return Standing::kSpoilt;
  if (begin > 0 && (t[begin - 1].is_word("negative") || t[begin - 1].is_word("minus")))
    return Standing::kNegative;
  return Standing::kStated;
}

bool is_supposed(const Sentence& sentence) {
  static constexpr std::array<string_view, 11> kOthers = {
      "some", "others",  "people",   "books",   "many",  "one",
      "they", "someone", "students", "sources", "nobody"};
  static constexpr std::array<string_view, 14> kSaying = {
      "say",    "says",     "said",  "think",  "thinks", "believe", "believes",
      "expect", "expected", "claim", "claims", "guess",  "argue",   "answer"};
  static constexpr std::array<string_view, 5> kModals = {"would", "could", "might", "may", "have"};
  const Pieces& t = sentence.tokens;
  if (t.empty()) return false;
  const bool unreal = has_word(t, "would") || has_word(t, "could") || has_word(t, "might");
  size_t first = 0;
  while (first + 1 < t.size() && (t[first].kind == Piece::Kind::kMark || t[first].is_word("but") ||
                                  t[first].is_word("note") || t[first].is_word("that")))
    ++first;
  if (unreal && (t[first].is_word("if") || t[first].is_word("had") || t[first].is_word("were") ||
                 t[first].is_word("without") || t[first].is_word("otherwise")))
    return true;
  for (size_t i = first; i < t.size(); ++i) {
    if (t[i].is_word("doubt")) return true;
    if (t[first].is_word("if") && any_word(t[i], kWrong)) return true;
    if (t[i].is_word("mistake") || t[i].is_word("misconception") || t[i].is_word("pitfall"))
      return true;
    const bool denied = any_word(t[i], kWrong) || t[i].is_word("not");
    if (denied && (is_at(t, i + 1, "that") || (is_at(t, i + 1, "true") && is_at(t, i + 2, "that"))))
      return true;
    if ((any_word(t[i], kWrong) || t[i].is_word("tempting") || t[i].is_word("naive")) &&
        is_at(t, i + 1, "answer"))
      return true;
    if (any_word(t[i], kWrong) && is_at(t, i + 1, "if")) return true;
    if (any_word(t[i], kWrong) && is_at(t, i + 1, "statement")) return true;
    if (any_word(t[i], kWrong) && is_at(t, i + 1, "to")) return true;
    if (any_word(t[i], kNegations) && (is_at(t, i + 1, "believe") || is_at(t, i + 1, "think")))
      return true;
    if (!any_word(t[i], kOthers)) continue;
    size_t verb = i + 1;
    while (at(t, verb) && any_word(t[verb], kModals)) ++verb;
    if (at(t, verb) && any_word(t[verb], kSaying) && !t[verb].is_word("answer")) return true;
  }
  return false;
}

bool takes_back(const Sentence& sentence) {
  const Pieces& t = sentence.tokens;
  size_t i = 0;
  while (i < t.size() && (t[i].kind == Piece::Kind::kMark || t[i].is_word("but") ||
                          t[i].is_word("however") || t[i].is_word("wait") || t[i].is_word("no")))
    ++i;
  if (!is_at(t, i, "this") && !is_at(t, i, "that") && !is_at(t, i, "it") && !is_at(t, i, "which"))
    return false;
  ++i;
  if (!at(t, i) || !any_word(t[i], kBeing)) return false;
  if (is_at(t, i + 1, "not")) {
    return is_at(t, i + 2, "right") || is_at(t, i + 2, "correct") || is_at(t, i + 2, "true") ||
           is_at(t, i + 2, "possible") || (is_at(t, i + 2, "the") && is_at(t, i + 3, "answer"));
  }
  return at(t, i + 1) && any_word(t[i + 1], kWrong);
}

bool is_plainly_announced(const Pieces& t, size_t word) {
  static constexpr std::array<string_view, 12> kElsewhere = {
      "in", "part", "if", "for", "with", "case", "when", "next", "other", "similar", "from", "of"};
  for (size_t i = word + 1; i < t.size() && !is_copula(t[i]) && !is_value(t[i]); ++i) {
    if (any_word(t[i], kElsewhere)) return false;  // "the answer in the book is 7"
  }
  static constexpr std::array<string_view, 50> kPlain = {
      "the",        "final",     "correct",      "right",    "actual",    "our",        "my",
      "so",         "thus",      "hence",        "then",     "therefore", "and",        "is",
      "this",       "that",      "which",        "we",       "i",         "conclude",   "get",
      "finally",    "wait",      "no",           "actually", "sorry",     "correction", "in",
      "conclusion", "it",        "consequently", "as",       "a",         "result",     "step",
      "summary",    "overall",   "simplified",   "exact",    "numerical", "numeric",    "required",
      "desired",    "requested", "to",           "here",     "be",        "but",        "however",
      "hmm"};
  if (word > 0 && t[word - 1].is_word("final")) return true;
  for (size_t i = 0; i < word; ++i) {
    if (is_value(t[i])) {
      // "Step 3: the answer is 8", and a result that the sentence has just computed.
      if (i + 1 < word && (t[i + 1].is_mark(",") || t[i + 1].is_mark(":"))) continue;
      return false;
    }
    if (t[i].kind == Piece::Kind::kMark) continue;
    if (!any_word(t[i], kPlain)) return false;
  }
  return true;
}

bool is_further_offer(const Pieces& t, size_t word) {
  for (size_t i = 0; i < word && i < t.size(); ++i) {
    if (t[i].is_word("another") || t[i].is_word("alternatively") || (i == 0 && t[i].is_word("or")))
      return true;
  }
  return false;
}

std::vector<size_t> rejected_values(const Pieces& t) {
  static constexpr std::array<string_view, 6> kRejecting = {"discard",   "reject", "discarding",
                                                            "rejecting", "ignore", "exclude"};
  static constexpr std::array<string_view, 5> kRejected = {"discarded", "rejected", "extraneous",
                                                           "inadmissible", "excluded"};
  std::vector<size_t> rejected;
  for (size_t i = 0; i < t.size(); ++i) {
    const bool rules_out =
        (t[i].is_word("rule") || t[i].is_word("ruled")) && is_at(t, i + 1, "out");
    if (any_word(t[i], kRejecting) || rules_out) {
      for (size_t j = i + 1; j < t.size() && j < i + kReach; ++j) {
        if (is_value(t[j])) {
          rejected.push_back(j);
          break;
        }
      }
    }
    if (any_word(t[i], kRejected)) {
      for (size_t j = i; j-- > 0 && i - j < 2 * kReach;) {
        if (is_value(t[j])) {
          rejected.push_back(j);
          break;
        }
      }
    }
  }
  return rejected;
}

Pieces without_asides(const Pieces& t) {
  Pieces kept;
  bool value = false;
  for (size_t i = 0; i < t.size(); ++i) {
    if (value && t[i].is_mark("(")) {
      size_t close = i + 1;
      bool words = false;
      while (close < t.size() && !t[close].is_mark(")")) {
        words |= t[close].kind == Piece::Kind::kWord;
        ++close;
      }
      if (words && close < t.size()) {
        i = close;
        continue;
      }
    }
    value |= is_value(t[i]) && t[i].strong;
    kept.push_back(t[i]);
  }
  return kept;
}

}  // namespace ponder::judge
