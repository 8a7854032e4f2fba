#include <gtest/gtest.h>

#include "judge/test_pairs.h"

namespace ponder::judge {
namespace {

TEST(Sayings, words_are_the_same_only_with_the_same_commands) {
  expect_verdicts({{"x y", "\\max(\\foo{x}, \\foo{y})", 'u'},
                   {"\\max(x, y)", "\\min(\\foo{x}, \\foo{y})", 'u'},
                   {"\\foo(p, q)", "\\bar(p, q)", 'u'},
                   {"\\text{Monday and Friday}", "\\textbf{Monday} and \\emph{Friday}", 'c'}});
}

TEST(Sayings, yes_no_none_and_all) {
  const PairCase rows[] = {
      {"Yes", "\\text{yes}", 'c'},
      {"Yes", "Yes, by continuity", 'c'},
      {"No", "no.", 'c'},
      {"No", "\\text{No}", 'c'},
      {"No", "Yes", 'i'},
      {"Yes", "5", 'i'},
      {"True", "false", 'i'},
      {"Yes", "oui", 'c'},
      {"No", "нет", 'c'},
      {"\\varnothing", "\\text{There is no real solution}", 'c'},
      {"no solutions", "\\emptyset", 'c'},
      {"\\emptyset", "\\{0\\}", 'i'},
      {"DNE", "does not exist", 'c'},
      {"\\mathbb{R}", "\\text{all reals}", 'c'},
      {"(-\\infty,\\infty)", "\\text{all real numbers}", 'c'},
      {"\\text{all real numbers}", "(0,\\infty)", 'i'},
      {"(-\\infty,7)\\cup(7,\\infty)", "\\text{all real numbers except } 7", 'c'},
      {"\\text{even}", "m\\text{ is even}", 'c'},
      {"\\text{even}", "m\\text{ is odd}", 'i'}};
  expect_verdicts(rows);
}

TEST(NoNumber, where_gold_is_one) {
  const PairCase rows[] = {{"12", "\\text{see below}", 'i'},
                           {"12", "\\le 12", 'i'},
                           {"12", ">12", 'i'},
                           {"12", "\\ne 12", 'i'},
                           {"12", "\\dots", 'i'},
                           {"12", "12 = 13", 'i'},
                           {"12", "12 \\quad 13", 'i'},
                           {"1213", "12 \\quad 13", 'i'},
                           {"12", "\\text{twelve}", 'c'},
                           {"121", "\\text{one hundred and twenty-one}", 'c'}};
  expect_verdicts(rows);
}

TEST(Sets, of_real_numbers_in_any_form) {
  const PairCase rows[] = {
      {"(2,9)", "(2,6)\\cup(4,9)", 'c'},
      {"(2,9)", "(2,6)\\cup(6,9)", 'i'},
      {"(2,9)", "(2,6]\\cup(6,9)", 'c'},
      {"[4,6]", "[2,6]\\cap[4,9]", 'c'},
      {"(0,3)\\cup(3,8)", "(0,8)\\setminus\\{3\\}", 'c'},
      {"\\mathbb{R}\\setminus\\{2,5\\}", "(-\\infty,2)\\cup(2,5)\\cup(5,\\infty)", 'c'},
      {"\\mathbb{R}\\setminus\\{2\\}", "x\\neq3", 'i'},
      {"-4<x<4", "|x|<4", 'c'},
      {"[-1,3]", "|x-1|\\le2", 'c'},
      {"[-1,3]", "|x-1|<2", 'i'},
      {"|2x-6|>4", "(-\\infty,1)\\cup(5,\\infty)", 'c'},
      {"x>0, x\\ne4", "(0,4)\\cup(4,\\infty)", 'c'},
      {"x<1 \\text{ or } x>3", "(-\\infty,1)\\cup(3,\\infty)", 'c'},
      {"[1,2]\\cup\\{5\\}", "1\\le x\\le2\\text{ or }x=5", 'c'},
      {"]3,8]", "(3,8]", 'c'},
      {"(3, 8) U (9, 10)", "(3,8)\\cup(9,10)", 'c'},
      {"\\{3,8\\}", "x\\in[3,8]", 'i'},
      {"3, 8", "x\\in(3,8)", 'i'},
      {"(3,8)", "x\\in(3,8)", 'c'},
      {"(2.5,4.5)", "(2,5;4,5)", 'c'}};
  expect_verdicts(rows);
}

TEST(WholeNumbers, formulas_over_them) {
  const PairCase rows[] = {{"\\frac{n!}{3}", "\\frac13 n!", 'c'},
                           {"(n+1)!", "(n+1)\\cdot n!", 'c'},
                           {"(n+1)!", "n\\cdot n!", 'i'},
                           {"\\binom{n}{3}", "\\frac{n(n-1)(n-2)}{6}", 'c'},
                           {"\\binom{n+1}{2}", "\\binom{n}{2}", 'i'},
                           {"\\binom{m}{k}", "\\frac{m!}{k!(m-k)!}", 'c'},
                           {"(-1)^{m}", "\\cos(\\pi m)", 'c'},
                           {"(-1)^{n}", "(-1)^{n+1}", 'i'},
                           {"(-3)^n", "3^n", 'i'},
                           {"\\sum_{k=1}^{n} k^2", "\\frac{n(n+1)(2n+1)}{6}", 'c'},
                           {"\\sum_{k=0}^{n} 3^k", "3^{n+1}-1", 'i'},
                           {"48", "6!!", 'c'},
                           {"945", "9!!", 'c'},
                           {"(2n)!!", "2^n n!", 'c'},
                           {"\\lfloor x\\rfloor", "\\lceil x\\rceil", 'i'},
                           {"\\lfloor\\frac{n+1}{2}\\rfloor", "\\lceil\\frac{n}{2}\\rceil", 'c'},
                           {"\\gcd(a,b)", "\\gcd(b,a)", 'c'},
                           {"\\binom{7}{3}", "C_7^3", 'c'}};
  expect_verdicts(rows);
}

TEST(Forms, of_one_answer) {
  const PairCase rows[] = {
      {"\\frac{\\pi}{4}", "45^\\circ", 'c'},
      {"60^\\circ", "\\frac{\\pi}{3}\\text{ rad}", 'c'},
      {"45", "45^\\circ", 'c'},
      {"\\frac{\\pi}{4}", "60^\\circ", 'i'},
      {"\\ln 5 \\cdot \\ln 7", "(\\ln 5)(\\ln 7)", 'c'},
      {"\\frac12\\sin 2t", "\\sin t\\cdot\\cos t", 'c'},
      {"6\\frac14\\%", "0.0625", 'c'},
      {"6\\frac14\\%", "1.5\\%", 'i'},
      {"7\\frac12^\\circ", "7.5^\\circ", 'c'},
      {"5", "5 \\text{ (five)}", 'c'},
      {"25", "5 \\text{ (five)}", 'i'},
      {"\\sqrt{7}", "\\sqrt{7} \\text{ (about } 2.65)", 'c'},
      {"k=8", "k=8\\ (k>0)", 'c'},
      {"f(2)", "f (2)", 'c'},
      {"83", "p+q = 60+23 = 83", 'c'},
      {"83", "p+q = 60+22 = 83", 'u'},
      {"1234567", "12,34,567", 'c'},
      {"1234567", "1'234'567", 'c'},
      {"1000000", "1.000.000", 'c'},
      {"0", "1.000.000", 'i'},
      {"y=5x-2", "f(x)=5x-2", 'c'},
      {"2000!", "2000\\cdot1999!", 'c'},
      {"3^{20000}", "3^{20001}", 'i'},
      {"28\\%", "twenty-eight percent", 'c'},
      {"x\\equiv2\\pmod5", "x\\equiv12\\pmod5", 'c'},
      {"x\\equiv2\\pmod5", "x\\equiv-2\\pmod5", 'i'},
      {"x\\equiv2\\pmod5", "x\\equiv2\\mod 5", 'c'},
      {"y=\\frac{2}{x}", "xy=2", 'c'},
      {"y=\\frac{2}{x}", "xy=3", 'i'},
      {"V=IR", "I=\\frac{V}{R}", 'c'},
      {"x^2+C", "x^2+K", 'c'},
      {"x^2+C", "x^3+K", 'i'},
      {"f(x)=3x", "f(t)=3t", 'c'},
      {"f(x)=x+c", "f(x)=x+c\\text{ for any real constant }c", 'c'},
      {"(4,4)", "a=b=4", 'c'},
      {"a=1,b=2", "a=1 \\land b=2", 'c'},
      {"a=1,b=2", "\\left\\{\\begin{array}{l}a=1\\\\b=2\\end{array}\\right.", 'c'},
      {"(3,4)", "Q(3,4)", 'c'},
      {"2500000", "2.5 million", 'c'},
      {"2.5", "2.5 million", 'i'},
      {"24", "2\\text{ dozen}", 'c'},
      {"3:4", "3 to 4", 'c'},
      {"13", "1101 base 2", 'c'},
      {"\\$0.75", "75¢", 'c'},
      {"75", "₹75", 'c'},
      {"25^\\circ C", "25 degrees Celsius", 'c'},
      {"25^\\circ C", "25^\\circ F", 'i'},
      {"8\\ \\Omega", "8\\text{ ohms}", 'c'},
      {"\\frac34", "Rational(3,4)", 'c'},
      {"|y|", "Abs(y)", 'c'},
      {"(1,\\infty)", "(1, oo)", 'c'},
      {"\\tan x", "\\operatorname{tg} x", 'c'},
      {"i", "\\operatorname{cis} 90^\\circ", 'c'},
      {"9", "\\color{blue}{9}", 'c'},
      {"9", "\\large 9", 'c'},
      {"9", "9 \\tag{3}", 'c'},
      {"15", "１５", 'c'},
      {"2", "\\lim_{x\\to1}(x+1)=2", 'c'},
      {"2", "\\int_0^1 3\\,dx=3", 'i'}};
  expect_verdicts(rows);
}

TEST(Sayings, fractions_and_small_numbers_in_words) {
  expect_verdicts({{"\\frac12", "\\text{one half}", 'c'},
                   {"\\frac23", "two thirds", 'c'},
                   {"0.75", "three quarters", 'c'},
                   {"one half", "0.5", 'c'},
                   {"\\frac13", "two thirds", 'i'},
                   {"10", "ten", 'c'},
                   {"2", "two", 'c'},
                   {"6", "two", 'i'},
                   {"8", "an 8", 'c'},
                   {"7", "a 7", 'c'},
                   {"7", "a + 7", 'i'}});
}

}  // namespace
}  // namespace ponder::judge
