#include "judge/test_pairs.h"

namespace ponder::judge {
namespace {

TEST(Structures, dates_and_times) {
  expect_verdicts({{"March 5, 2024", "5 March 2024", 'c'},
                   {"2024-03-05", "March 5th, 2024", 'c'},
                   {"\\text{October 30}", "October 30", 'c'},
                   {"\\text{October 30}", "October 31", 'i'},
                   {"\\text{October 30}", "30 October", 'c'},
                   {"20:34", "08:34 \\text{P.M.}", 'c'},
                   {"3:30\\text{ pm}", "15:30", 'c'},
                   {"3:30 p.m.", "3:30", 'c'},
                   {"3:30 pm", "3:30 am", 'i'},
                   {"12:00 am", "0:00 am", 'u'},
                   {"March 5, 2024", "March 5, 2023", 'i'},
                   {"September 5", "Sept 5", 'c'},
                   {"September 5", "Sep. 5", 'c'},
                   {"August 5", "Sept 5", 'i'},
                   {"March", "April", 'i'},
                   {"\\text{May}", "May", 'c'},
                   {"11:21", "11:21", 'c'},
                   {"20:34", "20:35:00", 'i'}});
}

TEST(Structures, solutions_sets_and_families) {
  expect_verdicts({{"p=5,q=2;p=7,q=2", "(5,2),(7,2)", 'c'},
                   {"p=5,q=2;p=7,q=3", "p=5,q=3;p=7,q=2", 'i'},
                   {"p=5,q=2;p=7,q=3", "q=3,p=7;q=2,p=5", 'c'},
                   {"p=5,q=2", "q=2,p=5", 'c'},
                   {"x=1,y=2", "(1,2)", 'c'},
                   {"x=1,y=2", "x=2,y=1", 'i'},
                   {"x=1,y=2", "(2,1)", 'i'},
                   {"\\{x \\mid x>2\\}", "(2,\\infty)", 'c'},
                   {"\\{x : x \\ge 2\\}", "x \\geq 2", 'c'},
                   {"\\{x \\in \\mathbb{R} \\mid x<3\\}", "(-\\infty,3)", 'c'},
                   {"x \\ne 1", "(-\\infty,1)\\cup(1,\\infty)", 'c'},
                   {"\\{x | x \\neq 1\\}", "x \\ne 1", 'c'},
                   {"x \\ne 1", "x \\ne 2", 'i'},
                   {"\\mathbb{R}", "(-\\infty,\\infty)", 'c'},
                   {"x \\in \\mathbb{R}", "(-\\infty,+\\infty)", 'c'},
                   {"\\{-1\\} \\cup [0,7)", "[0,7) \\cup \\{-1\\}", 'c'},
                   {"x<1 \\text{ or } x>3", "(-\\infty,1)\\cup(3,\\infty)", 'c'},
                   {"x<1 \\lor x>3", "(3,\\infty)\\cup(-\\infty,1)", 'c'},
                   {"(0,1)\\cup(1,2)", "(0,1]\\cup(1,2)", 'i'},
                   {"(2,\\infty)", "x \\in (2,\\infty)", 'c'},
                   {"n\\pi, n \\in \\mathbb{Z}", "k\\pi, k \\in \\mathbb{Z}", 'c'},
                   {"2n\\pi, n \\in \\mathbb{Z}", "-2n\\pi, n\\in\\mathbb{Z}", 'c'},
                   {"n\\pi, n \\in \\mathbb{Z}", "x = n\\pi, n\\in\\mathbb{Z}", 'c'},
                   {"x \\equiv 1 \\pmod{4}", "x \\equiv 1 (mod 4)", 'c'},
                   {"x \\equiv 1 \\pmod{4}", "x \\equiv 3 \\pmod{4}", 'i'},
                   {"9", "9 \\pmod{11}", 'c'},
                   {"x=1 \\text{ or } x=2", "x=2, x=1", 'c'},
                   {"\\langle 1,2\\rangle", "(1,2)", 'c'},
                   {"5", "", 'i'}});
}

TEST(Structures, sums_progressions_and_functions) {
  expect_verdicts({{"5050", "1+2+\\cdots+100", 'c'},
                   {"1, 2, \\ldots, 10", "1,2,3,4,5,6,7,8,9,10", 'c'},
                   {"1,2,...,5", "1,2,3,4,5", 'c'},
                   {"\\{1,2,\\ldots,5\\}", "\\{1,2,3,4,5\\}", 'c'},
                   {"1,2,\\ldots,5", "1,2,\\ldots,6", 'i'},
                   {"1+2+4+\\cdots+1024", "2047", 'c'},
                   {"1+2+\\cdots+n", "\\frac{n(n+1)}{2}", 'u'},
                   {"1+3+\\ldots+10^{12}", "5", 'u'},
                   {"385", "\\sum_{k=1}^{10} k^2", 'c'},
                   {"\\sum_{k=1}^{10} k", "\\sum_{n=1}^{10} n", 'c'},
                   {"120", "\\prod_{i=1}^5 i", 'c'},
                   {"\\sum_{k=0}^{3} x^k", "1+x+x^2+x^3", 'c'},
                   {"\\sum_{k=1}^{3}\\sqrt{k}", "1+\\sqrt2+\\sqrt3", 'c'},
                   {"\\sum_{k=1}^{10^{12}} k", "5", 'u'},
                   {"\\sum_{i=1}^{3}\\sum_{j=1}^{i} ij", "25", 'c'},
                   {"\\sum_{k=1}^n k", "\\frac{n(n+1)}{2}", 'c'},
                   {"\\sum_{k=0}^{\\infty} (\\frac12)^k", "2", 'c'},
                   {"\\sum_{k=0}^{\\infty} \\frac{1}{2^k}", "1", 'i'},
                   {"\\sum_{k=1}^\\infty \\frac{1}{2^k}", "1", 'c'},
                   {"\\sum_{k=0}^\\infty (-1)^k \\frac{3}{2^{2k+1}}", "\\frac{6}{5}", 'c'},
                   {"\\sum_{k=1}^\\infty \\frac{k}{2^k}", "2", 'c'},
                   {"\\sum_{k=1}^\\infty \\frac{k^2}{3^k}", "\\frac32", 'c'},
                   {"\\sum_{k=1}^\\infty \\frac{k^2}{3^k}", "1.49", 'i'},
                   {"\\sum_{k=1}^\\infty \\frac{(k+1)(k-2)}{3^k}", "-\\frac14", 'c'},
                   {"\\sum_{k=0}^\\infty (\\frac{1}{2^k}+\\frac{1}{3^k})", "\\frac72", 'c'},
                   {"\\sum_{k=1}^\\infty (\\frac{1}{\\sqrt 2})^k", "\\sqrt2+1", 'c'},
                   {"\\sum_{k=1}^\\infty (\\frac{1}{\\sqrt 2})^k", "\\sqrt2-1", 'i'},
                   {"\\sum_{k=1}^\\infty (\\frac{1}{2^k})^2", "1/3", 'c'},
                   {"\\sum_{k=0}^\\infty 2^k", "-1", 'u'},
                   {"\\sum_{k=0}^\\infty (-1)^k", "\\frac12", 'u'},
                   {"\\sum_{k=1}^\\infty \\frac{1}{k^2}", "\\frac{\\pi^2}{6}", 'u'},
                   {"\\sum_{k=1}^\\infty \\frac{1}{2^{k^2}}", "1", 'u'},
                   {"2", "1+\\frac12+\\frac14+\\cdots", 'c'},
                   {"\\frac23", "1-\\frac12+\\frac14-\\cdots", 'c'},
                   {"1", "0.9+0.09+0.009+...", 'c'},
                   {"3", "1+\\frac12+\\frac14+\\cdots", 'i'},
                   {"2", "1+\\frac12+\\cdots", 'u'},
                   {"2", "1+\\frac12+\\frac13+\\cdots", 'u'},
                   {"-1", "1+2+4+\\cdots", 'u'},
                   {"\\gcd(12,18)", "6", 'c'},
                   {"\\text{lcm}(4,6)", "12", 'c'},
                   {"\\max\\{2,5\\}", "5", 'c'},
                   {"\\min(k+1,m)", "\\min(m,k+1)", 'c'},
                   {"17 \\bmod 5", "2", 'c'},
                   {"17 mod 5", "2", 'c'},
                   {"{}_5C_2", "10", 'c'},
                   {"^5C_2", "10", 'c'},
                   {"_{5}P_{2}", "20", 'c'},
                   {"\\binom{5}{2}", "{5 \\choose 2}", 'c'},
                   {"\\log_2 8", "3", 'c'},
                   {"\\tanh^{-1}(\\frac12)", "\\frac12\\ln 3", 'c'},
                   {"\\sinh^{-1}(1)", "\\ln(1+\\sqrt2)", 'c'},
                   {"\\tan^{-1}(1)", "\\frac{\\pi}{4}", 'c'},
                   {"\\coth(1)", "\\frac{\\cosh 1}{\\sinh 1}", 'c'},
                   {"\\lceil 2.5\\rceil", "3", 'c'},
                   {"(n-1)!", "(n-1)!", 'c'}});
}

TEST(Structures, inequalities_of_absolute_values_and_of_functions) {
  expect_verdicts({{"1 \\le |z| \\le \\frac32", "[-\\frac32,-1]\\cup[1,\\frac32]", 'c'},
                   {"1 \\le |z| \\le \\frac32", "[-\\frac32,-1)\\cup[1,\\frac32]", 'i'},
                   {"2 > |x| > 1", "(-2,-1)\\cup(1,2)", 'c'},
                   {"(1,2)", "1 < f(x) < 2", 'c'},
                   {"(1,2)", "1 < f(x) \\le 2", 'i'}});
}

TEST(Structures, forms_that_are_not_worked_out_where_asked) {
  const PairCase exact[] = {{"481", "3^{2024} \\bmod 1000", 'c'}, {"1024", "2^{10}", 'c'}};
  expect_verdicts(exact);
  JudgeOptions evaluated;
  evaluated.forms = Forms::kEvaluated;
  const PairCase rows[] = {{"481", "3^{2024} \\bmod 1000", 'i'},
                           {"481", "481", 'c'},
                           {"1024", "2^{10}", 'i'},
                           {"1024", "2^{10} = 1024", 'c'},
                           {"1024", "x = 2^{10}", 'i'},
                           {"120", "5!", 'i'},
                           {"10", "\\binom52", 'i'},
                           {"5050", "\\sum_{k=1}^{100} k", 'i'},
                           {"5050", "1+2+\\cdots+100", 'i'},
                           {"\\frac12", "0.5", 'c'},
                           {"1.5", "1\\frac12", 'c'},
                           {"1200", "1.2\\times10^3", 'c'},
                           {"-3", "-3", 'c'},
                           {"50\\%", "\\frac12", 'c'},
                           {"30", "30^\\circ", 'c'},
                           {"15\\text{ cm}", "15", 'c'},
                           {"(1,2)", "(1,\\sqrt4)", 'i'},
                           {"1, 2", "2, 1", 'c'},
                           {"2\\sqrt3", "\\sqrt{12}", 'c'},
                           {"2^{10}", "1024", 'c'},
                           {"x^2-1", "(x-1)(x+1)", 'c'}};
  expect_verdicts(rows, evaluated);
}

TEST(Structures, equations_by_their_solutions) {
  expect_verdicts({{"xy = 1", "y = \\frac1x", 'c'},
                   {"\\ln y = x", "y = e^x", 'c'},
                   {"\\frac1x = 2", "x = \\frac12", 'c'},
                   {"\\ln y = x", "y = e^{2x}", 'i'},
                   {"y^3 = x", "y = \\sqrt[3]{x}", 'c'},
                   {"y^2 = x^2", "y = x", 'i'},
                   {"x^2 + y^2 = 1", "y^2 = (1-x)(1+x)", 'c'},
                   {"x^2 + y^2 = 1", "x^2 - y^2 = 1", 'i'},
                   {"(x-1)(y-1) = 0", "x = 1", 'i'},
                   {"w(12.5-w) = 25", "2w + 50/w = 25", 'u'},
                   {"x + y < 1", "x - y < 1", 'i'},
                   {"x + y < 1", "2x + 2y < 2", 'c'},
                   {"x^2 + y < 1", "x^2 + y \\le 1", 'i'},
                   {"y = mx + b", "y - b = mx", 'c'},
                   {"\\sin x = \\frac{42}{59}", "\\cos x = \\frac{42}{59}", 'i'},
                   {"x e^x = 2", "x e^x = 3", 'i'},
                   {"x > 1000", "x > 1001", 'i'},
                   {"x > 1000", "1000 < x", 'c'},
                   {"xy = x^2", "y = x", 'i'},
                   {"f(x) = 0", "f = 0", 'c'},
                   {"y = 2x", "y = 2z", 'i'}});
}

}  // namespace
}  // namespace ponder::judge
