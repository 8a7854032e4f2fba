// Answers made to be rewarded without knowing the answer: none may be judged correct.
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <vector>

#include "judge/judge.h"

namespace ponder::judge {
namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

struct Target {
  const char *gold, *other, *third;
};

// G is the gold answer, O and T are others.
constexpr Target kTargets[] = {{"7", "8", "9"},
                               {"1000", "999", "500"},
                               {"\\frac{1}{2}", "\\frac{1}{3}", "\\frac{2}{3}"},
                               {"-3", "3", "0"},
                               {"3\\sqrt{2}", "2\\sqrt{3}", "6"}};

constexpr const char* kTemplates[] = {
    // hedged
    "The answer is G or O.",
    "The answer is O or G.",
    "The answer is either G or O.",
    "The answer is O, maybe G.",
    "The answer is O, or perhaps G.",
    "The answer is O, but it could be G.",
    "The answer is $O$ or $G$.",
    "Answer: G / O",
    "Answer: G, O",
    "Answer: O and G",
    "\\boxed{G \\text{ or } O}",
    "\\boxed{O \\text{ or } G}",
    "\\boxed{O} or \\boxed{G}",
    "\\boxed{G}, \\boxed{O}",
    "\\boxed{O} maybe \\boxed{G}",
    "\\boxed{O}. Or \\boxed{G}",
    "\\boxed{O}. Alternatively, \\boxed{G}",
    "\\boxed{O}? \\boxed{G}?",
    "\\boxed{O}, or possibly \\boxed{G}",
    "\\boxed{O / \\, G ?}",
    // lists and ranges
    "\\boxed{G, O, T}",
    "\\boxed{\\{G, O\\}}",
    "\\boxed{[G, O]}",
    "\\boxed{(-\\infty, \\infty)}",
    "\\boxed{\\mathbb{R}}",
    "\\boxed{x \\le G}",
    "\\boxed{x \\geq G}",
    "\\boxed{x \\neq O}",
    "\\boxed{\\pm 7}",
    "\\boxed{G = O}",
    "\\boxed{0 = G}",
    "\\boxed{G + x}",
    "\\boxed{x}",
    "\\boxed{G?O?T}",
    "\\boxed{}",
    "\\boxed{\\text{all numbers}}",
    "\\boxed{\\text{the right answer}}",
    "\\boxed{G:O}",
    "\\boxed{G \\quad O}",
    "\\boxed{G; O}",
    "**G** **O** **T**",
    // contradicted
    "\\boxed{G}. The answer is O.",
    "\\boxed{G}\n\nFinal answer: O",
    "\\boxed{G}\n#### O",
    "\\boxed{G}. Wait, it is O.",
    "\\boxed{G}. Actually, it should be O.",
    "\\boxed{G}. No, it's O.",
    "The answer is not \\boxed{G}.",
    "It is certainly not \\boxed{G}",
    "The answer is G. But no, the answer is O.",
    "The answer is G.\nFinal Answer: O",
    "<answer>G</answer> or <answer>O</answer>",
    // hidden
    "<think>\\boxed{G}</think>",
    "<think>\\boxed{G}</think>The answer is O.",
    "<think>The answer is \\boxed{G}",
    "<|begin_of_thought|>\\boxed{G}<|end_of_thought|>",
    "<|begin_of_thought|>\\boxed{G}<|end_of_thought|><|begin_of_solution|>O<|end_of_solution|>",
    "<Thought>\\boxed{G}</Thought><Output>\\boxed{O}</Output>",
    "# Thinking\n\\boxed{G}\n",
    "<!-- \\boxed{G} -->",
    "\\boxed{O} <!-- \\boxed{G} -->",
    "% \\boxed{G}\nSo \\boxed{O}",
    "\\boxed{O}\n// \\boxed{G}",
    "<reasoning>The answer is G",
    // quoted
    "gold: G. Answer:",
    "Is the answer G?",
    "You ask whether the answer is G. I do not know.",
    "The answer is \\boxed{",
    "\\boxed{G",
    // tricks of writing
    "\\boxed{G\xcc\xb8}",
    "\\boxed{\xe2\x89\xa0G}",
    "\\boxed{\\neq G}",
    "\\boxed{\\not G}",
    "\\boxed{\\text{not } G}",
    "\\boxed{\xe2\x80\xaeG}8",
};

int check(std::string_view gold, const std::string& response, const JudgeOptions& options = {}) {
  const Judgement judgement = judge_response(gold, response, ResponseEnd::kFinished, options);
  EXPECT_NE(judgement.verdict, Verdict::kCorrect)
      << "gold " << gold << ": " << response.substr(0, 120) << "\n"
      << judgement.proof;
  return 1;
}

TEST(Stuffed, hedges_lists_contradictions_and_hidden_answers_earn_nothing) {
  int variants = 0;
  for (const Target& target : kTargets) {
    for (const char* pattern : kTemplates) {
      std::string response = replaced(pattern, "G", target.gold);
      // The letters of words stay: only O and T that stand alone are places.
      response = replaced(pattern, "Output", "\x01");
      response = replaced(response, "Thinking", "\x02");
      response = replaced(response, "Thought", "\x03");
      response = replaced(response, "The ", "\x04");
      response = replaced(response, "Or ", "\x05");
      response = replaced(response, "G", target.gold);
      response = replaced(response, "O", target.other);
      response = replaced(response, "T", target.third);
      for (const auto& [mark, word] : {std::pair{"\x01", "Output"},
                                       {"\x02", "Thinking"},
                                       {"\x03", "Thought"},
                                       {"\x04", "The "},
                                       {"\x05", "Or "}})
        response = replaced(response, mark, word);
      variants += check(target.gold, response);
    }
  }
  EXPECT_GE(variants, 300);
}

// The first, a middle and the last of the values offered.
TEST(Stuffed, a_thousand_answers_are_none) {
  std::string boxes, box_list, phrases, finals, marks, list, words, lines, bold, tags, spaced, sums;
  for (int i = 1; i <= 1000; ++i) {
    const std::string n = std::to_string(i);
    boxes += "\\boxed{" + n + "}. ";
    box_list += "\\boxed{" + n + "}, ";
    phrases += "The answer is " + n + ". ";
    finals += "Final answer: " + n + "\n";
    list += n + ", ";
    words += n + " or ";
    lines += n + "\n";
    bold += "**" + n + "** ";
    tags += "<answer>" + n + "</answer>";
    spaced += n + " ";
    sums += "$" + n + "$, ";
  }
  const std::string responses[] = {boxes,
                                   box_list,
                                   phrases,
                                   finals,
                                   list,
                                   words + "1000",
                                   lines,
                                   bold,
                                   tags,
                                   spaced,
                                   sums,
                                   "The answer is " + words + "1000.",
                                   "The answer is " + list + "1000.",
                                   "The answer is one of " + sums,
                                   "\\boxed{" + list + "}",
                                   "\\boxed{" + words + "}",
                                   "<answer>" + list + "</answer>",
                                   "#### " + list};
  int variants = 0;
  for (const std::string& response : responses) {
    for (const char* gold : {"1", "7", "500", "1000"}) variants += check(gold, response);
  }
  EXPECT_GE(variants, 70);
}

TEST(Stuffed, all_choices_are_none) {
  const JudgeOptions plain{AnswerType::kChoice};
  const JudgeOptions known{.type = AnswerType::kChoice,
                           .choices = {"red", "green", "blue", "black"}};
  const std::string responses[] = {
      "A, B, C, D",
      "The answer is A, B, C or D.",
      "The answer is (A), (B), (C), (D).",
      "(A) (B) (C) (D)",
      "The answer is A or B or C or D",
      "The answer is A. The answer is B. The answer is C. The answer is D.",
      "(A) red\n(B) green\n(C) blue\n(D) black",
      "A. red\nB. green\nC. blue\nD. black",
      "The options are (A) red, (B) green, (C) blue and (D) black.",
      "\\boxed{A, B, C, D}",
      "\\boxed{A} or \\boxed{B} or \\boxed{C} or \\boxed{D}",
      "\\boxed{\\text{A or B or C or D}}",
      "\\boxed{ABCD}",
      "Answer: ABCD",
      "Answer: A/B/C/D",
      "<think>The answer is A, B, C, D</think>",
      "Answer: all of them",
      "Answer: red, green, blue, black",
      "<answer>A</answer><answer>B</answer><answer>C</answer><answer>D</answer>",
      "I cannot choose."};
  int variants = 0;
  for (const std::string& response : responses) {
    for (const char* gold : {"A", "B", "D"}) {
      variants += check(gold, response, plain);
      variants += check(gold, response, known);
    }
  }
  EXPECT_GE(variants, 120);
}

}  // namespace
}  // namespace ponder::judge
