#include "judge/judge.h"

#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>

#include "base/json.h"
#include "base/philox.h"
#include "testing/folders.h"

namespace ponder::judge {
namespace {

Verdict verdict(std::string_view gold, std::string_view prediction, JudgeOptions options = {}) {
  return judge_answer(gold, prediction, options).verdict;
}

struct Pair {
  const char *gold, *prediction;
};

TEST(Judge, equal_answers_of_every_kind) {
  const Pair pairs[] = {// integers, thousands, money
                        {"42", "42"},
                        {"42", "+42."},
                        {"1,234,567", "1234567"},
                        {"10{,}000", "10000"},
                        {"11,\\! 111,\\! 100", "11111100"},
                        {"\\$32,\\!348", "32348"},
                        {"10\\,000", "10000"},
                        {"-7", "−7"},
                        // decimals
                        {"0.5", ".50"},
                        {"1000.99", "1000,99"},
                        {"0,111", "0.111"},
                        {"999.5", "\\frac{1999}{2}"},
                        {"\\frac{\\sqrt{3}}{2}", "0.8660254037844386"},
                        {"0.67", "\\frac{2}{3}"},
                        // fractions
                        {"\\frac{1}{2}", "1/2"},
                        {"\\dfrac12", "\\tfrac{2}{4}"},
                        {"\\frac34", "\\frac 34"},
                        {"-\\frac{1}{3}", "\\frac{-1}{3}"},
                        {"1\\frac{4}{5}", "\\frac{9}{5}"},
                        {"1 1/2", "1.5"},
                        {"\\\\frac{1}{2}", "\\frac12"},
                        // percent, degrees, units
                        {"28\\%", "28"},
                        {"28%", "28 percent"},
                        {"0.28", "28\\%"},
                        {"90^\\circ", "90"},
                        {"\\frac{270}7\\text{ degrees}", "\\frac{270^\\circ}{7}"},
                        {"5.4 \\text{ cents}", "5.4"},
                        {"15\\mbox{ cm}^2", "15"},
                        {"10 weeks", "10"},
                        {"12", "12 m^2"},
                        {"162\\text{ minutes}", "162 min"},
                        // powers, roots, constants, functions
                        {"2^{10}", "1024"},
                        {"\\sqrt{72}", "6\\sqrt2"},
                        {"1+√10", "1+\\sqrt{10}"},
                        {"\\ln(12^6)", "6\\ln 12"},
                        {"\\sqrt[3]{-8}", "-2"},
                        {"\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt{2}}{2}"},
                        {"2\\pi", "\\pi \\cdot 2"},
                        {"e^{i\\pi}+1", "0"},
                        {"\\sin 30^\\circ", "\\frac12"},
                        {"\\log_2 8", "3"},
                        {"2 \\times 5!", "240"},
                        {"\\binom{5}{2}", "10"},
                        {"|{-3}|", "3"},
                        {"\\sqrt{-4}", "2i"},
                        {"10^{100}", "10^{50} \\cdot 10^{50}"},
                        // formulas
                        {"(x+1)^2", "x^2+2x+1"},
                        {"5(3x-16)", "15x - 80"},
                        {"\\frac{x^2-1}{x-1}", "x+1"},
                        {"2 \\sin b \\cos a", "2\\cos a \\sin b"},
                        {"v_0^2", "v^2_0"},
                        {"\\lfloor \\frac{n}{2} \\rfloor", "\\lfloor n/2 \\rfloor"},
                        // names, equations, inequalities
                        {"x = 3", "3"},
                        {"f(x) = 2x + 3", "2x+3"},
                        {"2x+4y-3=0", "y=-\\frac12x+\\frac34"},
                        {"4027", "x + y = 4027"},
                        {"x < 1", "-x > -1"},
                        {"(3,4]", "3 < x \\leq 4"},
                        {"x \\geq 2", "[2, \\infty)"},
                        {"\\frac13", "x = \\frac13 \\approx 0.33"},
                        // lists, tuples, sets, intervals, vectors
                        {"1,-2", "-2, 1"},
                        {"19, 46, and 82", "82, 46, 19"},
                        {"\\{1, 2\\}", "2, 1"},
                        {"(1, 2)", "\\left( 1, \\frac42 \\right)"},
                        {"1 \\pm \\sqrt{19}", "1+\\sqrt{19}, 1-\\sqrt{19}"},
                        {"x = 1, x = 2", "1, 2"},
                        {"(0,9) \\cup (9,36)", "(9,36)\\cup(0,9)"},
                        {"(0,9) \\cup (9,36)", "0 < x < 9 \\text{ or } 9 < x < 36"},
                        {"k = 45, n = 2", "n=2, k=45"},
                        {"(x,y) = (3,2)", "(3,2)"},
                        {"\\begin{pmatrix} 1 \\\\ -2/4 \\end{pmatrix}",
                         "\\begin{bmatrix} 1 \\\\ -\\frac12 \\end{bmatrix}"},
                        {"2:4", "1:2"},
                        // bases, words, letters
                        {"204_5", "204_{5}"},
                        {"\\text{even}", "Even"},
                        {"\\text{Friday}", "friday"},
                        {"7", "seven"},
                        {"\\text{(C)}", "C"},
                        {"B", "\\textbf{(B)}"},
                        {"no real solutions", "\\text{No real solutions}"},
                        {"\\boxed{7}", "$7$"}};
  for (const Pair& pair : pairs) {
    const Judgement judgement = judge_answer(pair.gold, pair.prediction, {});
    EXPECT_EQ(judgement.verdict, Verdict::kCorrect) << pair.gold << "  " << pair.prediction << "\n"
                                                    << judgement.proof;
    EXPECT_EQ(judgement.proof.find('\n'), std::string::npos);
  }
}

TEST(Judge, different_answers_of_every_kind) {
  const Pair pairs[] = {
      {"42", "43"},
      {"5", "5.001"},
      {"1234", "1.234"},
      {"1/3", "0.33"},
      {"4.5", "4.52"},
      {"2.74", "2,740"},
      {"\\frac{1}{23}", "\\frac{12}{3}"},
      {"x^{105}", "x^{10}5"},
      {"2\\frac12", "1"},
      {"10\\text{ units}", "100"},
      {"12", "11^{\\text{th}} \\text{ grade}"},
      {"28\\%", "29"},
      {"50\\%", "0.05"},
      {"\\sqrt{51}", "10"},
      {"1+√10", "1"},
      {"2\\pi", "6.28"},
      {"70\\sqrt2", "99.29"},
      {"-\\sqrt3", "\\sqrt3"},
      {"x+1", "x+2"},
      {"p - q", "p - q + 2"},
      {"\\sin(x)", "\\cos(x)"},
      {"\\lfloor \\sqrt{n-1} \\rfloor", "\\lfloor n/2 \\rfloor"},
      {"\\frac{x^2}{4}+y^2=1", "\\frac{x^2}{4}-y^2=1"},
      {"a + 3z = 0", "0"},
      {"x < 1", "x > 1"},
      {"x < 1", "x \\le 1"},
      {"[-3,2]", "(-3,2)"},
      {"(2,\\infty)", "[2,\\infty)"},
      {"(1,2)", "(2,1)"},
      {"1,2", "1"},
      {"5", "\\pm 5"},
      {"5", "5 \\text{ or } 7"},
      {"1,2,3", "1,2,4"},
      {"(0,9) \\cup (9,36)", "(-9,0)\\cup(9,36)"},
      {"\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "\\begin{pmatrix} 1 \\\\ 3 \\end{pmatrix}"},
      {"2516_8", "12472_8"},
      {"\\text{east}", "\\text{south}"},
      {"\\text{(C)}", "D"},
      {"2", "No real solutions"},
      {"7", "the blue one"},
      {"5", "1+1=5"},
      {"12:00", "1:00"},
      {"11:21", "21:11"},
      {"1+i", "1-i"},
      {"10^{100}", "10^{100}+1"}};
  for (const Pair& pair : pairs) {
    const Judgement judgement = judge_answer(pair.gold, pair.prediction, {});
    EXPECT_EQ(judgement.verdict, Verdict::kIncorrect)
        << pair.gold << "  " << pair.prediction << "\n"
        << judgement.proof;
  }
}

TEST(Judge, a_proof_is_one_line_whatever_the_answer_holds) {
  const Judgement judgement = judge_answer("\\end{pma\nt}x", "n\\end{pma\rt\x01}x", {});
  EXPECT_EQ(judgement.verdict, Verdict::kUndecided);
  EXPECT_NE(judgement.proof.find("was not expected"), std::string::npos) << judgement.proof;
  EXPECT_EQ(judgement.proof.find_first_of("\n\r\x01"), std::string::npos) << judgement.proof;
}

TEST(Judge, undecided_where_a_side_cannot_be_read) {
  const Pair pairs[] = {{"", "5"},
                        {"5", "\\foo{5}"},
                        {"5", "\\frac{1"},
                        {"5", "((5)"},
                        {"the blue one", "7"},
                        {"5", "\\{4 = 5\\}"},
                        {"10^{10^{10}}", "10^{10^{11}}"}};
  for (const Pair& pair : pairs) {
    const Judgement judgement = judge_answer(pair.gold, pair.prediction, {});
    EXPECT_EQ(judgement.verdict, Verdict::kUndecided)
        << pair.gold << "  " << pair.prediction << "\n"
        << judgement.proof;
    EXPECT_FALSE(judgement.proof.empty());
  }
}

TEST(Judge, tolerance_only_where_asked_for) {
  JudgeOptions options;
  EXPECT_EQ(verdict("100", "100.4", options), Verdict::kIncorrect);
  options.tolerance = 0.005;
  EXPECT_EQ(verdict("100", "100.4", options), Verdict::kCorrect);
  EXPECT_EQ(verdict("100", "101", options), Verdict::kIncorrect);
  EXPECT_EQ(verdict("40\\pi", "125.66", options), Verdict::kCorrect);
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

// Each ends, in bounded time and memory, and never in a wrong verdict. The limit leaves room for
// sanitizers.
TEST(Hostile, bombs_end_soon) {
  const std::string megabyte(1 << 20, '7');
  const std::string bombs[] = {"10^{10^{10}}",
                               "10^{10^{10^{10}}}",
                               "2^{2^{2^{2^{2^{2}}}}}",
                               "1000000000!",
                               "((9!)!)!",
                               "\\binom{1000000000}{500000000}",
                               "\\binom{10^{9}}{10^{8}}",
                               "9^{9^{9}} - 9^{9^{9}}",
                               "\\frac{1}{10^{10^{10}}}",
                               "0^{-5}",
                               "\\frac{1}{0}",
                               "\\sum_{k=1}^{10^{12}} k",
                               repeat("(", 1 << 20),
                               repeat("{", 1 << 20),
                               repeat("\\frac{", 200000),
                               repeat("(", 9000) + "1" + repeat(")", 9000),
                               repeat("\\sqrt{", 2000) + "2" + repeat("}", 2000),
                               repeat("2^", 3000) + "2",
                               repeat("-", 15000) + "1",
                               "1" + repeat("!", 15000),
                               repeat("1/", 9000) + "1",
                               repeat("2+", 9000) + "2",
                               repeat("1,", 9000),
                               repeat("\\pm 1,", 2000),
                               repeat("|", 15000),
                               repeat("$", 1 << 20),
                               megabyte,
                               "0." + megabyte,
                               "0." + std::string(1900, '3') + "/" + std::string(1900, '7'),
                               repeat("\\sin ", 3000) + "1",
                               repeat("\\sqrt{2}^{\\sqrt{2}}+", 900) + "1",
                               repeat("\\text{a}", 2500),
                               repeat("\\text{", 3000) + repeat("}", 3000),
                               repeat("\\boxed{", 10000),
                               repeat("\\boxed{1}", 10000),
                               repeat("\\\\", 1 << 20),
                               repeat("x^{99}", 2000),
                               "x^{99999}",
                               repeat("\\begin{pmatrix}", 3000),
                               repeat("1&", 9000),
                               std::string("\0\x01\xff\xfe", 4),
                               repeat("\xe2\x88", 9000),
                               repeat("1 1/", 4000),
                               repeat(":", 9000),
                               "(" + repeat("(1,2),", 3000) + "1)",
                               repeat("\\cup ", 3000),
                               repeat("1=", 9000) + "1",
                               "\\sin(10^{80})",
                               "\\log(-1)",
                               "e^{e^{e^{e^{e}}}}",
                               "\\tan 90^\\circ",
                               "1e999999999",
                               repeat("{,}", 7000),
                               "5_{99999999999}",
                               repeat("a_", 9000)};
  for (const std::string& bomb : bombs) {
    const std::clock_t begin = std::clock();
    EXPECT_NE(verdict("13", bomb), Verdict::kCorrect) << bomb.substr(0, 60);
    judge_answer(bomb, "13", {});
    judge_answer(bomb, bomb + " ", {});
    judge_response("13", "so it is \\boxed{" + bomb + "}", ResponseEnd::kFinished, {});
    judge_response("13", "the answer is " + bomb, ResponseEnd::kFinished, {});
    const double seconds = seconds_since(begin);
    EXPECT_LT(seconds, 5.0) << bomb.substr(0, 60);
  }
}

// Random answers of all kinds, from a seed.
class Answers {
 public:
  explicit Answers(uint64_t seed) : random_(seed, 77) {}
  uint64_t below(uint64_t n) { return random_.below(n); }
  std::string number() {
    const std::string n = std::to_string(below(200)), d = std::to_string(1 + below(30));
    switch (below(7)) {
      case 0:
        return "\\frac{" + n + "}{" + d + "}";
      case 1:
        return "-" + n;
      case 2:
        return n + "." + d;
      case 3:
        return n + "\\sqrt{" + d + "}";
      case 4:
        return n + "\\pi";
      case 5:
        return n + "/" + d;
      default:
        return n;
    }
  }
  std::string answer() {
    switch (below(7)) {
      case 0:
        return "(" + number() + ", " + number() + ")";
      case 1:
        return number() + ", " + number() + ", " + number();
      case 2:
        return "x = " + number();
      case 3:
        return number() + "x^2 + " + number();
      case 4:
        return "[" + number() + ", \\infty)";
      case 5:
        return number() + " \\text{ cm}";
      default:
        return number();
    }
  }

 private:
  RandomSequence random_;
};

TEST(Property, reflexive_symmetric_and_deaf_to_dress) {
  Answers random(5);
  for (int i = 0; i < 1500; ++i) {
    const std::string a = random.answer(), b = random.answer();
    EXPECT_EQ(verdict(a, a), Verdict::kCorrect) << a;
    EXPECT_EQ(verdict(a, "\\boxed{" + a + "}"), Verdict::kCorrect) << a;
    EXPECT_EQ(verdict(a, "$ " + a + "$ ."), Verdict::kCorrect) << a;
    EXPECT_EQ(verdict(a, b), verdict(b, a)) << a << "   " << b;
  }
}

TEST(Property, a_number_moved_by_a_little_is_another) {
  Answers random(6);
  for (int i = 0; i < 2000; ++i) {
    const std::string a = random.number();
    EXPECT_EQ(verdict(a, a + " + \\frac{1}{" + std::to_string(1 + random.below(150)) + "}"),
              Verdict::kIncorrect)
        << a;
    EXPECT_EQ(verdict(a, "\\frac{2 \\cdot (" + a + ")}{2}"), Verdict::kCorrect) << a;
    EXPECT_EQ(verdict(a, "(" + a + ") + \\sqrt{3} - \\sqrt3"), Verdict::kCorrect) << a;
  }
}

std::filesystem::path verifier_data() { return ponder::testing::shared_data() / "verifier"; }

struct Score {
  int rows = 0, agreed = 0, false_correct = 0;
};

Score score(const char* file) {
  JsonRowReader reader(verifier_data() / file);
  JsonRow row;
  Score score;
  while (reader.next(row)) {
    const auto contested = row.value.find("contested");
    if (contested != row.value.end() && *contested != false) continue;
    const auto& label = row.value[row.value.contains("verdict") ? "verdict" : "expected"];
    const bool expected = label == true || label == "correct";
    const std::string gold = row.value["gold"],
                      text = row.value[row.value.contains("response") ? "response" : "prediction"];
    const std::string kind = row.value.value("kind", "response");
    JudgeOptions options;
    if (kind == "multiple_choice") options.type = AnswerType::kChoice;
    if (row.value.contains("tolerance")) options.tolerance = row.value["tolerance"].get<double>();
    options.choices = row.value.value("choices", std::vector<std::string>());
    const Verdict found = kind == "equivalence"
                              ? judge_answer(gold, text, options).verdict
                              : judge_response(gold, text, ResponseEnd::kFinished, options).verdict;
    ++score.rows;
    score.agreed += found == (expected ? Verdict::kCorrect : Verdict::kIncorrect);
    score.false_correct += !expected && found == Verdict::kCorrect;
  }
  return score;
}

TEST(Shared, cases_of_other_projects) {
  if (!std::filesystem::exists(verifier_data()))
    GTEST_SKIP() << "no shared data at " << verifier_data();
  const Score cases = score("cases.jsonl");
  EXPECT_GE(cases.agreed, cases.rows * 0.965) << cases.agreed << " of " << cases.rows;
  EXPECT_EQ(cases.false_correct, 0);
}

TEST(Shared, cases_widened_round_public_reports) {
  if (!std::filesystem::exists(verifier_data() / "reports.jsonl"))
    GTEST_SKIP() << "no shared data at " << verifier_data();
  const Score reports = score("reports.jsonl");
  EXPECT_GE(reports.agreed, reports.rows * 0.98) << reports.agreed << " of " << reports.rows;
  EXPECT_EQ(reports.false_correct, 0);
}

TEST(Shared, whole_responses) {
  if (!std::filesystem::exists(verifier_data()))
    GTEST_SKIP() << "no shared data at " << verifier_data();
  const Score responses = score("model_responses.jsonl");
  EXPECT_GE(responses.agreed, responses.rows * 0.98)
      << responses.agreed << " of " << responses.rows;
  EXPECT_LE(responses.false_correct, responses.rows * 0.002);
}

}  // namespace
}  // namespace ponder::judge
