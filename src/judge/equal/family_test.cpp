#include "judge/test_pairs.h"

namespace ponder::judge {
namespace {

TEST(Families, are_sets_of_progressions) {
  expect_verdicts(
      {{"\\frac{\\pi}{4}+n\\pi", "\\pi/4 + k\\pi, k \\in \\mathbb{Z}", 'c'},
       {"\\frac{\\pi}{4}+n\\pi, n\\in\\mathbb{Z}", "\\frac{5\\pi}{4} + k\\pi, k \\in \\mathbb{Z}",
        'c'},
       {"\\frac{\\pi}{4}+n\\pi, n\\in\\mathbb{Z}", "\\frac{\\pi}{4} - k\\pi, k \\in \\mathbb{Z}",
        'c'},
       {"\\frac{\\pi}{4}+n\\pi, n\\in\\mathbb{Z}", "\\frac{\\pi}{4}(4k+1), k \\in \\mathbb{Z}",
        'c'},
       {"\\frac{\\pi}{4}+n\\pi, n\\in\\mathbb{Z}", "\\frac{\\pi}{4}+2k\\pi, k \\in \\mathbb{Z}",
        'i'},
       {"\\frac{\\pi}{4}+n\\pi, n\\in\\mathbb{Z}", "\\frac{\\pi}{3}+k\\pi, k \\in \\mathbb{Z}",
        'i'},
       {"\\frac{\\pi}{4}+n\\pi, n\\in\\mathbb{Z}", "\\frac{\\pi}{4}", 'i'},
       {"\\frac{\\pi}{4}+n\\pi, n\\in\\mathbb{Z}", "\\frac{\\pi}{4}, \\frac{5\\pi}{4}", 'i'},
       // two families and one
       {"n\\pi, n\\in\\mathbb{Z}", "2k\\pi \\text{ or } \\pi + 2k\\pi, k\\in\\mathbb{Z}", 'c'},
       {"n\\pi, n\\in\\mathbb{Z}", "2k\\pi \\text{ or } 2k\\pi+3\\pi, k\\in\\mathbb{Z}", 'c'},
       {"n\\pi, n\\in\\mathbb{Z}", "2k\\pi \\text{ or } 4\\pi + 2k\\pi, k\\in\\mathbb{Z}", 'i'},
       {"n, n\\in\\mathbb{Z}", "2k, 3k, 6k+1, 6k-1, k \\in \\mathbb{Z}", 'c'},
       {"n, n\\in\\mathbb{Z}", "2k, 3k, 6k+1, 12k-1, k \\in \\mathbb{Z}", 'i'},
       {"x=\\frac{\\pi}{6}+2\\pi n, x=\\frac{5\\pi}{6}+2\\pi n, n\\in\\mathbb{Z}",
        "x = (-1)^k \\frac{\\pi}{6} + k\\pi, k\\in\\mathbb{Z}", 'c'},
       {"x=\\frac{\\pi}{6}+2\\pi n, x=\\frac{5\\pi}{6}+2\\pi n, n\\in\\mathbb{Z}",
        "x = (-1)^{k+1} \\frac{\\pi}{6} + k\\pi, k\\in\\mathbb{Z}", 'i'},
       {"\\pm\\frac{\\pi}{3}+2k\\pi, k\\in\\mathbb{Z}",
        "\\{\\frac{\\pi}{3}+2n\\pi, \\frac{5\\pi}{3}+2n\\pi\\}, n\\in\\mathbb{Z}", 'c'},
       {"\\pm\\frac{\\pi}{3}+2k\\pi, k\\in\\mathbb{Z}", "\\frac{\\pi}{3}+2n\\pi, n\\in\\mathbb{Z}",
        'i'},
       {"\\frac{\\pi}{4}+\\frac{n\\pi}{2}, n\\in\\mathbb{Z}",
        "\\pm\\frac{\\pi}{4}+k\\pi, k\\in\\mathbb{Z}", 'c'},
       {"2\\pi n, \\frac{2\\pi}{3}+2\\pi k, n\\in\\mathbb{Z}, k\\in\\mathbb{Z}",
        "\\frac{2\\pi}{3}+2\\pi n, -2\\pi n, n\\in\\mathbb{Z}", 'c'},
       {"2\\pi n, \\frac{2\\pi}{3}+2\\pi k, n, k\\in\\mathbb{Z}",
        "\\frac{2\\pi}{3}+2\\pi n, -2\\pi n, n\\in\\mathbb{Z}", 'c'},
       {"\\arctan 2 + n\\pi, n\\in\\mathbb{Z}", "\\arctan 2 - \\pi + k\\pi, k\\in\\mathbb{Z}", 'c'},
       {"\\arctan 2 + n\\pi, n\\in\\mathbb{Z}", "\\arctan 3 + n\\pi, n\\in\\mathbb{Z}", 'i'},
       // single values beside a family
       {"0, \\pi + 2k\\pi, k\\in\\mathbb{Z}", "\\pi+2k\\pi, 0, 3\\pi, k\\in\\mathbb{Z}", 'c'},
       {"0, \\pi + 2k\\pi, k\\in\\mathbb{Z}", "\\pi+2k\\pi, k\\in\\mathbb{Z}", 'i'},
       // steps without a common multiple are not compared, nor what is no progression
       {"n\\pi, n, n\\in\\mathbb{Z}", "2n\\pi, (2n+1)\\pi, n, n\\in\\mathbb{Z}", 'u'},
       {"n^2, n\\in\\mathbb{Z}", "(n+1)^2, n\\in\\mathbb{Z}", 'u'},
       {"n^2, n\\in\\mathbb{Z}", "k^2, k\\in\\mathbb{Z}", 'c'},
       {"2^n, n\\in\\mathbb{Z}", "2^{-n}, n\\in\\mathbb{Z}", 'u'},
       {"(n,2n), n\\in\\mathbb{Z}", "(k,2k), k\\in\\mathbb{Z}", 'c'},
       // natural numbers have a first one
       {"2n+1, n\\in\\mathbb{N}", "2n-1, n\\in\\mathbb{N}", 'u'},
       {"2n+1, n\\in\\mathbb{N}", "2n+1, n\\in\\mathbb{Z}", 'u'},
       {"2n+1, n\\in\\mathbb{N}", "2k+1, k\\in\\mathbb{N}", 'c'},
       {"x \\equiv 1 \\pmod 4", "4k+1, k\\in\\mathbb{Z}", 'c'},
       {"4k+1, k\\in\\mathbb{Z}", "x \\equiv 3 \\pmod{4}", 'i'},
       {"4k+1, k\\in\\mathbb{Z}", "x \\equiv -3 \\pmod{4}", 'c'},
       {"n\\pi, n\\in\\mathbb{Z}", "x\\pi", 'u'}});
}

TEST(Families, say_in_many_ways_that_a_letter_is_whole) {
  for (const char* answer :
       {"k\\pi \\text{ where } k \\text{ is an integer}",
        "k\\pi, \\text{ where } k \\text{ is any integer}", "k\\pi \\text{ for any integer } k",
        "k\\pi for all integers k", "k\\pi, k an integer", "k\\pi \\text{ for } k \\in \\mathbb{Z}",
        "k\\pi \\quad (k \\in \\mathbb{Z})", "k\\pi (k ∈ ℤ)",
        "\\{k\\pi \\mid k \\in \\mathbb{Z}\\}", "\\{k\\pi : k \\in \\mathbb{Z}\\}",
        "$k\\pi$ where $k$ is an integer", "x = k\\pi \\;(k\\in\\mathbb Z)",
        "x = k\\pi, \\forall k \\in \\mathbb{Z}", "x=k\\pi,\\quad k\\in Z",
        "\\left\\{k\\pi \\mid k \\in \\mathbb{Z}\\right\\}",
        "\\{x \\mid x = k\\pi, k \\in \\mathbb{Z}\\}"}) {
    expect_verdicts({{"n\\pi, n \\in \\mathbb{Z}", answer, 'c'}});
    expect_verdicts({{"2n\\pi, n \\in \\mathbb{Z}", answer, 'i'}});
  }
  expect_verdicts(
      {{"2n, n \\in \\mathbb{Z}", "2k, k \\in \\mathbb{Z}", 'c'},
       {"n\\pi, n \\in \\mathbb{Z}", "k\\pi \\text{ where } k \\text{ is a positive integer}", 'u'},
       {"n\\pi + m, m, n \\in \\mathbb{Z}", "k\\pi + l, k, l \\in \\mathbb{Z}", 'u'},
       {"\\{n \\in \\mathbb{Z}\\}", "5", 'i'}});
}

}  // namespace
}  // namespace ponder::judge
