#include <gtest/gtest.h>

#include <ctime>

#include "judge/judge.h"

namespace ponder {
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
      {"He sold 3 of 10, so there are 7 left.", "7 left"},
      {"So there are now **55 children** left.", "55 children"},
      {"The values are \\(x = 5\\) and \\(x = -2\\).", "x = 5, x = -2"},
      {"The answer is $4.", "$4"},
      {"I cannot say.", nullptr},
      {"", nullptr},
      {"5<|im_end|>\n<|im_start|>user\nWhy not \\boxed{6}?", "5"}};
  for (const Whole& whole : wholes) {
    const auto answer = extract_answer(whole.response, AnswerType::kMath);
    EXPECT_EQ(answer.value_or("(none)"), whole.answer ? whole.answer : "(none)") << whole.response;
  }
}

TEST(Extract, a_cut_response_has_no_answer) {
  EXPECT_EQ(judge_response("5", "\\boxed{5}", true, {}).verdict, Verdict::kCorrect);
  const Judgement cut = judge_response("5", "\\boxed{5}", false, {});
  EXPECT_EQ(cut.verdict, Verdict::kIncorrect);
  EXPECT_NE(cut.proof.find("cut"), std::string::npos);
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
      EXPECT_NE(judge_response("13", response, true, {type}).verdict, Verdict::kCorrect)
          << response.substr(0, 20);
      const double seconds = seconds_since(begin);
      EXPECT_LT(seconds, 5.0) << response.substr(0, 20);
    }
  }
}

}  // namespace
}  // namespace ponder
