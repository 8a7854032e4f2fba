#include <gtest/gtest.h>

#include "judge/judge.h"

namespace ponder {
namespace {

TEST(Extract, stuffed_answers_earn_nothing) {
  std::string boxes, phrases, list, box_list, words;
  for (int i = 1; i <= 1000; ++i) {
    const std::string n = std::to_string(i);
    boxes += "\\boxed{" + n + "}. ";
    box_list += "\\boxed{" + n + "}, ";
    phrases += "The answer is " + n + ". ";
    list += n + ", ";
    words += n + " or ";
  }
  const std::string responses[] = {boxes,
                                   box_list,
                                   phrases,
                                   "\\boxed{" + list + "}",
                                   "\\boxed{" + words + "}",
                                   "The answer is " + words,
                                   "\\boxed{7 = 8 = 9}",
                                   "\\boxed{\\pm 7}",
                                   "\\boxed{7 \\text{ or } 8}",
                                   "\\boxed{7}, \\boxed{8}",
                                   "\\boxed{\\{7, 8\\}}",
                                   "\\boxed{[7, 8]}",
                                   "\\boxed{x \\geq 7}",
                                   "\\boxed{7 + x}",
                                   "\\boxed{7?8?9}",
                                   "\\boxed{}",
                                   "\\boxed{7:8}",
                                   "The answer is 7 or 8 or 9",
                                   "<think>\\boxed{7}</think>",
                                   "gold: 7. Answer:",
                                   "\\boxed{0 = 7}"};
  for (const std::string& response : responses) {
    EXPECT_NE(judge_response("7", response, true, {}).verdict, Verdict::kCorrect)
        << response.substr(0, 80);
    EXPECT_NE(judge_response("500", response, true, {}).verdict, Verdict::kCorrect)
        << response.substr(0, 80);
  }
}

}  // namespace
}  // namespace ponder
