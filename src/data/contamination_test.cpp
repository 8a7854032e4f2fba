// What counts as a benchmark's question, and what public training sets share with the benchmarks.
#include "data/contamination.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "testing/folders.h"

namespace ponder::data {
namespace {

namespace fs = std::filesystem;

fs::path shared(const std::string& name) { return testing::shared_data() / name; }

ContaminationFilter filter_of(const std::vector<std::string>& questions) {
  std::vector<Problem> problems;
  for (const std::string& question : questions) {
    Problem& problem = problems.emplace_back();
    problem.id = "q" + std::to_string(problems.size());
    problem.question = question;
  }
  ContaminationFilter filter;
  filter.add("bench", problems);
  return filter;
}

std::string rule(const ContaminationFilter& filter, const std::string& question) {
  const auto match = filter.find(question);
  return match ? match->id + " " + match->rule : "";
}

TEST(Contamination, TokensKeepWhatMakesAnotherProblem) {
  using Tokens = std::vector<std::string>;
  EXPECT_EQ(contamination_tokens("Compute $\\dfrac{1}{2} + 1,000.5$, please!"),
            (Tokens{"compute", "frac", "1", "2", "+", "1000.5", "please", "!"}));
  EXPECT_EQ(contamination_tokens("\\left( 3, \\text{x} \\right) [asy] draw(1); [/asy] é"),
            (Tokens{"(", "3", "x", ")", "é"}));
  EXPECT_EQ(contamination_tokens("f(1,23)"), (Tokens{"f", "(", "1", "23", ")"}));
  EXPECT_TRUE(contamination_tokens(" .,;: \n").empty());
  EXPECT_EQ(contamination_tokens("[asy] never closed"), Tokens{});
}

TEST(Contamination, ExactWhateverTheDress) {
  const auto filter = filter_of({"What is $3 + 4$?", "Let $x = 5$. Find $x^2$."});
  EXPECT_EQ(rule(filter, "what is 3+4"), "q1 exact");
  EXPECT_EQ(rule(filter, "LET x=5; find $x ^ {2}$"), "q2 exact");
  EXPECT_EQ(rule(filter, "What is $3 - 4$?"), "");
  EXPECT_EQ(rule(filter, "What is $3 + 5$?"), "");
  EXPECT_EQ(rule(filter, "What is $3 + 4 + 1$?"), "");
  EXPECT_EQ(rule(filter, ""), "");
}

const std::string kStory =
    "A farmer has 12 cows and 30 sheep in a field beside the river, and each cow gives 8 litres of "
    "milk a day while a sheep gives none at all. How much milk does the farmer get in 7 days?";

TEST(Contamination, OverlapNeedsTheSameNumbers) {
  const auto filter = filter_of({kStory});
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = kStory;
    return rule(filter, text.replace(text.find(from), from.size(), to));
  };
  EXPECT_EQ(changed("How much milk does the farmer get", "Find the milk he gets"), "q1 overlap");
  EXPECT_EQ(rule(filter, "Solve this, and box the answer. " + kStory + " Think step by step."),
            "q1 overlap");
  EXPECT_EQ(changed("12", "13"), "");
  // The same story with one more thing in it is another problem.
  EXPECT_EQ(changed("in 7 days", "in 7 days if he drinks 2 litres of it"), "");
  EXPECT_EQ(changed("7 days", "9 days"), "");
  // Half of it, or its beginning before something else, is another problem.
  EXPECT_EQ(rule(filter, kStory.substr(0, 60) + "What is 8 times 7 plus 30 by 12?"), "");
}

// `count` words that begin with `first`.
std::string words(char first, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += {first, static_cast<char>('a' + i / 26), static_cast<char>('a' + i % 26), ' '};
  }
  return text;
}

// A common passage that is a third of the 13-grams, but less than 60 % of the words, is not enough.
TEST(Contamination, OverlapNeedsMostOfTheShorterQuestion) {
  const auto filter = filter_of({"Of 7 and 9: " + words('s', 30) + words('x', 30)});
  EXPECT_EQ(rule(filter, "Of 7 and 9: " + words('s', 30) + words('y', 40)), "");
  EXPECT_EQ(rule(filter, "Of 7 and 9: " + words('s', 30) + words('x', 12) + words('y', 22)),
            "q1 overlap");
  // The shorter one counts: nothing but the passage is in it.
  EXPECT_EQ(rule(filter, "Of 7 and 9: " + words('s', 30)), "q1 overlap");
}

TEST(Contamination, WithoutNumbersMostOfItMustBeThere) {
  const std::string text =
      "For a constant c in cylindrical coordinates find the shape that is described by the "
      "equation in which the last of the coordinates equals c and the others are free to be chosen";
  const auto filter = filter_of({text});
  std::string near = text;
  near.replace(near.find("cylindrical"), 11, "spherical");
  near.replace(near.find("last"), 4, "first");
  near.replace(near.find("others"), 6, "rest");
  EXPECT_EQ(rule(filter, near), "");
  EXPECT_EQ(rule(filter, text + " Good luck."), "q1 overlap");
}

TEST(Contamination, ChoicesDoNotHideAQuestion) {
  const std::string stem =
      "Which of the following elements has the largest first ionisation energy of all those listed";
  const auto filter = filter_of({stem + "?\n\n(A) H\n(B) He\n(C) Li"});
  EXPECT_EQ(rule(filter, stem + "?\n\n(A) He\n(B) Li\n(C) Be"), "q1 exact");
  EXPECT_EQ(rule(filter, stem), "q1 exact");
  // A short stem says too little without its choices.
  const auto brief = filter_of({"Which is prime?\n(A) 4\n(B) 5"});
  EXPECT_EQ(rule(brief, "Which is prime?\n(A) 8\n(B) 7"), "");
  EXPECT_EQ(rule(brief, "Which is prime?\n(A) 4\n(B) 5"), "q1 exact");
}

TEST(Contamination, DroppedRowsAreCountedAndNamed) {
  const auto filter = filter_of({"What is 3 + 4?"});
  std::vector<Demonstration> rows(3);
  rows[0].question = "What is 3 + 4?";
  rows[1].question = "And then?";
  rows[1].history = {{false, "what is 3 + 4"}, {true, "7"}};
  rows[2].question = "What is 3 + 5?";
  rows[2].history = {{false, "Hello"}, {true, "what is 3 + 4"}};
  for (size_t i = 0; i < 3; ++i) rows[i].line = i + 1;
  RowAccount report;
  report.rows = report.kept = 3;
  filter.filter(rows, report);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].line, 3u);
  EXPECT_EQ(report.kept, 1u);
  EXPECT_EQ(report.rejected["contaminated"], 2u);
  EXPECT_EQ(report.examples.at(1).line, 2u);
  EXPECT_NE(report.examples.at(1).detail.find("q1 of bench"), std::string::npos);
}

// Of rows found by `rule`, or by any.
std::set<uint64_t> lines_found(const std::string& file, const std::vector<std::string>& benchmarks,
                               const std::string& rule = "") {
  ContaminationFilter filter;
  for (const std::string& name : benchmarks) {
    RowAccount report;
    filter.add(name, read_problems(shared("benchmarks/" + name), report));
  }
  RowAccount report;
  std::vector<Problem> problems = read_problems(shared("problems/" + file), report);
  report.examples.clear();
  filter.filter(problems, report);
  std::set<uint64_t> lines;
  for (const RejectedRow& row : report.examples) {
    if (row.detail.find("(" + rule) != std::string::npos) lines.insert(row.line);
  }
  return lines;
}

TEST(Contamination, AimeProblemsThatStandInTheBenchmarks) {
  if (!fs::exists(shared("problems"))) GTEST_SKIP() << "no shared data";
  using Lines = std::set<uint64_t>;
  // Six are there word for word; four more in other words with the same numbers.
  EXPECT_EQ(lines_found("aime_1983_2023.jsonl", {"MATH_OAI.jsonl"}, "exact"),
            (Lines{2, 178, 303, 561, 726, 787}));
  EXPECT_EQ(lines_found("aime_1983_2023.jsonl", {"MATH_OAI.jsonl"}, "overlap"),
            (Lines{189, 327, 455, 745}));
  EXPECT_EQ(lines_found("aime_1983_2023.jsonl", {"AIME24.jsonl"}), Lines{});
  EXPECT_EQ(lines_found("aime_1983_2023.jsonl", {"OlymMATH-EN-EASY.jsonl"}), Lines{});
}

TEST(Contamination, DrillsWithOtherNumbersAreOtherProblems) {
  if (!fs::exists(shared("problems"))) GTEST_SKIP() << "no shared data";
  using Lines = std::set<uint64_t>;
  const std::vector<std::string> all = {"MATH_OAI.jsonl", "AIME24.jsonl", "OlymMATH-EN-EASY.jsonl",
                                        "gpqa_diamond.json.gz"};
  // 1110 is the balloon of a MATH-500 problem, asked for its height.
  EXPECT_EQ(lines_found("math_train_2496.jsonl", all), Lines{1110});
  EXPECT_EQ(lines_found("math_train_678_with_solutions.jsonl", all), Lines{});
  EXPECT_EQ(lines_found("deepmath_800.jsonl", all), Lines{});
  EXPECT_EQ(lines_found("gsm8k_train_1500.jsonl", all), Lines{});
  EXPECT_EQ(lines_found("mmlu_pro_science_495.jsonl", all), Lines{});
}

}  // namespace
}  // namespace ponder::data
