#include "judge/equal/written.h"

#include <vector>

#include "judge/equal/compare.h"
#include "judge/equal/compound.h"
#include "judge/equal/dates.h"
#include "judge/equal/words.h"
#include "judge/read/choice_letter.h"
#include "judge/read/describe.h"
#include "judge/read/reader.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

std::string reading_of(const Reading& reading) {
  return reading.expression ? describe(*reading.expression)
                            : "unreadable (" + reading.problem + ")";
}

// Words that deny an answer exists are comparable with any value; other words may be a name for it.
bool denies(std::string_view text) {
  std::string words;
  for (char c : words_of(text)) {
    if (c != ' ') words += c;
  }
  for (std::string_view denial : {"nosolution", "norealsolution", "doesnotexist", "undefined",
                                  "impossible", "cannotbedetermined", "nosuch", "noreal"}) {
    if (words.find(denial) != std::string::npos) return true;
  }
  return words == "none" || words == "no" || words_of(text).starts_with("no ");
}

}  // namespace

Comparison compare_written(std::string_view gold, std::string_view prediction,
                           const CompareRules& rules) {
  if (gold.size() > kMaxAnswerBytes || prediction.size() > kMaxAnswerBytes) {
    return {gold == prediction ? Match::kEqual : Match::kUnknown, "too long to be read"};
  }
  const std::string gold_form = normal_form(gold), form = normal_form(prediction);
  if (form.empty() && !gold_form.empty()) return {Match::kDifferent, "an empty answer"};
  if (gold_form.empty() || form.empty()) return {Match::kUnknown, "a side is empty"};
  if (gold_form == form) return {Match::kEqual, "the same text after normalisation"};
  // A lone capital letter in choice dress is a choice, whatever the type says.
  const auto gold_letter = choice_letter(gold, false);
  if (gold_letter && *gold_letter <= 'J' &&
      gold_form.find_first_of("abcdefghij") == std::string::npos) {
    if (const auto letter = choice_letter(prediction, false)) {
      if (*letter == *gold_letter)
        return {Match::kEqual, std::string("both are choice ") + *letter};
    }
  }
  if (const auto dates = compare_dates(gold, prediction)) return *dates;
  const std::string gold_words = words_of(gold), words = words_of(prediction);
  std::vector<Reading> golds, predictions;
  for (CommaRule rule : comma_rules(gold)) golds.push_back(read_answer(gold, rule));
  for (CommaRule rule : comma_rules(prediction))
    predictions.push_back(read_answer(prediction, rule));
  for (Expression& whole : compound_measures(gold)) golds.push_back({std::move(whole), ""});
  for (Expression& whole : compound_measures(prediction))
    predictions.push_back({std::move(whole), ""});
  Comparison first{Match::kUnknown, "a side cannot be read"};
  bool decided = false;
  Budget budget;
  for (const Reading& a : golds) {
    for (const Reading& b : predictions) {
      if (!a.expression || !b.expression) continue;
      const Comparison comparison = compare_answers(*a.expression, *b.expression, rules, budget);
      if (comparison.match == Match::kEqual) {
        return {Match::kEqual, "gold is " + reading_of(a) + ", answer is " + reading_of(b) + ": " +
                                   comparison.rule};
      }
      if (!decided) first = comparison;
      decided = true;
    }
  }
  if (first.match == Match::kUnknown) {
    const bool letters_only =
        !gold_words.empty() && gold_words.find_first_of("0123456789") == std::string::npos;
    if (letters_only && gold_words == words && gold_words.size() > 2 &&
        gold.find_first_of("+-=<>^/") == std::string_view::npos &&
        prediction.find_first_of("+-=<>^/") == std::string_view::npos) {
      return {Match::kEqual, "the same words"};
    }
    if (denies(prediction) != denies(gold)) {
      first = {Match::kDifferent, "one side says there is no answer"};
    } else if (golds.front().expression && !letters_only && !is_prose_without_value(gold) &&
               is_prose_without_value(prediction)) {
      first = {Match::kDifferent, "prose without a value"};
    }
  }
  return {first.match, "gold is " + reading_of(golds.front()) + ", answer is " +
                           reading_of(predictions.front()) + ": " + first.rule};
}

}  // namespace ponder::judge
