#include "judge/judge.h"

#include <exception>
#include <vector>

#include "base/error.h"
#include "judge/choice.h"
#include "judge/compare.h"
#include "judge/compound.h"
#include "judge/dates.h"
#include "judge/describe.h"
#include "judge/extract.h"
#include "judge/reader.h"
#include "judge/text.h"
#include "judge/words.h"

namespace ponder {
namespace {

using namespace judge;

Judgement decide(Match match, std::string proof) {
  Judgement judgement;
  judgement.verdict = match == Match::kEqual       ? Verdict::kCorrect
                      : match == Match::kDifferent ? Verdict::kIncorrect
                                                   : Verdict::kUndecided;
  judgement.proof = std::move(proof);
  return judgement;
}

Judgement judge_math(std::string_view gold, std::string_view prediction,
                     const JudgeOptions& options);

// The letter of the one choice whose text is `answer`.
std::optional<char> letter_of_text(std::string_view answer, const JudgeOptions& options) {
  const std::string words = words_of(answer), form = normal_form(answer);
  std::optional<char> letter;
  for (size_t i = 0; i < options.choices.size() && i < 26; ++i) {
    const std::string_view text = choice_text(options.choices[i]);
    const bool same = (!words.empty() && words == words_of(text) && form == normal_form(text)) ||
                      judge_math(text, answer, {AnswerType::kMath, options.tolerance}).verdict ==
                          Verdict::kCorrect;
    if (!same) continue;
    if (letter) return std::nullopt;  // two choices say the same
    letter = static_cast<char>('A' + i);
  }
  return letter;
}

std::optional<char> choice_of(std::string_view answer, const JudgeOptions& options) {
  const auto letter = choice_letter(answer, true);
  const bool known = letter && (options.choices.empty() ||
                                static_cast<size_t>(*letter - 'A') < options.choices.size());
  return known ? letter : letter_of_text(answer, options);
}

Judgement judge_choice(std::string_view gold, std::string_view prediction,
                       const JudgeOptions& options) {
  const auto letter = choice_of(gold, options);
  if (!letter) return decide(Match::kUnknown, "gold " + excerpt(gold) + " is no choice letter");
  const auto given = choice_of(prediction, options);
  if (given) {
    return decide(*given == *letter ? Match::kEqual : Match::kDifferent,
                  std::string("choice ") + *letter + " against choice " + *given);
  }
  const std::string text = words_of(prediction);
  const std::string gold_text = words_of(gold);
  if (!text.empty() && gold_text.size() > 2 && gold_text.substr(2) == text) {
    return decide(Match::kEqual, "the words of choice " + std::string(1, *letter));
  }
  return decide(Match::kUnknown, "no choice letter in " + excerpt(prediction));
}

// "the mitochondria" is "mitochondria".
std::string without_article(std::string words) {
  for (std::string_view article : {"the ", "a ", "an "}) {
    if (words.size() > article.size() && words.starts_with(article))
      return words.substr(article.size());
  }
  return words;
}

Judgement judge_text(std::string_view gold, std::string_view prediction) {
  const std::string a = without_article(words_of(gold));
  const std::string b = without_article(words_of(prediction));
  if (a.empty() || b.empty()) return decide(Match::kUnknown, "a side holds no words");
  return decide(a == b ? Match::kEqual : Match::kDifferent,
                a == b ? "the same words" : "different words");
}

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

Judgement judge_math(std::string_view gold, std::string_view prediction,
                     const JudgeOptions& options) {
  if (gold.size() > kMaxAnswerBytes || prediction.size() > kMaxAnswerBytes) {
    return decide(gold == prediction ? Match::kEqual : Match::kUnknown, "too long to be read");
  }
  const std::string gold_form = normal_form(gold), form = normal_form(prediction);
  if (form.empty() && !gold_form.empty()) return decide(Match::kDifferent, "an empty answer");
  if (gold_form.empty() || form.empty()) return decide(Match::kUnknown, "a side is empty");
  if (gold_form == form) return decide(Match::kEqual, "the same text after normalisation");
  // A lone capital letter in choice dress is a choice, whatever the type says.
  const auto gold_letter = choice_letter(gold, false);
  if (gold_letter && *gold_letter <= 'J' &&
      gold_form.find_first_of("abcdefghij") == std::string::npos) {
    if (const auto letter = choice_letter(prediction, false)) {
      if (*letter == *gold_letter)
        return decide(Match::kEqual, std::string("both are choice ") + *letter);
    }
  }
  if (const auto dates = compare_dates(gold, prediction)) return decide(dates->match, dates->rule);
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
  const CompareRules rules{options.tolerance, options.units == Strictness::kStrict,
                           options.order == Strictness::kStrict};
  for (const Reading& a : golds) {
    for (const Reading& b : predictions) {
      if (!a.expression || !b.expression) continue;
      const Comparison comparison = compare_answers(*a.expression, *b.expression, rules, budget);
      if (comparison.match == Match::kEqual) {
        return decide(Match::kEqual, "gold is " + reading_of(a) + ", answer is " + reading_of(b) +
                                         ": " + comparison.rule);
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
      return decide(Match::kEqual, "the same words");
    }
    if (denies(prediction) != denies(gold)) {
      first = {Match::kDifferent, "one side says there is no answer"};
    } else if (golds.front().expression && !letters_only && !is_prose_without_value(gold) &&
               is_prose_without_value(prediction)) {
      first = {Match::kDifferent, "prose without a value"};
    }
  }
  return decide(first.match, "gold is " + reading_of(golds.front()) + ", answer is " +
                                 reading_of(predictions.front()) + ": " + first.rule);
}

// An answer handed over boxed, or as a worked solution that states it as a response does.
std::string bare_answer(std::string_view text, AnswerType type) {
  if (type == AnswerType::kText) return std::string(text);
  if (auto box = boxed_answer(text)) return *box;
  if (type != AnswerType::kChoice && text.size() > 100 &&
      text.find(". ") != std::string_view::npos) {
    std::string problem;
    if (auto extraction = extract(text, {type}, problem)) return std::move(extraction->answer);
  }
  return std::string(text);
}

Judgement judge_extracted(std::string_view gold, std::string_view prediction,
                          const JudgeOptions& options) {
  const std::string bare_gold = bare_answer(gold, options.type);
  const std::string_view expected = trim(bare_gold);
  Judgement judgement;
  if (is_masked(prediction) && !is_masked(gold))
    return {Verdict::kUndecided, std::string(prediction), "a struck-out or turned sign"};
  switch (options.type) {
    case AnswerType::kChoice:
      judgement = judge_choice(expected, prediction, options);
      break;
    case AnswerType::kText:
      judgement = judge_text(expected, prediction);
      break;
    case AnswerType::kNumber:
    case AnswerType::kMath:
      judgement = judge_math(expected, prediction, options);
      break;
  }
  judgement.extracted = std::string(prediction);
  judgement.proof =
      excerpt(prediction) + " against gold " + excerpt(expected) + ": " + judgement.proof;
  return judgement;
}

Judgement failed(const char* why) {
  return {Verdict::kUndecided, "", std::string("the judge gave up: ") + why};
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kCorrect:
      return "correct";
    case Verdict::kIncorrect:
      return "incorrect";
    case Verdict::kUndecided:
      return "undecided";
  }
  return "undecided";
}

std::optional<Verdict> verdict_from_string(std::string_view text) {
  for (Verdict verdict : {Verdict::kCorrect, Verdict::kIncorrect, Verdict::kUndecided}) {
    if (to_string(verdict) == text) return verdict;
  }
  return std::nullopt;
}

std::string_view to_string(AnswerType type) {
  switch (type) {
    case AnswerType::kMath:
      return "math";
    case AnswerType::kChoice:
      return "choice";
    case AnswerType::kNumber:
      return "number";
    case AnswerType::kText:
      return "text";
  }
  return "math";
}

std::optional<AnswerType> answer_type_from_string(std::string_view text) {
  for (AnswerType type :
       {AnswerType::kMath, AnswerType::kChoice, AnswerType::kNumber, AnswerType::kText}) {
    if (to_string(type) == text) return type;
  }
  return std::nullopt;
}

std::optional<std::string> extract_answer(std::string_view response, AnswerType type) {
  try {
    std::string problem;
    auto extraction = extract(response, {type}, problem);
    if (extraction) return std::move(extraction->answer);
  } catch (const std::exception&) {
  }
  return std::nullopt;
}

Judgement judge_answer(std::string_view gold, std::string_view prediction,
                       const JudgeOptions& options) {
  try {
    const std::string bare = bare_answer(prediction, options.type);
    return judge_extracted(gold, trim(bare), options);
  } catch (const std::exception& error) {
    return failed(error.what());
  }
}

Judgement judge_response(std::string_view gold, std::string_view response, ResponseEnd end,
                         const JudgeOptions& options) {
  try {
    if (end == ResponseEnd::kTokenLimit)
      return {Verdict::kIncorrect, "", "the response was cut by the token limit: it has no answer"};
    if (end == ResponseEnd::kRepetition)
      return {Verdict::kIncorrect, "",
              "the response was cut as it repeated itself: it has no answer"};
    std::string problem;
    const auto extraction = extract(response, options, problem);
    if (!extraction) {
      // Words that nothing marks may still be the gold's words.
      const bool maybe =
          problem == kNothingMarked && options.type != AnswerType::kChoice && is_words(gold);
      return {maybe ? Verdict::kUndecided : Verdict::kIncorrect, "", "no answer: " + problem};
    }
    Judgement judgement = judge_extracted(gold, trim(extraction->answer), options);
    judgement.proof = std::string(extraction->how) + " " + judgement.proof;
    return judgement;
  } catch (const std::exception& error) {
    return failed(error.what());
  }
}

}  // namespace ponder
