#include "judge/test_pairs.h"

namespace ponder::judge {
namespace {

TEST(Functions, unknown_ones_have_one_value_for_each_argument) {
  expect_verdicts({{"f(x)^2", "f(x) \\cdot f(x)", 'c'},
                   {"f(x)^2", "f(x^2)", 'i'},
                   {"f(2x)", "2f(x)", 'i'},
                   {"f(x+1)", "f(x)+f(1)", 'i'},
                   {"f(x+y)", "f(y+x)", 'c'},
                   {"f(g(x))", "g(f(x))", 'i'},
                   {"f(\\sqrt{x^2+1})", "f\\left((1+x^2)^{1/2}\\right)", 'c'},
                   {"f(\\sqrt{x})", "f(x)", 'i'},
                   {"1-f(x)", "1-f{\\left(x \\right)}", 'c'},
                   {"2f(x)+3", "3+2f(x)", 'c'},
                   {"y = f(x+1)", "y = f(x)+1", 'i'},
                   {"f(x) = 2x", "y = 2x", 'c'},
                   {"f(x) = 2x", "2x", 'c'},
                   {"y(x) = 2x", "y = 2x", 'c'},
                   {"f(3) = 7", "7", 'c'},
                   {"f^{-1}(x) = \\frac{x-1}{2}", "\\frac{x-1}{2}", 'c'},
                   {"\\int_0^1 f(x)\\,dx", "\\frac12 f(x)", 'u'}});
}

TEST(Functions, other_letters_before_a_bracket_are_factors) {
  expect_verdicts({{"\\frac12 h(a+b)", "\\frac{(a+b)h}{2}", 'c'},
                   {"P(1+r)^2", "P(1+2r+r^2)", 'c'},
                   {"x(x+1)", "x^2+x", 'c'},
                   {"g(h-z)", "gh-gz", 'c'},
                   {"h(x+1)", "hx+h", 'i'},
                   {"v(\\frac12)", "\\frac v2", 'c'},
                   {"\\theta(x+1)", "\\theta x+\\theta", 'c'},
                   {"\\pi(x)", "\\pi x", 'c'}});
}

TEST(Functions, derivatives_are_worked_out) {
  expect_verdicts({{"3x^2", "\\frac{d}{dx}(x^3)", 'c'},
                   {"2x", "\\frac{d}{dx} x^3", 'i'},
                   {"3x^2+1", "\\frac{d}{dx} x^3 + 1", 'c'},
                   {"6x", "\\frac{d^2}{dx^2} x^3", 'c'},
                   {"6x", "\\frac{d^{2}}{dx^{2}} x^3", 'c'},
                   {"2xy", "\\frac{\\partial}{\\partial x} (x^2 y)", 'c'},
                   {"\\cos x", "\\frac{d}{dx}\\sin x", 'c'},
                   {"\\frac{1}{\\cos^2 x}", "\\frac{d}{dx}\\tan x", 'c'},
                   {"\\frac1x", "\\frac{d}{dx}\\ln x", 'c'},
                   {"\\frac{1}{x\\ln 2}", "\\frac{d}{dx}\\log_2 x", 'c'},
                   {"2e^{2x}", "\\frac{d}{dx}e^{2x}", 'c'},
                   {"2^x\\ln 2", "\\frac{d}{dx}2^x", 'c'},
                   {"x^x(\\ln x+1)", "\\frac{d}{dx}x^x", 'c'},
                   {"\\frac{1}{2\\sqrt x}", "\\frac{d}{dx}\\sqrt{x}", 'c'},
                   {"\\frac{1-\\ln x}{x^2}", "\\frac{d}{dx}\\frac{\\ln x}{x}", 'c'},
                   {"\\frac{1}{1+x^2}", "\\frac{d}{dx}\\arctan x", 'c'},
                   {"\\frac{1}{\\sqrt{1-x^2}}", "\\frac{d}{dx}\\arcsin x", 'c'},
                   {"2xf'(x^2)", "\\frac{d}{dx}f(x^2)", 'c'},
                   {"f'(x^2)", "\\frac{d}{dx}f(x^2)", 'i'},
                   {"n!", "\\frac{d}{dx}x!", 'u'},
                   {"y''", "\\frac{d^2y}{dx^2}", 'c'},
                   {"y'", "\\frac{d^2y}{dx^2}", 'i'},
                   {"\\frac{d}{dx} g(x)", "\\frac{dg(x)}{dx}", 'c'},
                   {"\\frac{d}{dx} \\theta(x)", "\\frac{d\\theta(x)}{dx}", 'c'},
                   {"\\psi'(t)", "\\frac{d}{dt}\\psi(t)", 'c'},
                   {"\\psi'(t)", "\\frac{d}{dt}\\psi(t^2)", 'i'},
                   {"y'' + y = 0", "\\frac{d^2y}{dx^2}+y=0", 'c'},
                   {"\\frac{dy}{dx} = ky", "y' = ky", 'c'},
                   {"dy/dx", "y'", 'c'},
                   {"f'(x)", "\\frac{d f(x)}{dx}", 'c'},
                   {"2x", "\\frac{dy}{dx} = 2x", 'c'},
                   {"\\frac{d}{n}", "\\frac{2d}{2n}", 'c'}});
}

TEST(Functions, an_integral_without_bounds_is_held_against_its_derivative) {
  expect_verdicts({{"\\int x\\,dx", "\\frac{x^2}{2}+C", 'c'},
                   {"\\int x\\,dx", "x^2+C", 'i'},
                   {"x^2 e^x + C", "\\int (x^2+2x)e^x\\,dx", 'c'},
                   {"\\int x\\,dx", "5", 'i'},
                   {"\\int x\\,dx", "a+b", 'i'},
                   {"\\int x\\,dx", "\\int \\int x\\,dx\\,dx", 'u'},
                   {"\\int \\frac{1}{x}\\,dx + C", "\\ln x + C", 'c'},
                   {"\\int y\\,dx", "xy", 'c'},
                   {"\\int y\\,dx", "x^2y", 'u'}});
}

TEST(Functions, gamma_zeta_and_the_totient_of_numbers) {
  expect_verdicts({{"24", "\\Gamma(5)", 'c'},
                   {"\\sqrt{\\pi}", "\\Gamma(1/2)", 'c'},
                   {"\\frac{15\\sqrt\\pi}{8}", "\\Gamma(\\tfrac72)", 'c'},
                   {"\\frac{\\pi^2}{6}", "\\zeta(2)", 'c'},
                   {"\\frac{\\pi^4}{90}", "\\zeta(4)", 'c'},
                   {"1.2", "\\zeta(3)", 'u'},
                   {"4", "\\phi(12)", 'c'},
                   {"6", "\\varphi(12)", 'i'},
                   {"\\phi x", "x\\phi", 'c'}});
}

TEST(Functions, choices_and_arrangements_in_letters) {
  expect_verdicts({{"120", "C(10,3)", 'c'},
                   {"720", "P(10,3)", 'c'},
                   {"121", "C(10,3)", 'i'},
                   {"120", "10C3", 'c'},
                   {"720", "10P3", 'c'},
                   {"(10,3)", "C(10,3)", 'c'},
                   {"20", "20^\\circ C", 'c'}});
}

TEST(Functions, constants_of_another_name) {
  expect_verdicts({{"y = Ce^{2x}", "y = Ae^{2x}", 'c'},
                   {"y = Ce^{2x}", "y = Ae^{3x}", 'i'},
                   {"y = C_1 e^x + C_2 e^{-x}", "y = Ae^x+Be^{-x}", 'c'},
                   {"C_1\\cos x + C_2 \\sin x", "A\\sin x+B\\cos x", 'c'},
                   {"C_1\\cos x + C_2 \\sin x", "A\\sin x+A\\cos x", 'i'},
                   {"f(x) = kx", "f(x) = cx", 'c'},
                   {"kx", "cx", 'i'},
                   {"Ax", "Bx", 'i'},
                   {"C", "K", 'i'}});
}

}  // namespace
}  // namespace ponder::judge
