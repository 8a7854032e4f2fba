#include "judge/test_pairs.h"

namespace ponder::judge {
namespace {

TEST(Formulas, rational_ones_modulo_primes_and_roots_with_signs) {
  expect_verdicts({{"x \\leq 2", "x \\geq 2", 'i'},
                   {"x \\leq 2", "x \\le 2", 'c'},
                   {"(x+y)^{20}", "(x^2+2xy+y^2)^{10}", 'c'},
                   {"x^{99999}", "x^{99998}x", 'c'},
                   {"x^{99999}", "x^{99998}", 'i'},
                   {"\\frac{1}{x-1}-\\frac{1}{x+1}", "\\frac{2}{x^2-1}", 'c'},
                   {"\\frac{x^2-1}{x-1}", "x+1", 'c'},
                   {"\\frac{1}{x-x}", "1", 'u'},
                   {"x^2+10^{-40}", "x^2", 'i'},
                   {"(a+b+c)^3-a^3-b^3-c^3", "3(a+b)(b+c)(c+a)", 'c'},
                   {"x", "\\sqrt{x^2}", 'i'},
                   {"|x|", "x", 'i'},
                   {"x\\sqrt{y}", "\\sqrt{x^2y}", 'i'},
                   {"|x|\\sqrt{y}", "\\sqrt{x^2y}", 'c'},
                   {"x^2", "\\sqrt{x^4}", 'c'},
                   {"36x\\sqrt{35x}", "\\sqrt{60x}\\sqrt{12x}\\sqrt{63x}", 'c'},
                   {"|x|", "\\sqrt{x^2}", 'c'},
                   {"\\sqrt{x}\\sqrt{y}", "\\sqrt{xy}", 'c'},
                   {"x\\sqrt{x}", "x^{3/2}", 'c'},
                   {"2\\ln x", "\\ln(x^2)", 'c'},
                   {"e^{x+1}", "e\\cdot e^x", 'c'},
                   {"\\sin(2x)", "2\\sin x\\cos x", 'c'},
                   {"\\cos(2x)", "1-2\\sin^2 x", 'c'},
                   {"\\tan x", "\\frac{\\sin x}{\\cos x}", 'c'},
                   {"\\sqrt{x+1}", "\\sqrt{x}+1", 'i'},
                   {"2^{n+1}", "2\\cdot 2^n", 'c'},
                   {"2^{n}", "2^{n+1}", 'i'},
                   {"n(n+1)/2", "\\frac{n^2+n}{2}", 'c'},
                   {"x^{1/3}", "\\sqrt[3]{x}", 'c'}});
}

}  // namespace
}  // namespace ponder::judge
