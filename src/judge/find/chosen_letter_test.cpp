#include <gtest/gtest.h>

#include "judge/judge.h"

namespace ponder::judge {
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

TEST(Choice, letters_in_every_dress) {
  const JudgeOptions options{AnswerType::kChoice};
  for (const char* right : {"（B）", "Ｂ", "$\\text{(B)}$", "\\mathbf{B}", "choice (B)",
                            "Option B: 42 m/s", "B: 42", "[B]", "**B) 42**", "\\boxed{\\text{B}}",
                            "the correct answer is B", "B - the second", "(b)"}) {
    EXPECT_EQ(verdict("B", right, options), Verdict::kCorrect) << right;
    EXPECT_EQ(verdict("C", right, options), Verdict::kIncorrect) << right;
  }
  for (const char* none : {"A or B", "A, B", "(A) (B)", "A and B", "A/B"})
    EXPECT_NE(verdict("A", none, options), Verdict::kCorrect) << none;
}

TEST(Choice, of_whole_responses) {
  const Whole wholes[] = {{"The correct answer is **B) 42**.", "B"},
                          {"So it must be option B, since A fails.\n\nAnswer: **B**", "B"},
                          {"The correct option is (C).", "C"},
                          {"The computed values match option H.", "H"},
                          {"Hence the best description is (D).", "D"},
                          {"（A）不对，所以答案是（B）", "B"},
                          {"故选：C", "C"},
                          {"<answer>B</answer>", "B"},
                          {"{\"answer\": \"B\"}", "B"},
                          {"The answer is I think B.\nAnswer: B", "B"},
                          {"The answer is A. No: the answer is B.", "B"},
                          {"(A) 1\n(B) 2\n(C) 3", nullptr},
                          {"The answer is A. The answer is B. The answer is C.", nullptr},
                          {"<think>The answer is A", nullptr}};
  for (const Whole& whole : wholes) {
    const auto answer = extract_answer(whole.response, AnswerType::kChoice);
    EXPECT_EQ(answer.value_or("(none)"), whole.answer ? whole.answer : "(none)") << whole.response;
  }
}

TEST(Choice, the_text_of_a_choice_is_its_letter_where_the_choices_are_known) {
  const JudgeOptions options{
      .type = AnswerType::kChoice,
      .choices = {"12 m/s", "(B) \\frac{1}{2}", "the Golgi apparatus", "1/2 or 3"}};
  const auto judged = [&](const char* gold, const char* response) {
    return judge_response(gold, response, ResponseEnd::kFinished, options).verdict;
  };
  EXPECT_EQ(judged("B", "Thus \\boxed{0.5}"), Verdict::kCorrect);
  EXPECT_EQ(judged("A", "Thus \\boxed{0.5}"), Verdict::kIncorrect);
  EXPECT_EQ(judged("C", "The answer is the Golgi apparatus."), Verdict::kCorrect);
  EXPECT_EQ(judged("A", "The answer is 12 m/s."), Verdict::kCorrect);
  EXPECT_EQ(judged("the Golgi apparatus", "The answer is C."), Verdict::kCorrect);
  EXPECT_EQ(judged("B", "The answer is the nucleus."), Verdict::kUndecided);
  EXPECT_EQ(judge_answer("B", "E", options).verdict, Verdict::kUndecided);  // there is no fifth
}

}  // namespace
}  // namespace ponder::judge
