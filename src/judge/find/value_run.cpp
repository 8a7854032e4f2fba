#include "judge/find/value_run.h"

#include "judge/find/result.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kStatementWindow = 20000;  // bytes at the end in which prose is read

constexpr std::array<string_view, 20> kFillers = {
    "indeed", "simply", "just",   "exactly", "approximately", "about",    "roughly",
    "only",   "now",    "still",  "thus",    "therefore",     "actually", "equal",
    "to",     "given",  "around", "at",      "least",         "precisely"};
constexpr std::array<string_view, 14> kLongFillers = {
    "by",    "as",     "follows", "the",      "a",    "total", "of",
    "value", "number", "integer", "fraction", "most", "found", "clearly"};
constexpr std::array<string_view, 17> kCopulas = {
    "is",     "are",   "be",     "equals", "equal", "remains", "becomes", "was",    "were",
    "yields", "gives", "totals", "lautet", "est",   "rounds",  "comes",   "amounts"};
constexpr std::array<string_view, 9> kHedges = {
    "or", "maybe", "perhaps", "possibly", "alternatively", "could", "might", "either", "unless"};
constexpr std::array<string_view, 9> kHedgeFillers = {"but",  "it",   "is",   "be", "also",
                                                      "else", "even", "just", "and"};

}  // namespace

bool is_copula(const Piece& token) {
  const bool wide = token.kind == Piece::Kind::kWord &&
                    (token.text.ends_with("为") || token.text.ends_with("是"));
  return wide || any_word(token, kCopulas) || token.is_mark(":") || token.is_mark("=") ||
         token.is_mark("≈");
}

bool is_filler(const Piece& token) {
  return any_word(token, kFillers) || any_word(token, kLongFillers);
}

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

size_t value_after(const Pieces& t, size_t i) {
  for (size_t steps = 0; i < t.size() && steps < 6; ++i, ++steps) {
    if (is_value(t[i])) return i;
    if (!is_filler(t[i]) && !is_copula(t[i]) && !t[i].is_mark("(")) break;
  }
  return t.size();
}

bool asks(const Sentence& sentence) {
  static constexpr std::array<string_view, 4> kSupposing = {"whether", "suppose", "pretend", "ask"};
  return sentence.question ||
         std::any_of(sentence.tokens.begin(), sentence.tokens.end(),
                     [](const Piece& token) { return any_word(token, kSupposing); });
}

std::vector<Sentence> last_sentences(string_view text) {
  if (text.size() > kStatementWindow) {
    text.remove_prefix(text.size() - kStatementWindow);
    const size_t line = text.find('\n');
    if (line != kNone) text.remove_prefix(line);
  }
  return sentences_of(text);
}

}  // namespace ponder::judge
