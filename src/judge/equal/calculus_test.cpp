#include "judge/test_pairs.h"

namespace ponder::judge {
namespace {

TEST(Calculus, definite_integrals_by_closed_forms) {
  expect_verdicts({{"\\frac12", "\\int_0^1 x\\,dx", 'c'},
                   {"\\frac12", "\\int_0^1 x\\,dx = \\frac12", 'c'},
                   {"\\frac13", "\\int_0^1 x\\,dx", 'i'},
                   {"7", "\\int\\limits_{0}^{7} dx", 'c'},
                   {"2", "\\int_{0}^{\\pi} \\sin x \\, \\mathrm{d}x", 'c'},
                   {"0", "\\int_{0}^{2\\pi} \\cos(3t)\\,dt", 'c'},
                   {"\\ln 3", "\\int_{1}^{3} \\frac{1}{x} dx", 'c'},
                   {"\\ln 3", "\\int_{-1}^{3} \\frac{1}{x} dx", 'u'},
                   {"\\frac12\\ln 3", "\\int_{0}^{1} \\frac{1}{2x+1} dx", 'c'},
                   {"\\frac23", "\\int_0^1 \\sqrt{x} dx", 'c'},
                   {"\\frac23", "\\int_0^1 \\sqrt{1-x} dx", 'c'},
                   {"2", "\\int_0^1 \\frac{1}{\\sqrt{x}} dx", 'u'},
                   {"\\frac12", "\\int_1^2 \\frac{1}{x^2} dx", 'c'},
                   {"-2", "\\int_{-1}^1 \\frac{1}{x^2} dx", 'u'},
                   {"e-1", "\\int_0^1 e^x dx", 'c'},
                   {"\\frac{e^2-1}{2}", "\\int_0^1 e^{2x} dx", 'c'},
                   {"e", "\\int_0^1 e^x dx", 'i'},
                   {"\\frac{1}{\\ln 2}", "\\int_0^1 2^x dx", 'c'},
                   {"-\\frac{16}{15}", "\\int_1^{-1} (1-x^2)^2 dx", 'c'},
                   {"\\frac{b^2-a^2}{2}", "\\int_a^b x\\,dx", 'c'},
                   {"\\frac{b^2+a^2}{2}", "\\int_a^b x\\,dx", 'i'},
                   {"\\int_a^b x\\,dx", "\\int^{b}_{a} t\\,dt", 'c'},
                   {"3", "\\int_0^1 \\int_0^2 x\\,dx\\,dy", 'u'},
                   {"3", "\\int_0^3 f(x)\\,dx = 3", 'c'},
                   {"\\ln 2", "\\int_1^2 \\frac{dx}{x}", 'c'},
                   {"3\\ln 2", "\\int_1^2 \\frac{3\\cdot dx}{x}", 'c'},
                   {"\\int \\frac{2 x}{y}\\,dx", "\\int \\frac{2 x dx}{y}", 'c'},
                   {"\\frac{b^2-a^2}{2}", "∫_(a)^(b)x dx", 'c'},
                   {"\\sqrt{\\pi}", "\\int_{-\\infty}^{\\infty} e^{-x^2}\\,dx", 'u'}});
}

TEST(Calculus, antiderivatives_are_those_of_one_integrand) {
  expect_verdicts({{"\\int (x+a)\\,dx", "\\int x + a\\,dx", 'c'},
                   {"\\int x\\,dx", "\\int x^2\\,dx", 'i'},
                   {"\\int x\\,dx", "\\int t\\,dt", 'u'},
                   {"\\int f(x)^2\\,dx", "\\int f(x)f(x)\\,dx", 'c'},
                   {"\\int f(x)^2\\,dx", "\\int f(x)\\,dx", 'u'},
                   {"\\int x\\,dx", "\\int dx\\,x", 'u'},
                   {"\\frac{x^2}{2} + C", "\\int x\\,dx = \\frac{x^2}{2} + C", 'c'},
                   {"\\frac{x^2}{2} + C", "\\int x\\,dx", 'c'}});
}

TEST(Calculus, limits_by_continuity_and_by_series) {
  expect_verdicts({{"1", "\\lim_{x\\to0}\\frac{\\sin x}{x}", 'c'},
                   {"2", "\\lim_{x\\to0}\\frac{\\sin x}{x}", 'i'},
                   {"\\frac12", "\\lim_{x\\to 0}\\frac{1-\\cos x}{x^2}", 'c'},
                   {"2", "\\lim_{x \\to 1} \\frac{x^2-1}{x-1}", 'c'},
                   {"\\frac14", "\\lim_{x \\to 4} \\frac{\\sqrt{x}-2}{x-4}", 'c'},
                   {"\\frac32", "\\lim_{n \\rightarrow \\infty} \\frac{3n^2+n}{2n^2-5}", 'c'},
                   {"\\frac12", "\\lim_{x \\to \\infty} (\\sqrt{x^2+x}-x)", 'c'},
                   {"-1", "\\lim_{x \\to -\\infty} \\frac{x}{\\sqrt{x^2+1}}", 'c'},
                   {"1", "\\lim_{x \\to -\\infty} \\frac{x}{\\sqrt{x^2+1}}", 'i'},
                   {"e^2", "\\lim_{n\\to\\infty} \\left(1+\\frac{2}{n}\\right)^n", 'c'},
                   {"e", "\\lim_{n\\to\\infty} \\left(1+\\frac{2}{n}\\right)^n", 'i'},
                   {"1", "\\lim_{x\\to 0^{+}} \\frac{|x|}{x}", 'c'},
                   {"1", "\\lim_{x\\to 0} \\frac{|x|}{x}", 'u'},
                   {"0", "\\lim_{x \\to \\infty} \\frac{\\sin x}{x}", 'u'},
                   {"1", "\\lim_{x \\to 0} \\lfloor x \\rfloor", 'u'},
                   {"9", "\\lim_{x \\to 3} x^2", 'c'},
                   {"9", "\\lim_{x → 3} x^2", 'c'},
                   {"10", "\\lim_{x \\to 3} x^2 + 1", 'c'},
                   {"\\lim_{x \\to 3^+} a", "\\lim_{x \\to 3} a", 'c'},
                   {"x^2", "\\lim_{x \\to 3} a", 'i'},
                   {"1", "\\lim_{x \\to 0} x^x", 'u'},
                   {"0", "\\lim_{x \\to 0} 0^x", 'u'},
                   {"5", "\\lim_{x \\to 0} f(x) = 5", 'c'}});
}

TEST(Calculus, functions_by_pieces) {
  const char* absolute =
      "\\begin{cases} x & \\text{if } x \\ge 0 \\\\ -x & \\text{if } x < 0 \\end{cases}";
  expect_verdicts(
      {{absolute, "\\begin{cases} -x & x < 0 \\\\ x & x \\ge 0 \\end{cases}", 'c'},
       {absolute, "f(x) = \\begin{cases} x, & x \\geq 0, \\\\ -x, & 0 > x. \\end{cases}", 'c'},
       {absolute, "\\begin{cases} -x & x \\ge 0 \\\\ x & x < 0 \\end{cases}", 'i'},
       {absolute, "\\begin{cases} x & x > 0 \\\\ -x & x \\le 0 \\end{cases}", 'c'},
       {absolute, "\\begin{cases} x & x \\ge 1 \\\\ -x & x < 1 \\end{cases}", 'i'},
       {absolute, "\\begin{cases} x & x \\ge 0 \\\\ -x & \\text{otherwise} \\end{cases}", 'c'},
       {absolute, "\\begin{cases} x+1 & x \\ge 0 \\\\ -x & \\text{otherwise} \\end{cases}", 'i'},
       {absolute, "|x|", 'c'},
       {"\\begin{cases} 1 & x \\in [0,1) \\\\ 0 & \\text{otherwise} \\end{cases}",
        "\\left\\{\\begin{array}{ll} 1, & x \\in [0,1) \\\\ 0, & \\text{otherwise} "
        "\\end{array}\\right.",
        'c'},
       {"\\begin{cases} x = 1 \\\\ y = 2 \\end{cases}", "(1,2)", 'c'}});
}

TEST(Calculus, pieces_by_points_and_their_borders) {
  const char* kPieces = "\\begin{cases} x & x \\ge 0 \\\\ -x & x < 0 \\end{cases}";
  expect_verdicts(
      {{kPieces, "|x|", 'c'},
       {"|x|", kPieces, 'c'},
       {kPieces, "x", 'i'},
       {kPieces, "|x| + a", 'i'},
       {kPieces, "\\begin{cases} x & x \\ge 0 \\\\ -x & \\text{otherwise} \\end{cases}", 'c'},
       {kPieces, "\\begin{cases} x & x > 0 \\\\ -x & x \\le 0 \\end{cases}", 'c'},
       {"\\begin{cases} 1 & x > 0 \\\\ 0 & x \\le 0 \\end{cases}",
        "\\begin{cases} 1 & x \\ge 0 \\\\ 0 & x < 0 \\end{cases}", 'i'},
       {"\\begin{cases} x & x > 0 \\end{cases}", "x", 'u'}});
}

TEST(Calculus, sums_of_reciprocal_even_powers) {
  expect_verdicts({{"\\frac{\\pi^2}{6}", "\\sum_{n=1}^\\infty \\frac{1}{n^2}", 'c'},
                   {"\\frac{\\pi^4}{30}", "\\sum_{k=1}^{\\infty} \\frac{3}{k^4}", 'c'},
                   {"\\frac{\\pi^2}{6}", "\\sum_{n=2}^\\infty \\frac{1}{n^2}", 'u'},
                   {"1.2", "\\sum_{n=1}^\\infty \\frac{1}{n^3}", 'u'}});
}

TEST(Calculus, spellings_of_functions_names_and_sets) {
  expect_verdicts({{"\\sin(2x)", "2\\sin\\{x\\}\\cos\\left\\{x\\right\\}", 'c'},
                   {"y''_1", "y_1''", 'c'},
                   {"y'_1", "y''_1", 'i'},
                   {"2\\lambda", "2 lambda", 'c'},
                   {"\\theta", "alpha", 'i'},
                   {"\\text{beta particle}", "beta particle", 'c'},
                   {"f(x, y)", "f{\\left(x,y \\right)}", 'c'},
                   {"f(x, y)", "f(y, x)", 'u'},
                   {"\\{1\\}", "{1,2} \\setminus {2}", 'c'},
                   {"[0,1)", "[0,1] \\setminus {1}", 'c'},
                   {"\\{1,2,3\\}", "{1,2} \\cup {3}", 'c'},
                   {"\\sqrt5-\\sqrt2", "\\sqrt{5} \\mod \\sqrt{2}", 'c'},
                   {"0", "\\sqrt{8} \\mod \\sqrt{2}", 'u'},
                   {"1000000", "\\sqrt{\\gcd(1.25E24, 1E12)}", 'c'}});
}

}  // namespace
}  // namespace ponder::judge
