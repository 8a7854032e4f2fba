// What each filter takes and what it lets pass, on texts as people and models write them.
#include "clean/filters.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "testing/error_text.h"

namespace ponder::clean {
namespace {

data::Demonstration row_of(std::string question, std::string thought, std::string solution) {
  data::Demonstration row;
  row.question = std::move(question);
  row.thought = std::move(thought);
  row.solution = std::move(solution);
  row.file = "a.jsonl";
  return row;
}

// The reason for which the row alone is left out, "" where it is kept.
std::string taken(Filter filter, const data::Demonstration& row) {
  Options options;
  options.filters = {filter};
  const auto why = Cleaner(options).check(row);
  EXPECT_EQ(why ? why->reason : reason_of(filter), reason_of(filter));
  return why ? why->detail : "";
}

std::string form(Filter filter, const std::string& thought, const std::string& solution) {
  return taken(filter, row_of("What is 2 + 3?", thought, solution));
}

TEST(Filters, HaveNamesThatAreFound) {
  EXPECT_EQ(all_filters().size(), 9u);
  for (const Filter filter : all_filters()) {
    EXPECT_EQ(filter_from_string(to_string(filter)), filter);
    EXPECT_EQ(filter_from_string(reason_of(filter)), filter);
  }
  EXPECT_EQ(reason_of(Filter::kNearDuplicate), "near_duplicate");
  EXPECT_FALSE(filter_from_string("nonsense"));
}

TEST(BrokenFormat, IsMarkupThatWasLeftIn) {
  const auto broken = [](const std::string& solution) {
    return form(Filter::kBrokenFormat, "Two and three are five.", solution);
  };
  EXPECT_EQ(broken("The answer is \\boxed{5}. <|im_end|>"), "the solution: <|im_end|> within it");
  EXPECT_EQ(broken("<THINK>hm</think> 5"), "the solution: <think> within it");
  EXPECT_EQ(broken("```python\nprint(5)"), "the solution: a fence of code (```) without its end");
  EXPECT_EQ(broken("\\boxed{\\frac{1}{2}"), "the solution: a \\boxed{ is not closed");
  EXPECT_EQ(broken("\\begin{cases} x = 5"), "the solution: 1 \\begin{ and 0 \\end{");
  EXPECT_EQ(broken("So\\n\\nwe have\\n\\nfive."), "the solution: line breaks written as \\n");
  EXPECT_EQ(broken("x &lt; 5 &amp; y &gt; 2"), "the solution: HTML: 3 entities");
  EXPECT_EQ(form(Filter::kBrokenFormat, "a <br> b", "5"), "the thought: HTML: <br>");

  EXPECT_EQ(broken("```python\nprint(5)\n```\nIt prints `5`."), "");
  EXPECT_EQ(broken("\\[ a < b \\] with \\{1, 2\\} and \\boxed{\\{5\\}}"), "");
  EXPECT_EQ(broken("In Python \"\\n\\n\" is a blank line.\nSo is this."), "");
  EXPECT_EQ(broken("1 < x and x <p where p > 2"), "");
}

TEST(Truncated, EndsWhereNobodyStops) {
  const auto cut = [](const std::string& solution) {
    return form(Filter::kTruncated, "Two and three are five.", solution);
  };
  EXPECT_EQ(cut("First we note that the"), "the solution: ends with \"the\"");
  EXPECT_EQ(cut("We have x ="), "the solution: ends with \"=\"");
  EXPECT_EQ(cut("These are 2, 3,"), "the solution: ends with \",\"");
  EXPECT_EQ(cut("The roots are ("), "the solution: ends with \"(\"");
  EXPECT_EQ(form(Filter::kTruncated, "Wait, let me check if", "5"),
            "the thought: ends with \"if\"");

  for (const char* whole :
       {"5", "**5**", "The answer is 5", "So x = 5.", "It is option A", "(C)", "the", "Vitamin A",
        "\\[ x = 5 \\]", "x = y^2", "It ends here --", "| a | b |"})
    EXPECT_EQ(cut(whole), "") << whole;
}

TEST(Gibberish, IsNoText) {
  const auto noise = [](const std::string& text) { return form(Filter::kGibberish, text, "5"); };
  EXPECT_EQ(noise("We don\xc3\xa2\xe2\x82\xac\xe2\x84\xa2t know the caf\xc3\x83\xc2\xa9 of "
                  "Ren\xc3\x83\xc2\xa9."),
            "broken encoding: 3 of 38 characters");
  std::string keys;
  for (char c = 'b'; c < 'n'; ++c) keys += std::string("hjkl") + c + " sdfgh" + c + " house ";
  EXPECT_EQ(noise(keys), "unsayable words: 20 of 25 such as \"hjklb\"");
  EXPECT_EQ(noise(std::string(500, 'a')), "endless words: one of 500 letters");
  std::string signs;
  for (int i = 0; i < 100; ++i) signs += "~~##;; ";
  EXPECT_EQ(noise(signs), "no words: 1 of 703 characters are letters or digits");

  EXPECT_EQ(
      noise("Le caf\xc3\xa9 de Ren\xc3\xa9 \xe2\x80\x94 d\xc3\xa9j\xc3\xa0 vu, na\xc3\xafve."), "");
  EXPECT_EQ(
      noise("The matrix is $$\\begin{pmatrix} 1 & 0 \\\\ 0 & 1 \\end{pmatrix}$$, so det = 1."), "");
  EXPECT_EQ(
      noise("\xe9\xa6\x96\xe5\x85\x88\xef\xbc\x8c\xe6\x88\x91\xe4\xbb\xac\xe7\x9f\xa5\xe9\x81\x93"
            "\xe7\xad\x94\xe6\xa1\x88\xe6\x98\xaf 5\xe3\x80\x82"),
      "");
}

const std::string kEnglish =
    "First we note that the sum of the two numbers is what we are asked for, and that it can be "
    "found by counting on from the larger of them. Then we check it once more, as it is easy to be "
    "wrong by one when you count with your fingers and do not look. ";
const std::string kGerman =
    "Wir wissen, dass die Summe der beiden Zahlen gesucht ist und dass man sie finden kann, wenn "
    "man "
    "von der größeren aus weiter zählt. Dann prüfen wir es noch einmal, denn es ist nicht schwer, "
    "sich "
    "dabei um eins zu irren, wenn man mit den Fingern zählt und nicht hinsieht. ";
const std::string kChinese =
    "首先我们知道这两个数的和就是我们要找的答案，可以从较大的数开始往上数。然后我们再检查一遍。";

TEST(MixedLanguage, IsAnotherThanTheQuestions) {
  const auto mixed = [](const std::string& question, const std::string& thought) {
    return taken(Filter::kMixedLanguage, row_of(question, thought, "5"));
  };
  const std::string english = "What is the sum of 2 and 3, if you add the one to the other twice?";
  EXPECT_EQ(mixed(english, kEnglish + kEnglish), "");
  EXPECT_EQ(mixed(english, kEnglish + "Let α and β be the roots, x² + y² = R, naïve café."), "");
  EXPECT_EQ(mixed(english, kChinese), "100.0 % are Chinese, it is asked in English");
  EXPECT_NE(mixed(english, kEnglish + kChinese).find("Chinese"), std::string::npos);
  EXPECT_EQ(mixed(english, kGerman + kGerman), "100.0 % are German, it is asked in English");
  EXPECT_NE(mixed("2 + 3?", kEnglish + kEnglish + kEnglish + kGerman).find("German"),
            std::string::npos);
  EXPECT_EQ(mixed("2 + 3?", kGerman), "");  // nobody says that it is not asked in German
  EXPECT_EQ(mixed("二加三等于多少？", kChinese + "所以 x = 5, y = 6."), "");
  EXPECT_NE(mixed("二加三等于多少？", kEnglish).find("English"), std::string::npos);
  // One word of another script in a long text is no mixture.
  EXPECT_EQ(mixed(english, kEnglish + kEnglish + "所以 it is 5."), "");
}

TEST(Repetition, IsTheSameAgain) {
  const auto repeats = [](const std::string& thought) {
    return form(Filter::kRepetition, thought, "5");
  };
  EXPECT_EQ(repeats(kEnglish), "");
  EXPECT_EQ(repeats(kEnglish + "Let me check this once more, from the end to the beginning."), "");
  EXPECT_NE(repeats(kEnglish + "So it is five. " + kEnglish).find("stand in runs of ten"),
            std::string::npos);
  std::string circle = kEnglish;
  for (int i = 0; i < 12; ++i) circle += "Wait, that is not right. ";
  EXPECT_EQ(repeats(circle), "the thought ends in a circle: 12 times the same 5 words");
  EXPECT_EQ(form(Filter::kRepetition, kEnglish, circle),
            "the solution ends in a circle: 12 times the same 5 words");
}

TEST(WrongAnswer, IsTheJudgesVerdict) {
  data::Demonstration row = row_of("What is 1 + 2?", "One and two.", "It is \\boxed{4}.");
  EXPECT_EQ(taken(Filter::kWrongAnswer, row), "") << "no gold answer";
  row.answer = "3";
  EXPECT_NE(taken(Filter::kWrongAnswer, row).find('4'), std::string::npos);
  row.solution = "It is \\boxed{3.0}.";
  EXPECT_EQ(taken(Filter::kWrongAnswer, row), "");
}

TEST(Lengths, AreNumbersOrQuantiles) {
  std::vector<data::Demonstration> rows;
  for (int words = 1; words <= 100; ++words) {
    std::string thought;
    for (int i = 1; i < words; ++i) thought += "word ";
    rows.push_back(row_of("q", thought, "5"));
    rows.back().line = static_cast<uint64_t>(words);
  }
  const auto clean = [&](const Options& options) {
    std::vector<data::Demonstration> kept = rows;
    data::RowAccount account = data::RowAccount::of(rows.size());
    Cleaner(options).clean(kept, account);
    uint64_t rejected = 0;
    for (const auto& [reason, count] : account.rejected) rejected += count;
    EXPECT_EQ(account.rows, account.kept + rejected);
    EXPECT_EQ(account.kept, kept.size());
    return std::pair(account.rejected["too_short"], account.rejected["too_long"]);
  };
  Options numbers;
  numbers.filters = {Filter::kTooShort, Filter::kTooLong};
  numbers.min_words = 11;
  numbers.max_words = 95;
  EXPECT_EQ(clean(numbers), std::pair(uint64_t{10}, uint64_t{5}));
  Options quantiles;
  quantiles.filters = numbers.filters;
  quantiles.min_quantile = 0.05;
  quantiles.max_quantile = 0.9;
  EXPECT_EQ(clean(quantiles), std::pair(uint64_t{4}, uint64_t{10}));
}

TEST(Lengths, NeedLimitsThatAreTheRightWayUp) {
  const auto error = [](const Options& options) {
    return testing::error_text([&] { check(options, "clean"); });
  };
  Options options;
  options.filters = {Filter::kTooShort, Filter::kTooLong};
  EXPECT_NE(error(options).find("the filter too-short has no limit"), std::string::npos);
  options.min_words = 10;
  options.max_words = 5;
  EXPECT_NE(error(options).find("upside down: min_words 10 is above max_words 5"),
            std::string::npos);
  options.max_words = 50;
  EXPECT_EQ(error(options), "(no error)");
  options.min_quantile = 0.9;
  options.max_quantile = 0.1;
  EXPECT_NE(error(options).find("upside down"), std::string::npos);
  options = {};
  options.min_words = 5;
  EXPECT_NE(error(options).find("too-short is none of the filters"), std::string::npos);
}

TEST(NearDuplicate, IsFoundAcrossFilesAndTheFirstStays) {
  Options options;
  options.filters = {Filter::kNearDuplicate};
  Cleaner cleaner(options);
  data::Demonstration row = row_of("What is 2 + 3?", kEnglish + kGerman, "It is 5.");
  row.line = 7;
  EXPECT_FALSE(cleaner.check(row));
  row.file = "b.jsonl";
  row.line = 1;
  row.solution = "It is  \\boxed{5}!";
  const auto why = cleaner.check(row);
  ASSERT_TRUE(why);
  EXPECT_TRUE(why->detail.starts_with("nearly line 7 of a.jsonl: Jaccard 0.9")) << why->detail;
  row.thought = kGerman + kChinese;
  EXPECT_FALSE(cleaner.check(row)) << "half of it is new";
}

TEST(NearDuplicate, AnotherGoldAnswerIsThatOfAnotherQuestion) {
  // Two of MATH's.
  const std::string deck =
      "A standard deck of 52 cards has 13 ranks (Ace, 2, 3, 4, 5, 6, 7, 8, 9, 10, Jack, Queen, "
      "King) "
      "and 4 suits, such that there is exactly one card for any given rank and suit. Two of the "
      "suits "
      "are black and the other two suits are red. The deck is randomly arranged. What is the "
      "probability that the top card is ";
  Options options;
  options.filters = {Filter::kNearDuplicate};
  Cleaner cleaner(options);
  data::Problem problem;
  problem.question = deck + "the King of hearts?";
  problem.answer = "\\dfrac{1}{52}";
  EXPECT_FALSE(cleaner.check(problem));
  problem.question = deck + "red?";
  problem.answer = "\\dfrac12";
  EXPECT_FALSE(cleaner.check(problem));
  problem.question = deck + "a red one?";
  EXPECT_TRUE(cleaner.check(problem));
}

TEST(NearDuplicate, ProblemsWithOtherNumbersAreOthers) {
  Options options;
  options.filters = {Filter::kNearDuplicate};
  Cleaner cleaner(options);
  data::Problem problem;
  problem.question = kEnglish + kGerman + "How many are 12 and 35 of them?";
  EXPECT_FALSE(cleaner.check(problem));
  problem.question = kEnglish + kGerman + "How many are 12 and 36 of them?";
  EXPECT_FALSE(cleaner.check(problem));
  problem.question = kEnglish + kGerman + "How many, then, are 12 and 36 of them, please?";
  EXPECT_TRUE(cleaner.check(problem));
}

TEST(Cleaner, IsAFunctionOfTheRows) {
  Options options;
  options.filters = all_filters();
  options.min_words = 3;
  options.max_quantile = 0.99;
  check(options, "here");
  std::vector<data::Demonstration> rows;
  for (int i = 0; i < 40; ++i)
    rows.push_back(row_of("q" + std::to_string(i), (i % 3 == 0 ? kEnglish : kGerman) + "ends.",
                          std::to_string(i / 4)));
  const auto kept_of = [&] {
    std::vector<data::Demonstration> kept = rows;
    data::RowAccount account = data::RowAccount::of(rows.size());
    Cleaner(options).clean(kept, account);
    EXPECT_LT(account.kept, account.rows);
    std::string text = account.summary();
    for (const data::Demonstration& row : kept) text += row.question + " ";
    return text;
  };
  EXPECT_EQ(kept_of(), kept_of());
}

}  // namespace
}  // namespace ponder::clean
