// What a text says around its answer: remarks, denials, bounds, other cases, other people.
#include <gtest/gtest.h>

#include "judge/judge.h"

namespace ponder::judge {
namespace {

struct Said {
  const char *response, *answer;  // answer nullptr: none
};

template <size_t N>
void expect_answers(const Said (&rows)[N], AnswerType type = AnswerType::kMath) {
  for (const Said& row : rows) {
    const auto answer = extract_answer(row.response, type);
    EXPECT_EQ(answer.value_or("(none)"), row.answer ? row.answer : "(none)") << row.response;
  }
}

TEST(Remarks, after_the_box_replace_nothing) {
  const Said rows[] = {
      {"We have \\boxed{15}. Had the order mattered, the answer would be 30.", "15"},
      {"\\boxed{15}. Many students say the answer is 12.", "15"},
      {"\\boxed{15}\n\nWith four colours the answer is 24.", "15"},
      {"\\boxed{15}\n\n**Remark**: in the case of a line the answer is 3.", "15"},
      {"\\boxed{15}\n\n#### Sanity check\n9 + 6 = 15", "15"},
      {"\\boxed{15}. Wait, could it be 16? No.", "15"},
      {"\\boxed{15}. Wait, that is wrong: the answer is 16.", "16"},
      {"\\boxed{15}. Actually, it is 16.", "16"},
      {"So $\\boxed{15}$. Final Answer: The final answer is $16$. I hope it is correct.", "16"},
      {"\\boxed{15}. The answer in the book is 14.", "15"},
      {"\\boxed{15}. The answer to part (b) is 14.", "15"},
      {"\\boxed{15}\n\nProblem 3. The answer is 14.", "15"},
      {"\\boxed{15}\n\nThe answer is thus in \\boxed as required.", "15"},
      {"\\boxed{15} (use \\boxed{} for the result)", "15"}};
  expect_answers(rows);
}

TEST(Remarks, after_the_answer_phrase_replace_nothing) {
  const Said rows[] = {{"The answer is 15.\n\nPage 3 of 4", "15"},
                       {"The answer is 15.\n\nCertainty: 90%", "15"},
                       {"The answer is 15. The number 12 is an upper bound.", "15"},
                       {"The answer is 15. Therefore 12 is not possible.", "15"},
                       {"The answer is 15. Therefore, the total is 16.", "16"},
                       {"The answer is 15. If we had two more, the answer would be 17.", "15"},
                       {"We conclude that 15 is the answer to question 2.", "15"},
                       {"Step 2: so the answer is 15.", "15"},
                       {"Hence n = 15 (n = 14 is too small).", "15"},
                       {"So the total is 15 after giving away 4.", "15"},
                       {"**15**\n\nWe multiply 3 by 5.", "15"},
                       {"**Answer: 15**\n\n---\n", "15"},
                       {"So there are exactly 4 of them: 1, 2, 5, 7.", "4"}};
  expect_answers(rows);
}

TEST(Remarks, values_that_the_text_does_not_stand_by_are_no_answers) {
  const Said rows[] = {{"The answer is definitely not 15.", nullptr},
                       {"The answer can never be 15.", nullptr},
                       {"The answer is smaller than 15.", nullptr},
                       {"The answer is at least 15.", nullptr},
                       {"The answer is 15 or fewer.", nullptr},
                       {"The answer is three times less than 15.", nullptr},
                       {"The answer is 15 squared.", nullptr},
                       {"The answer is 15, which is impossible.", nullptr},
                       {"The answer is 15. But that is wrong.", nullptr},
                       {"I do not believe the answer is 15.", nullptr},
                       {"Others claim the answer is 15.", nullptr},
                       {"15 is not the answer.", nullptr},
                       {"It is not true that the answer is \\boxed{15}.", nullptr},
                       {"\\boxed{15} is incorrect.", nullptr},
                       {"The answer is twice \\boxed{15}.", nullptr},
                       {"The answer is \\boxed{15} at least.", nullptr},
                       {"The answer is 15. Another answer is 16.", nullptr},
                       {"The answer is up to 15.", nullptr},
                       {"The answer ends in 15.", nullptr},
                       {"The answer is three times 15.", nullptr},
                       {"The answer is 15 plus 2.", nullptr},
                       {"The answer is divisible by 15.", nullptr},
                       {"The answer is a 15-digit number.", nullptr},
                       {"An answer of 15 would be wrong.", nullptr},
                       {"Nobody would say the answer is 15.", nullptr},
                       {"I doubt that the answer is 15.", nullptr},
                       {"We rule out 15.", nullptr},
                       {"Answer 1: 14. Answer 2: 15.", nullptr},
                       {"\\boxed{14}. If that is wrong, then \\boxed{15}.", nullptr},
                       {"We obtain 15 as our final answer.", "15"},
                       {"The answer turns out to be 15.", "15"},
                       {"The answer is negative 15.", "-15"},
                       {"It comes out as minus 15.", "-15"},
                       // A sentence may hold such words and still state its value.
                       {"Since the product is not zero, the count is \\boxed{15}.", "15"},
                       {"At least 15 colours are needed, so the minimum is 15.", "15"},
                       {"The side of the square is 15.", "15"},
                       {"It is less than 20, so the number is 15.", "15"},
                       {"The smallest number of moves is 15.", "15"}};
  expect_answers(rows);
}

TEST(Remarks, rejected_roots_and_rounded_values) {
  const Said rows[] = {{"We find $x=4$ or $x=-1$. Since $x>0$, we reject $x=-1$.", "x=4"},
                       {"We get $t=6$; the other root, $t=-2$, must be discarded.", "t=6"},
                       {"x = 9 or x = -9; only the first is possible.", "9"},
                       {"This is 4.97, which rounds to 5.", "5"}};
  expect_answers(rows);
}

TEST(ShortAnswers, in_any_dress) {
  const Said rows[] = {{"**41**", "41"},
                       {"__41__", "41"},
                       {"∴ 41", "41"},
                       {"So 41.", "41"},
                       {"It's 41.", "41"},
                       {"40+1=**41**", "41"},
                       {"Hence $41$.", "41"},
                       {"Sum: 41", "41"},
                       {"**Sum:** 41", "41"},
                       {"\\text{Sum: }41", "41"},
                       {"Svar: 41", "41"},
                       {"<em>41</em>", "41"},
                       {"✅ 41", "41"},
                       {"$\\Rightarrow 41$", "41"},
                       {"Eleven ways.", "eleven"},
                       {"There are exactly eleven of them.", "eleven"},
                       {"\\begin{align*}n&=40+1\\\\&=41\\end{align*}", "41"},
                       {"\\boxed{\\text{There are }41\\text{ pairs}}", "41 pairs"},
                       {"\\boxed{\\text{Total: }41}", "41"},
                       {"\\boxed{**41**}", "41"}};
  for (const Said& row : rows) {
    EXPECT_EQ(judge_response("41", row.response, ResponseEnd::kFinished, {}).verdict,
              std::string_view(row.answer) == "eleven" ? Verdict::kIncorrect : Verdict::kCorrect)
        << row.response;
  }
}

TEST(Boxes, that_words_tie_are_a_list) {
  const Said rows[] = {{"The width is $\\boxed{4}$ and the height is $\\boxed{9}$.", "4, 9"},
                       {"There are \\boxed{4} cats and \\boxed{9} dogs.", "4, 9"},
                       {"Part 1: we get \\boxed{4}.\n\nPart 2: we get \\boxed{9}.", "4, 9"},
                       {"a) We get \\boxed{4}.\nb) We get \\boxed{9}.", "4, 9"},
                       {"Width: \\boxed{4}\nHeight: \\boxed{9}", "4, 9"},
                       {"Step 1: \\boxed{4}\nAnswer: \\boxed{9}", "9"},
                       {"First guess: \\boxed{4}; second guess: \\boxed{9}", "4, 9"},
                       {"Attempt 1: \\boxed{4}. Attempt 2: \\boxed{9}.", "4, 9"},
                       {"\\boxed{4} (most likely), \\boxed{9} (less likely)", "4, 9"},
                       {"The width is $\\boxed{4}$ and so the answer is $\\boxed{9}$.", "9"},
                       {"The width is \\boxed{4}. Then the height is \\boxed{9}.", "9"}};
  expect_answers(rows);
}

TEST(Choices, in_prose_and_in_other_languages) {
  const Said rows[] = {{"Thus, C.", "C"},
                       {"Only C fits.", "C"},
                       {"Option C is right because option A ignores friction.", "C"},
                       {"So C is correct and A, B, D are wrong.", "C"},
                       {"Not A. Not B. Thus C.", "C"},
                       {"Ans: C", "C"},
                       {"Answer - C", "C"},
                       {"答案选 C", "C"},
                       {"所以选C选项", "C"},
                       {"因此正确选项是C", "C"},
                       {"【答案】C", "C"},
                       {"Respuesta: C", "C"},
                       {"Réponse : C", "C"},
                       {"Ответ: C", "C"},
                       {"정답: C", "C"},
                       {"C is wrong.", nullptr},
                       {"C cannot be right.", nullptr},
                       {"A large box is heavy.", nullptr}};
  expect_answers(rows, AnswerType::kChoice);
}

TEST(Remarks, counts_that_begin_a_sentence_and_denied_doings) {
  const Said rows[] = {{"We divide.\n\nThree trucks will be needed to carry 80 stones.", "three"},
                       {"We divide.\n\nSo 3 trucks are needed to carry 80 stones.", "3"},
                       {"We divide.\n\nTen men can stay.", "ten"},
                       {"So they won't be able to place \\boxed{16} eggs on it.", "16"},
                       {"So it cannot be \\boxed{16}.", nullptr}};
  expect_answers(rows);
}

}  // namespace
}  // namespace ponder::judge
