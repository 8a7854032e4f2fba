#include <gtest/gtest.h>

#include "judge/judge.h"

namespace ponder {
namespace {

Verdict verdict(std::string_view gold, std::string_view prediction, JudgeOptions options) {
  return judge_answer(gold, prediction, options).verdict;
}

TEST(Judge, choice_letters) {
  JudgeOptions options;
  options.type = AnswerType::kChoice;
  for (const char* right : {"B", "(B)", "B.", "B)", "B) 42", "\\text{B}", "\\textbf{(B)}",
                            "Answer: B", "**B**", "option B", "b"}) {
    EXPECT_EQ(verdict("B", right, options), Verdict::kCorrect) << right;
    EXPECT_EQ(verdict("C", right, options), Verdict::kIncorrect) << right;
  }
  EXPECT_EQ(verdict("(D) Alina", "Alina", options), Verdict::kCorrect);
  EXPECT_EQ(verdict("B", "42", options), Verdict::kUndecided);
}

struct Whole {
  const char *response, *answer;  // answer nullptr: none
};

TEST(Extract, choice_letters_of_responses) {
  const Whole wholes[] = {
      {"The answer is C.\n\nAnswer: A", "A"},  {"The answer: D, it can't be A or B", "D"},
      {"D. it can't be A or B", "D"},          {"So I choose\n(B)", "B"},
      {"The answer is (B) Au.", "B"},          {"Water is wet.", nullptr},
      {"thus \\boxed{\\text{C}}", "\\text{C}"}};
  for (const Whole& whole : wholes) {
    const auto answer = extract_answer(whole.response, AnswerType::kChoice);
    EXPECT_EQ(answer.value_or("(none)"), whole.answer ? whole.answer : "(none)") << whole.response;
  }
}

}  // namespace
}  // namespace ponder
