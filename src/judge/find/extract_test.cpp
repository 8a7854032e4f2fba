#include <gtest/gtest.h>

#include <ctime>

#include "judge/judge.h"

namespace ponder::judge {
namespace {

struct Whole {
  const char *response, *answer;  // answer nullptr: none
};

TEST(Extract, the_final_answer_and_no_intermediate_one) {
  const Whole wholes[] = {
      {"First \\boxed{1}. But no, so \\boxed{2}.", "2"},
      {"so \\(\\boxed{\\frac{1}{2}}\\) and \\fbox{\\{3\\}}", "\\frac{1}{2}, \\{3\\}"},
      {"we get \\boxed 7 .", "7"},
      {"\\boxed{1} \\text{ and } \\boxed{2}", "1, 2"},
      {"\\boxed{840} as said.\n\n**Final Answer**\n\\boxed{840}", "840"},
      {"\\\\boxed{35}", "35"},
      {"\\boxed{\\fbox{5}}", "\\fbox{5}"},
      {"The interest is $\\boxed{255}$. Final Answer: The final answer is $10,455$. I hope it is "
       "correct.",
       "10,455"},
      {"Thus \\boxed{3}. Our final answer is confirmed to be accurate.", "3"},
      {"<think>perhaps \\boxed{9}</think>The answer is 8.", "8"},
      {"<|begin_of_thought|>\\boxed{9}<|end_of_thought|><|begin_of_solution|>It is "
       "\\boxed{8}.<|end_of_solution|>",
       "8"},
      {"<Thought>\\boxed{9}</Thought><Output>\\boxed{8}</Output>", "8"},
      {"<think>The answer is \\boxed{9}", nullptr},
      {"So \\boxed{12", nullptr},
      {"4*5=<<4*5=20>>20 in all.\n#### 20", "20"},
      {"Two packs cost $4.\nA: 12", "12"},
      {"He sold 3 of 10, so there are 7 left.", "7"},
      {"So there are now **55 children** left.", "55 children"},
      {"The values are \\(x = 5\\) and \\(x = -2\\).", "x = 5, x = -2"},
      {"The answer is $4.", "$4"},
      {"I cannot say.", nullptr},
      {"", nullptr},
      {"5<|im_end|>\n<|im_start|>user\nWhy not \\boxed{6}?", "5"},
      {"5<｜end▁of▁sentence｜>\\boxed{6}", "5"},
      {"\\boxed{35 cm} ++++++ \\boxed{4}", "35 cm, 4"},
      {"\\boxed{1} --- \\boxed{2}", "1, 2"},
      {"\\boxed{1} | \\boxed{2}", "1, 2"},
      {"$\\boxed{1} \\quad \\boxed{2}$", "1, 2"},
      {"$\\boxed{1} \\\\ \\boxed{2}$", "1, 2"},
      {"$\\boxed{3} + \\boxed{4}$", "4"},
      {"\\boxed{1}\n\n---\n\n\\boxed{2}", "2"},
      {"\\[\\boxed{1}\\] \\[\\boxed{2}\\]", "2"},
      {"$\\boxed{1} \\quad \\text{then} \\quad \\boxed{2}$", "2"},
      {"<solution>\\boxed{5}</solution>\\boxed{6}", "5"},
      {"It is 3 rather than \\boxed{5}", nullptr},
      {"So the number of ways is 4 if", nullptr},
      {"5<end_of_turn>\\boxed{6}", "5"},
      {"<THINK>\\boxed{6}</Think>\\boxed{5}", "5"},
      {"<think>\\boxed{6}<|begin_of_solution|>\\boxed{5}<|end_of_solution|>\\boxed{7}", "5"},
      {"<|<|<</</think>\\boxed{5}</thinking", "5"}};
  for (const Whole& whole : wholes) {
    const auto answer = extract_answer(whole.response, AnswerType::kMath);
    EXPECT_EQ(answer.value_or("(none)"), whole.answer ? whole.answer : "(none)") << whole.response;
  }
}

TEST(Extract, only_the_solution_part_counts) {
  const Whole wholes[] = {{"<thinking>\\boxed{9}</thinking> It is \\boxed{8}", "8"},
                          {"<reasoning>\\boxed{9}</reasoning>\n<answer>8</answer>", "8"},
                          {"<THINK>\\boxed{9}</THINK>\\boxed{8}", "8"},
                          {"\\boxed{9}</think>The answer is 8.", "8"},
                          {"# Thinking\nmaybe \\boxed{9}\n# Solution\nThe answer is 8.", "8"},
                          {"## Thought process\n\\boxed{9}\n\n**Final Answer**\n\n8", "8"},
                          {"# Thinking\nmaybe \\boxed{9}", nullptr},
                          {"<reasoning>\\boxed{9}", nullptr},
                          {"<think>a</think>b<think>\\boxed{9}", nullptr},
                          {"8</s>\n<s>\\boxed{9}", "8"},
                          {"<!-- \\boxed{9} --> So \\boxed{8}", "8"},
                          {"50% of \\boxed{8}", "8"}};
  for (const Whole& whole : wholes) {
    const auto answer = extract_answer(whole.response, AnswerType::kMath);
    EXPECT_EQ(answer.value_or("(none)"), whole.answer ? whole.answer : "(none)") << whole.response;
  }
}

TEST(Extract, boxes_of_every_spelling) {
  const Whole wholes[] = {{"\\boxed\\frac12", "\\frac12"},
                          {"\\boxed\\frac{1}{2}.", "\\frac{1}{2}."},
                          {"\\boxed -5$", "-5"},
                          {"\\boxed {5}", "5"},
                          {"$\\boxed{\\frac{1}{2}$, as said.", "\\frac{1}{2}"},
                          {"\\boxed{1}. So \\boxed{2", nullptr},
                          {"The solutions are \\boxed{1} together with \\boxed{2}.", "1, 2"},
                          {"$x = \\boxed{1}$ and $y = \\boxed{2}$", "1, 2"},
                          {"x = \\boxed{1}\n\ny = \\boxed{2}", "1, 2"},
                          {"(a) \\boxed{1}\n(b) \\boxed{2}", "1, 2"},
                          {"The sum of \\boxed{3} and \\boxed{4} is \\boxed{7}", "7"},
                          {"Hence \\boxed{4}, so the area is \\boxed{16}", "16"},
                          {"\\boxed{\\frac12} or \\boxed{0.5}", "\\frac12"},
                          {"It is not \\boxed{5}", nullptr}};
  for (const Whole& whole : wholes) {
    const auto answer = extract_answer(whole.response, AnswerType::kMath);
    EXPECT_EQ(answer.value_or("(none)"), whole.answer ? whole.answer : "(none)") << whole.response;
  }
}

// Of thousands of boxes one of each content is kept beside the last ones.
TEST(Extract, thousands_of_boxes) {
  const auto answer_of = [](size_t boxes, size_t different, const char* end,
                            std::string response = "") {
    for (size_t i = 0; i < boxes; ++i)
      response += "Then \\boxed{" + std::to_string(i % different) + "} follows. ";
    return extract_answer(response + end, AnswerType::kMath);
  };
  EXPECT_EQ(answer_of(20000, 1, ""), "0");
  EXPECT_EQ(answer_of(20000, 7, "So \\boxed{7} and \\boxed{2}."), "7, 2");
  EXPECT_EQ(answer_of(20000, 9, ""), std::nullopt);
  EXPECT_EQ(answer_of(20000, 7, "", "Not \\boxed{7}, nor \\boxed{8}. "), std::nullopt);
  EXPECT_EQ(answer_of(20000, 8, "So \\boxed{8}."), std::nullopt);
}

TEST(Extract, marks_of_public_harnesses) {
  const Whole wholes[] = {
      {"Sum.\n#### 1,234", "1,234"},
      {"#### Key Point:\nSo there are 7 ways.", "7"},
      {"<answer> 12 </answer>", "12"},
      {"<answer>The answer is \\boxed{12}</answer>", "12"},
      {"Sure.\n{\"answer\": \"12\"}", "12"},
      {"{\"reason\": \"2*6\", \"answer\": 12}", "12"},
      {"**Answer:** 12", "12"},
      {"**Answer**: $12$", "12"},
      {"Final Answer: The final answer is $12$. I hope it is correct.", "12"},
      {"### Final Answer\nThe area is given by: \\[ A = 3 \\cdot 4 = 12 \\]", "12"},
      {"[ANSWER]12[/ANSWER]", "12"},
      {"答案是：12。", "12"},
      {"所以一共有12", "12"},
      {"La réponse est 12.", "12"},
      {"the answer is x^2 + 1.", "x^2 + 1"},
      {"Thus the final answer is\n\n\\[\np - q\n\\]", "p - q"},
      {"The answer is Friday.", "Friday"}};
  for (const Whole& whole : wholes) {
    const auto answer = extract_answer(whole.response, AnswerType::kMath);
    EXPECT_EQ(answer.value_or("(none)"), whole.answer ? whole.answer : "(none)") << whole.response;
  }
}

TEST(Extract, the_result_that_prose_states) {
  const Whole wholes[] = {
      {"So the train needs 4 hours to arrive.", "4 hours"},
      {"Thus, Erin had \\(18\\) points before scoring the additional 14 points.", "18"},
      {"Therefore, there are 2 positive values of x for which the sum is less than 20.", "2"},
      {"So she spends $93 on food for her 3 fish in the month of May.", "$93"},
      {"It would take 240 / 6 = 40 minutes to fill 240 packets.", "40 minutes"},
      {"Her change is $50 - $25 = $25.", "$25"},
      {"Therefore the area is\n\\[ \\frac{3}{2}. \\]\n\nTo verify our answer, we check that "
       "\\(2 \\cdot 3 = 6\\). Both sides agree, so the result is correct.",
       "\\frac{3}{2}"},
      {"Thus \\[\\begin{aligned} x &= 3 + 4 \\\\ &= 7 \\end{aligned}\\]", "7"},
      {"Therefore, our answer of \\(9\\) is correct.", "9"},
      {"We find\n\\[ x = 4", nullptr},
      {"Let us look at the normal vector \\(\\vec{n} = (1, 2)\\):", nullptr},
      {"The number is 5. Is the answer 6?", "5"}};
  for (const Whole& whole : wholes) {
    const auto answer = extract_answer(whole.response, AnswerType::kMath);
    EXPECT_EQ(answer.value_or("(none)"), whole.answer ? whole.answer : "(none)") << whole.response;
  }
  // Only a number may be the last one of the text.
  const char* counting = "We tried 3 and then went on with eleven of them";
  EXPECT_EQ(extract_answer("We tried (roughly) x with no idea.", AnswerType::kMath), std::nullopt);
  EXPECT_TRUE(extract_answer(counting, AnswerType::kNumber).has_value());
}

TEST(Extract, a_response_without_an_answer_is_incorrect_unless_gold_is_words) {
  EXPECT_EQ(judge_response("5", "I cannot say.", ResponseEnd::kFinished, {}).verdict,
            Verdict::kIncorrect);
  EXPECT_EQ(judge_response("5", "<think>\\boxed{5}", ResponseEnd::kFinished, {}).verdict,
            Verdict::kIncorrect);
  EXPECT_EQ(judge_response("east", "I cannot say.", ResponseEnd::kFinished, {}).verdict,
            Verdict::kUndecided);
  EXPECT_EQ(judge_response("east", "<think>east", ResponseEnd::kFinished, {}).verdict,
            Verdict::kIncorrect);
  const Judgement prose = judge_response("5", "\\boxed{\\text{Use a numerical solver or a graph}}",
                                         ResponseEnd::kFinished, {});
  EXPECT_EQ(prose.verdict, Verdict::kIncorrect) << prose.proof;
}

TEST(Extract, what_follows_the_box) {
  EXPECT_EQ(extract_answer("\\boxed{7}. Wait, it should be 8.", AnswerType::kMath), "8");
  EXPECT_EQ(extract_answer("\\boxed{7}. The answer is 8.", AnswerType::kMath), "8");
  EXPECT_EQ(extract_answer("\\boxed{7}\n#### 8", AnswerType::kMath), "8");
  EXPECT_EQ(extract_answer("\\boxed{7}. Wait, let me check: 3 + 4 is seven.", AnswerType::kMath),
            "7");
  EXPECT_EQ(extract_answer("\\boxed{7}. This answer is correct.", AnswerType::kMath), "7");
}

TEST(Extract, a_cut_response_has_no_answer) {
  EXPECT_EQ(judge_response("5", "\\boxed{5}", ResponseEnd::kFinished, {}).verdict,
            Verdict::kCorrect);
  const Judgement cut = judge_response("5", "\\boxed{5}", ResponseEnd::kTokenLimit, {});
  EXPECT_EQ(cut.verdict, Verdict::kIncorrect);
  EXPECT_NE(cut.proof.find("token limit"), std::string::npos);
  const Judgement loop = judge_response("5", "\\boxed{5}", ResponseEnd::kRepetition, {});
  EXPECT_EQ(loop.verdict, Verdict::kIncorrect);
  EXPECT_EQ(loop.proof.find("token limit"), std::string::npos) << loop.proof;
  EXPECT_NE(loop.proof.find("repeated"), std::string::npos) << loop.proof;
}

std::string repeat(std::string_view text, size_t times) {
  std::string all;
  all.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

// Processor time: a busy machine is no slow judge.
double seconds_since(std::clock_t begin) {
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

TEST(Hostile, ten_megabytes_end_soon) {
  const size_t size = 10 << 20;
  const std::string responses[] = {
      repeat("Hmm, now. ", size / 10), std::string(size, '<'),
      repeat("<|", size / 2),          repeat("$", size),
      repeat("answer is ", size / 10), repeat("\\boxed{1} ", size / 10),
      std::string(size, '{'),          std::string(size, ' '),
      repeat("**", size / 2),          repeat("\xff", size),
      std::string(size, '\\'),         std::string(size, '9')};
  for (const std::string& response : responses) {
    for (AnswerType type : {AnswerType::kMath, AnswerType::kChoice}) {
      const std::clock_t begin = std::clock();
      EXPECT_NE(judge_response("13", response, ResponseEnd::kFinished, {type}).verdict,
                Verdict::kCorrect)
          << response.substr(0, 20);
      const double seconds = seconds_since(begin);
      EXPECT_LT(seconds, 5.0) << response.substr(0, 20);
    }
  }
}

}  // namespace
}  // namespace ponder::judge
