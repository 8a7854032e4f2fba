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

TEST(Formulas, kinks_as_far_out_as_the_numbers_they_hold) {
  expect_verdicts({{"|x-3|", "3-x", 'i'},
                   {"|x-3|", "|3-x|", 'c'},
                   {"|x+50|-50", "|x+60|-60", 'i'},
                   {"\\sqrt{(x-7)^2}", "7-x", 'i'},
                   {"\\sqrt{(x-7)^2}", "|x-7|", 'c'},
                   {"\\max(x, 5)", "5", 'i'},
                   {"0", "\\lfloor x/1000 \\rfloor", 'i'},
                   {"0", "\\lfloor n/800 \\rfloor", 'i'},
                   {"\\operatorname{sgn}(x)", "1", 'i'},
                   {"|x|", "x\\operatorname{sgn}(x)", 'c'}});
}

TEST(Formulas, values_only_near_or_far_from_the_usual_points) {
  expect_verdicts({{"\\arcsin x", "\\frac{\\pi}{2} - \\arccos x", 'c'},
                   {"\\arcsin x", "\\arccos x", 'i'},
                   {"\\ln(x-7)", "\\frac12\\ln((x-7)^2)", 'c'},
                   {"\\ln(x-7)", "\\ln(x-8)", 'i'},
                   {"\\operatorname{artanh} x", "\\frac12\\ln\\frac{1+x}{1-x}", 'c'}});
}

// A root of a square is exact: a unit of the last place above 1 has no arcsine.
TEST(Formulas, roots_of_squares_are_exact) {
  expect_verdicts({{"\\frac{\\pi}{2}", "\\arcsin\\frac{\\sqrt{49}}{\\sqrt{4}+5}", 'c'},
                   {"0", "\\arccos\\sqrt{\\frac{9}{16}+\\frac{7}{16}}", 'c'},
                   {"3", "\\lfloor\\sqrt{9+\\pi-\\pi}\\rfloor", 'c'},
                   {"\\sqrt{10^{3001}}", "10^{1500}\\sqrt{10}", 'c'}});
}

TEST(Formulas, functions_by_other_names_and_as_programs_call_them) {
  expect_verdicts({{"\\sin^{-1}(x)", "asin(x)", 'c'},
                   {"\\operatorname{asinh}(x)", "\\ln(x+\\sqrt{x^2+1})", 'c'},
                   {"\\operatorname{arsinh}(x)", "\\operatorname{arcosh}(x)", 'i'},
                   {"arcsec x", "\\arccos\\frac1x", 'c'},
                   {"arccsch(x)", "\\sinh^{-1}(1/x)", 'c'},
                   {"\\operatorname{arccot}(3)", "\\arctan\\frac13", 'c'},
                   {"56", "binom(8, 3)", 'c'},
                   {"336", "nPr(8,3)", 'c'},
                   {"17", "floor(17.8)", 'c'},
                   {"2", "-7 \\bmod 3", 'c'},
                   {"-1", "-7 \\bmod 3", 'i'},
                   {"\\frac65", "\\gcd(2.4, 3.6)", 'c'},
                   {"\\frac32", "\\operatorname{lcm}(\\frac12, \\frac34)", 'c'},
                   {"18", "round(17.8)", 'c'},
                   {"18", "floor(17.8)", 'i'},
                   {"2", "nthroot(8, 3)", 'c'},
                   {"x^{1/n}", "\\sqrt[n]{x}", 'c'},
                   {"3", "\\Re(3-5i)", 'c'},
                   {"-5", "im(3-5i)", 'c'},
                   {"5", "im(3-5i)", 'i'},
                   {"\\frac{\\pi}{4}", "arg(2+2i)", 'c'},
                   {"z", "\\Re(z)", 'u'},
                   {"3", "\\mleft|-3\\mright|", 'c'}});
}

TEST(Formulas, a_logarithm_without_a_base_is_of_ten_or_natural) {
  expect_verdicts({{"2", "\\log 100", 'c'},
                   {"2", "\\log e^2", 'c'},
                   {"\\ln 2", "\\log 2", 'c'},
                   {"\\lg 2", "\\log 2", 'c'},
                   {"\\lg 2", "\\ln 2", 'i'},
                   {"\\ln 2", "\\log 3", 'i'},
                   {"\\log_2 3", "\\log 3", 'i'}});
}

}  // namespace
}  // namespace ponder::judge
