#include "judge/judge.h"

#include <exception>
#include <vector>

#include "base/error.h"
#include "judge/equal/words.h"
#include "judge/equal/written.h"
#include "judge/find/extract.h"
#include "judge/read/choice_letter.h"
#include "judge/text.h"

namespace ponder::judge {
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

CompareRules rules_of(const JudgeOptions& options) {
  return {options.tolerance, options.units == Strictness::kStrict,
          options.order == Strictness::kStrict, options.forms == Forms::kEvaluated};
}

Judgement judge_math(std::string_view gold, std::string_view prediction,
                     const JudgeOptions& options) {
  Comparison comparison = compare_written(gold, prediction, rules_of(options));
  return decide(comparison.match, std::move(comparison.rule));
}

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

// "ABCD"
bool names_several_letters(std::string_view text) {
  const std::string form = normal_form(text);
  return form.size() > 1 && form.find_first_not_of("ABCDEFGHIJ") == std::string::npos;
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
  if (names_several_letters(prediction) && !names_several_letters(gold))
    return decide(Match::kDifferent, "several letters");
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

// An answer handed over boxed, or as a worked solution that states it as a response does.
std::string bare_answer(std::string_view text, AnswerType type) {
  if (type == AnswerType::kText) return std::string(text);
  for (std::string_view mark : {"**", "`"}) {  // **7**
    const std::string_view whole = trimmed(text);
    if (whole.size() > 2 * mark.size() && whole.starts_with(mark) && whole.ends_with(mark) &&
        whole.find(mark, mark.size()) == whole.size() - mark.size())
      text = whole.substr(mark.size(), whole.size() - 2 * mark.size());
  }
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
  const std::string_view expected = trimmed(bare_gold);
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
    return judge_extracted(gold, trimmed(bare), options);
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
    Judgement judgement = judge_extracted(gold, trimmed(extraction->answer), options);
    judgement.proof = std::string(extraction->how) + " " + judgement.proof;
    return judgement;
  } catch (const std::exception& error) {
    return failed(error.what());
  }
}

}  // namespace ponder::judge
