#include "judge/equal/vocabulary.h"

#include <array>
#include <string>
#include <unordered_map>

#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;

const std::unordered_map<string_view, Saying>& sayings() {
  static const std::unordered_map<string_view, Saying> table = {
      {"yes", Saying::kYes},
      {"oui", Saying::kYes},
      {"ja", Saying::kYes},
      {"sí", Saying::kYes},
      {"да", Saying::kYes},
      {"Да", Saying::kYes},
      {"是", Saying::kYes},
      {"はい", Saying::kYes},
      {"no", Saying::kNo},
      {"non", Saying::kNo},
      {"nein", Saying::kNo},
      {"нет", Saying::kNo},
      {"Нет", Saying::kNo},
      {"否", Saying::kNo},
      {"いいえ", Saying::kNo},
      {"true", Saying::kTrue},
      {"vrai", Saying::kTrue},
      {"wahr", Saying::kTrue},
      {"verdadero", Saying::kTrue},
      {"false", Saying::kFalse},
      {"faux", Saying::kFalse},
      {"falsch", Saying::kFalse},
      {"falso", Saying::kFalse},
      {"none", Saying::kNoSolution},
      {"empty set", Saying::kNoSolution},
      {"empty", Saying::kNoSolution},
      {"无解", Saying::kNoSolution},
      {"空集", Saying::kNoSolution},
      {"keine lösung", Saying::kNoSolution},
      {"aucune solution", Saying::kNoSolution},
      {"pas de solution", Saying::kNoSolution},
      {"no hay solución", Saying::kNoSolution},
      {"sin solución", Saying::kNoSolution},
      {"нет решений", Saying::kNoSolution},
      {"undefined", Saying::kUndefined},
      {"not defined", Saying::kUndefined},
      {"dne", Saying::kUndefined},
      {"does not exist", Saying::kUndefined},
      {"limit does not exist", Saying::kUndefined},
      {"all real numbers", Saying::kAllReals},
      {"all reals", Saying::kAllReals},
      {"all real", Saying::kAllReals},
      {"all real values", Saying::kAllReals},
      {"all real x", Saying::kAllReals},
      {"any real number", Saying::kAllReals},
      {"every real number", Saying::kAllReals},
      {"all real numbers x", Saying::kAllReals},
      {"x is any real number", Saying::kAllReals},
      {"set of all real numbers", Saying::kAllReals},
      {"infinitely many", Saying::kInfinitelyMany},
      {"infinitely many solutions", Saying::kInfinitelyMany},
      {"infinite number of solutions", Saying::kInfinitelyMany}};
  return table;
}

// "no real solutions", "there are no solutions", "no solutions exist", "it has no solution".
bool says_no_solution(string_view words) {
  static constexpr std::array<string_view, 14> kPart = {
      "there", "is",     "are", "no",  "real", "solution", "solutions",
      "exist", "exists", "it",  "has", "the",  "equation", "such"};
  bool no = false, solution = false;
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    const string_view word = words.substr(0, end);
    words.remove_prefix(std::min(end + 1, words.size()));
    bool known = false;
    for (string_view part : kPart) known |= part == word;
    if (!known) return false;
    no |= word == "no";
    solution |= word.starts_with("solution");
  }
  return no && solution;
}

}  // namespace

std::optional<Saying> saying_of(string_view text) {
  if (text.size() > 80) return std::nullopt;
  text = trimmed(text);
  if (text.find_first_of("0123456789=<>") != kNone) return std::nullopt;
  const std::string form = normal_form(text);
  for (string_view empty :
       {"\\emptyset", "\\varnothing", "∅", "\\{\\}", "x\\in\\emptyset", "x\\in\\varnothing"}) {
    if (form == empty) return Saying::kNoSolution;
  }
  for (string_view all :
       {"\\mathbb{R}", "\\mathbbR", "\\R", "ℝ", "(-\\infty,\\infty)", "(-\\infty,+\\infty)",
        "(-∞,∞)", "x\\in\\mathbb{R}", "x\\in\\mathbbR", "x∈ℝ", "x\\in(-\\infty,\\infty)"}) {
    if (form == all) return Saying::kAllReals;
  }
  if (form == "R" && text.find("mathbb") != kNone) return Saying::kAllReals;
  std::string words = words_of(text);
  for (string_view lead : {"the ", "answer is ", "answer "}) {
    if (words.starts_with(lead)) words.erase(0, lead.size());
  }
  if (const auto found = sayings().find(words); found != sayings().end()) return found->second;
  if (says_no_solution(words)) return Saying::kNoSolution;
  // "Yes, it converges."
  const size_t comma = text.find_first_of(",.;:");
  if (comma == kNone || comma == 0) return std::nullopt;
  const auto first = sayings().find(words_of(text.substr(0, comma)));
  if (first == sayings().end() ||
      static_cast<int>(first->second) > static_cast<int>(Saying::kFalse))
    return std::nullopt;
  return first->second;
}

}  // namespace ponder::judge
