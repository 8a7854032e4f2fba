#include "judge/bomb_test_support.h"

#include <functional>
#include <string_view>

#include "base/philox.h"

namespace ponder::judge::testing {
namespace {

std::string repeat(std::string_view text, size_t times) {
  std::string all;
  all.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string joined(size_t count, std::string_view between,
                   const std::function<std::string(size_t)>& item) {
  std::string all;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) all += between;
    all += item(i);
  }
  return all;
}

std::string decimal_of(size_t i) { return std::to_string(i); }

class Bombs {
 public:
  std::vector<Bomb> take() { return std::move(bombs_); }

  void towers() {
    for (const char* base :
         {"2", "3", "9", "10", "1000000", "1.5", "\\pi", "(-2)", "\\frac{1}{7}"}) {
      for (int height = 2; height <= 6; ++height) {
        std::string tower = base, other = "11";
        for (int i = 1; i < height; ++i) {
          tower = std::string(base) + "^{" + tower + "}";
          other = std::string(base) + "^{" + other + "}";
        }
        add("tower", tower, other);
      }
    }
    for (const char* text :
         {"10^{10^{10}}", "10^{-10^{10}}", "0^{10^{10^{10}}}", "(10^{10})^{(10^{10})^{(10^{10})}}",
          "9^{9^{9}} - 9^{9^{9}}", "\\frac{10^{10^{10}}}{10^{10^{10}}}", "\\sqrt[10^{10^{10}}]{2}",
          "2^{\\frac{1}{10^{100}}}", "e^{e^{e^{e^{e}}}}", "i^{i^{i^{i^{i}}}}",
          "10^{10^{10}} \\bmod 7", "1e999999999", "2^{-99999999999999999999}"})
      add("tower", text);
  }

  void factorials() {
    for (const char* n : {"1000", "100000", "10000000", "1000000000", "10^{12}", "(10^{10^{10}})",
                          "(100!)", "((9!)!)", "(1000!)!", "\\frac{1}{2}", "(-5)", "x"}) {
      add("factorial", std::string(n) + "!");
      add("factorial", "\\frac{" + std::string(n) + "!}{" + n + "! + 1}");
    }
    for (size_t n : {10u, 100u, 5000u, 15000u}) add("factorial", "3" + repeat("!", n));
    for (int n = 3; n <= 12; ++n)
      for (int k = 1; k <= 2; ++k)
        add("binomial",
            "\\binom{10^{" + std::to_string(n) + "}}{10^{" + std::to_string(n) + "}/" +
                std::to_string(k + 1) + "}",
            "\\binom{10^{" + std::to_string(n) + "}}{" + std::to_string(k) + "}");
  }

  void sums() {
    for (const char* command : {"\\sum", "\\prod", "\\int", "\\lim"}) {
      for (int n = 3; n <= 15; n += 3)
        for (const char* body : {"k", "\\frac{1}{k^2}", "k!"})
          add("sum", std::string(command) + "_{k=1}^{10^{" + std::to_string(n) + "}} " + body);
      add("sum", repeat(std::string(command) + "_{k=1}^{1000} ", 30) + "k");
    }
    for (size_t n : {100u, 1000u, 2500u}) {
      add("sum",
          joined(n, "+", [](size_t i) { return "\\frac{1}{" + std::to_string(i + 1) + "}"; }),
          joined(n, "+", [](size_t i) { return "\\frac{1}{" + std::to_string(i + 2) + "}"; }));
      add("sum", joined(n, "+", [](size_t i) { return "\\sqrt{" + std::to_string(i) + "}"; }));
      add("sum", joined(n, "+", [](size_t i) { return "x_{" + std::to_string(i) + "}"; }),
          joined(n, "+", [](size_t i) { return "x_{" + std::to_string(i + 1) + "}"; }));
      add("product", joined(n, "", [](size_t i) { return "(x+" + std::to_string(i + 1) + ")"; }),
          joined(n, "", [](size_t i) { return "(x+" + std::to_string(i + 2) + ")"; }));
    }
  }

  // Terms left out between numbers that no one writes.
  void progressions() {
    for (size_t n : {10u, 30u, 100u, 1000u}) {
      const std::string zeros(n, '0'), sevens(n, '7');
      add("progressions", "1.0" + zeros + "1, 1, 2, \\dots, 3");
      add("progressions", "1." + zeros + "1," + "1.0001,1,\\dots,0.0001");
      add("progressions", "1, 2!777!7" + sevens + ", \\dots, " + sevens);
      add("progressions", "1." + zeros + "2, 1, 0." + std::string(n, '9') + ", \\ldots, 0.5");
      add("progressions", sevens + " + 1 + \\cdots + 1." + zeros + "3");
    }
  }

  // Everything that opens, alone and closed again.
  void brackets() {
    const std::pair<const char*, const char*> pairs[] = {{"(", ")"},
                                                         {"[", "]"},
                                                         {"{", "}"},
                                                         {"\\{", "\\}"},
                                                         {"|", "|"},
                                                         {"\\left(", "\\right)"},
                                                         {"\\left[", "\\right)"},
                                                         {"\\left|", "\\right|"},
                                                         {"\\sqrt{", "}"},
                                                         {"\\sqrt[3]{", "}"},
                                                         {"\\frac{1}{", "}"},
                                                         {"\\frac{", "}{2}"},
                                                         {"2^{", "}"},
                                                         {"x_{", "}"},
                                                         {"\\text{", "}"},
                                                         {"\\boxed{", "}"},
                                                         {"\\overline{", "}"},
                                                         {"\\lfloor ", "\\rfloor "},
                                                         {"\\sin(", ")"},
                                                         {"\\log_{", "} 2"},
                                                         {"\\binom{5}{", "}"},
                                                         {"-(", ")"},
                                                         {"\\begin{pmatrix}", "\\end{pmatrix}"},
                                                         {"$", "$"},
                                                         {"\\(", "\\)"},
                                                         {"{(", ")}"}};
    for (const auto& [open, close] : pairs) {
      for (size_t n : {50u, 140u, 1000u, 2500u})
        add("brackets", repeat(open, n) + "1" + repeat(close, n));
      for (size_t n : {1000u, 1000000u}) add("brackets", repeat(open, n));
    }
    add("brackets", repeat("{}", 9000));
    add("brackets", repeat("}{", 9000));
    add("brackets", repeat("()", 9000));
    add("brackets", repeat("([)]", 4000));
    add("brackets", repeat("\\left(\\right.", 1400));
    add("brackets", repeat("\\right)", 2000));
  }

  void digits() {
    for (size_t n : {100u, 1900u, 2100u, 19000u, 1000000u}) {
      const std::string sevens(n, '7'), nines(n, '9');
      add("digits", sevens, nines);
      add("digits", "0." + sevens, "0." + nines);
      add("digits", sevens + "." + nines, nines + "." + sevens);
      add("digits", "\\frac{" + sevens + "}{" + nines + "}");
      add("digits", "\\sqrt{" + sevens + "}", "\\sqrt{" + nines + "}");
      add("digits", sevens + "^{" + nines + "}");
      add("digits", "0.\\overline{" + sevens + "}");
      add("digits", sevens + "_8");
      add("digits", sevens + " \\pmod{" + nines + "}");
      add("digits", joined(n / 4, ",", [](size_t) { return "777"; }));
      add("digits", "\\sin(" + sevens + ")");
      add("digits", sevens + "\\%");
      add("digits", "x^{" + sevens + "}", "x^{" + nines + "}");
    }
  }

  // Matching every item with every other.
  void lists() {
    for (size_t n : {30u, 60u, 63u, 200u, 1500u}) {
      const auto number = [](size_t i) { return std::to_string(i + 100); };
      const auto radical = [](size_t i) { return "\\sqrt{" + std::to_string(2 * i + 101) + "}"; };
      const auto sine = [](size_t i) { return "\\sin " + std::to_string(i + 1); };
      const auto formula = [](size_t i) { return "(x+" + std::to_string(i) + ")^2"; };
      for (const auto& item :
           std::vector<std::function<std::string(size_t)>>{number, radical, sine, formula}) {
        const auto backwards = [&](size_t i) { return item(n - i); };
        add("list", joined(n, ", ", item), joined(n, ", ", backwards));
        add("list", "\\{" + joined(n, ", ", item) + "\\}",
            "\\{" + joined(n, ", ", backwards) + "\\}");
        add("list", "(" + joined(n, ", ", item) + ")", "(" + joined(n, ", ", backwards) + ")");
        add("list", joined(n, " \\text{ or } ", item), joined(n, " \\text{ or } ", backwards));
      }
      const auto interval = [](size_t i) {
        return "(" + std::to_string(2 * i) + "," + std::to_string(2 * i + 1) + ")";
      };
      add("union", joined(n, " \\cup ", interval),
          joined(n, " \\cup ", [&](size_t i) { return interval(n - i); }));
      add("ratio", joined(n, ":", number), joined(n, ":", [&](size_t i) { return number(n - i); }));
      add("chain", joined(n, " < ", decimal_of), joined(n, " \\le ", decimal_of));
      add("chain", "x = " + joined(n, " = ", [](size_t) { return std::string("7"); }));
      add("chain", joined(n, " = ", formula), joined(n, " = ", radical));
      add("plus-minus", "1" + repeat("\\pm \\sqrt{2}", n), "2" + repeat("\\pm \\sqrt{2}", n));
      add("plus-minus",
          joined(n, ", ", [](size_t i) { return std::to_string(i) + " \\pm \\sqrt{3}"; }));
      add("nested", "(" + repeat("(1,2),", n) + "1)", "(" + repeat("(1,2),", n) + "2)");
      add("nested", "\\{" + repeat("\\{1,2\\},", n) + "1\\}",
          "\\{" + repeat("\\{1,2\\},", n) + "3\\}");
    }
  }

  void matrices() {
    for (size_t n : {8u, 20u, 40u, 60u}) {
      const auto matrix = [&](size_t shift) {
        return "\\begin{pmatrix}" +
               joined(n, " \\\\ ",
                      [&](size_t r) {
                        return joined(n, " & ", [&](size_t c) {
                          return std::to_string((r * 7 + c * 3 + shift) % 11);
                        });
                      }) +
               "\\end{pmatrix}";
      };
      add("matrix", matrix(0), matrix(1));
      add("matrix", matrix(0) + matrix(1), matrix(1) + matrix(0));
      add("matrix", matrix(0) + "^{-1}", matrix(1) + "^{-1}");
      add("matrix", matrix(0) + "^{1000000}", matrix(1) + "^{10^{10}}");
      add("matrix", "\\det" + matrix(0));
    }
    for (size_t n : {100u, 1000u, 9000u}) {
      add("matrix", repeat("1&", n));
      add("matrix", "\\begin{pmatrix}" + repeat("1\\\\", n) + "\\end{pmatrix}");
      add("matrix", repeat("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", n / 20),
          repeat("\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}", n / 20));
      add("matrix", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}^{" + std::to_string(n * n * n) + "}");
    }
  }

  void formulas() {
    for (const char* n :
         {"100", "1000", "99999", "100000", "100001", "10^{9}", "10^{10^{10}}", "x", "{x^{x}}"}) {
      add("power", "(x+1)^{" + std::string(n) + "}", "(x+2)^{" + std::string(n) + "}");
      add("power", "(x+y+z)^{" + std::string(n) + "}", "(x+y-z)^{" + std::string(n) + "}");
      add("power", "(1+\\frac{1}{x})^{" + std::string(n) + "}");
      add("power", "(\\sqrt{2}+\\sqrt{3})^{" + std::string(n) + "}",
          "(\\sqrt{2}+\\sqrt{5})^{" + std::string(n) + "}");
      add("power", "\\sqrt[" + std::string(n) + "]{7}", "\\sqrt[" + std::string(n) + "]{8}");
      add("power", "\\sin(10^{" + std::string(n) + "})");
      add("power", "(1+i)^{" + std::string(n) + "}");
    }
    for (size_t n : {100u, 900u, 2900u, 6000u}) {
      add("long", repeat("\\sin ", n) + "1", repeat("\\sin ", n) + "2");
      add("long", repeat("\\sqrt{2}^{\\sqrt{2}}+", n) + "1",
          repeat("\\sqrt{2}^{\\sqrt{2}}+", n) + "2");
      add("long", repeat("\\sin x + ", n) + "1", repeat("\\sin x + ", n) + "2");
      add("long", repeat("-", n) + "1");
      add("long", repeat("1/", n) + "7", repeat("1/", n) + "8");
      add("long", repeat("2^", n) + "2");
      add("long", repeat("x^{99}", n), repeat("x^{98}", n));
      add("long", repeat("a_", n));
      add("long", repeat("1 1/", n));
      add("long", "5 " + repeat("cm ", n), "5 " + repeat("kg ", n));
      add("long", repeat("5\\%", n));
      add("long", repeat("90^\\circ", n));
      add("long", repeat("x'", n));
      add("long", "\\ln(" + repeat("\\ln(", n / 10) + "2" + repeat(")", n / 10 + 1));
      add("long", repeat("\\cdot 2 ", n));
      add("long", repeat("\\!", n) + "12");
      add("long", repeat("½", n));
      add("long", repeat("√", n) + "2");
      add("long", "x" + repeat("²", n), "x" + repeat("³", n));
      add("long", repeat("\xe2\x88", n));
      add("long", repeat("word ", n), repeat("other ", n));
      add("long", repeat("{,}", n));
      add("long", repeat("\\cup ", n));
    }
  }

  // Tokens in any order.
  void calculus() {
    for (size_t n : {1u, 5u, 40u, 140u, 1000u}) {
      add("calculus", repeat("\\int_0^1 ", n) + "x" + repeat(" dx", n));
      add("calculus", repeat("\\lim_{x \\to 0} ", n) + "\\frac{x}{x}");
      add("calculus", "\\int_0^1 " + repeat("(x+1)", n) + " dx");
      add("calculus", "\\int_0^{7} " + repeat("e^{2x} + \\sqrt{x+1} + ", n) + "x^{20} dx");
      add("calculus",
          "\\lim_{x \\to 0} \\frac{" + repeat("\\sin(", n) + "x" + repeat(")", n) + "}{x}");
      add("calculus", "\\lim_{x \\to 0} \\frac{" +
                          repeat("(\\sqrt{1+\\frac{x}{7}}+\\frac{x}{11})", n) +
                          "}{1+\\frac{1-\\cos x}{x^2}}");
      add("calculus", "\\lim_{x \\to \\infty} " + repeat("(1+\\frac{1}{x})^{x} ", n));
      add("calculus", "\\begin{cases} " + repeat("x^2 & x > 3 \\\\ ", n) + "\\end{cases}",
          "\\begin{cases} " + repeat("x^2 & x \\ge 3 \\\\ ", n) + "\\end{cases}");
    }
  }

  void soups() {
    constexpr std::string_view kTokens[] = {"(",
                                            ")",
                                            "[",
                                            "]",
                                            "{",
                                            "}",
                                            "\\frac",
                                            "\\sqrt",
                                            "^",
                                            "_",
                                            "x",
                                            "y",
                                            "7",
                                            "10",
                                            "9999",
                                            "\\left",
                                            "\\right",
                                            "+",
                                            "-",
                                            "*",
                                            "/",
                                            "!",
                                            ",",
                                            "=",
                                            "<",
                                            "\\le ",
                                            "\\cup ",
                                            "\\pm ",
                                            "\\text{",
                                            "\\sin ",
                                            "\\log ",
                                            "\\binom",
                                            "\\%",
                                            "^\\circ",
                                            "\\infty ",
                                            "\\pi ",
                                            "|",
                                            ":",
                                            " ",
                                            "\\begin{pmatrix}",
                                            "\\end{pmatrix}",
                                            "&",
                                            "\\\\",
                                            "\\boxed{",
                                            "$",
                                            "\\overline",
                                            "½",
                                            "√",
                                            "e",
                                            "i",
                                            "10^{10}",
                                            "!!",
                                            ".",
                                            "\\sum",
                                            "\\in ",
                                            "\\pmod ",
                                            "cm",
                                            " and ",
                                            "\\{",
                                            "\\}"};
    for (uint64_t seed = 0; seed < 160; ++seed) {
      RandomSequence random(seed, 31);
      std::string soup;
      for (uint64_t n = 5 << (seed % 10); n > 0; --n)
        soup += kTokens[random.below(std::size(kTokens))];
      add("soup", soup);
    }
  }

 private:
  void add(std::string family, std::string text, std::string second = "") {
    bombs_.push_back({std::move(family), std::move(text), std::move(second)});
  }
  std::vector<Bomb> bombs_;
};

}  // namespace

std::vector<Bomb> answer_bombs() {
  Bombs bombs;
  bombs.towers();
  bombs.factorials();
  bombs.sums();
  bombs.progressions();
  bombs.brackets();
  bombs.digits();
  bombs.lists();
  bombs.matrices();
  bombs.formulas();
  bombs.calculus();
  bombs.soups();
  return bombs.take();
}

std::vector<std::string> response_bombs() {
  const size_t size = 10 << 20;
  std::vector<std::string> responses;
  for (std::string_view text : {"Hmm, now. ", "<",           "<|",    "$",
                                "answer is ", "\\boxed{1} ", "{",     " ",
                                "**",         "\xff",        "\\",    "9",
                                "\n",         "\\boxed{",    "#### ", "Final Answer: ",
                                "\\( ",       "</think>",    ". ",    "(A) ",
                                "\\boxed 1",  "1, ",         "</s",   "<|im_end|",
                                "<think>",    "%\n",         "// ",   "<!-- -->",
                                "<!--",       "<answer>",    "<th"})
    responses.push_back(repeat(text, size / text.size()));
  responses.push_back(repeat("\\boxed{1}", 10000));
  responses.push_back(
      joined(10000, " ", [](size_t i) { return "\\boxed{" + std::to_string(i) + "}"; }));
  responses.push_back(repeat("\\boxed{", 10000) + "1" + repeat("}", 10000));
  return responses;
}

std::vector<std::string> stuffed_responses() {
  std::vector<std::string> responses;
  const std::pair<const char*, const char*> items[] = {{"\\boxed{", "}. "},
                                                       {"\\boxed{", "}, "},
                                                       {"\\boxed{", "} or "},
                                                       {"\\boxed{", "} and "},
                                                       {"The answer is ", ". "},
                                                       {"Answer: ", "\n"},
                                                       {"#### ", "\n"},
                                                       {"**", "** "},
                                                       {"$", "$, "},
                                                       {"Final Answer: ", "\n\n"}};
  for (const auto& item : items) {
    const std::string before = item.first, after = item.second;
    for (size_t n : {10u, 30u, 100u, 1000u}) {
      // 13 is among them and is not the last.
      responses.push_back(
          joined(n, "", [&](size_t i) { return before + std::to_string(i + 5) + after; }));
    }
  }
  const std::pair<const char*, const char*> frames[] = {
      {"\\boxed{", "}"},
      {"The answer is ", ""},
      {"So we get $", "$."},
      {"**Final Answer**\n\\boxed{\\{", "\\}}"},
      {"#### ", ""},
      {"\\boxed{(", ")}"},
      {"<think>hm</think>\n\\boxed{\\text{", "}}"},
      {"Answer: [", "]"}};
  for (const auto& [before, after] : frames) {
    for (const char* between :
         {", ", " or ", " = ", " \\text{ or } ", ":", " / ", " \\pm ", " < ", "; ", "?"}) {
      for (size_t n : {2u, 20u})
        responses.push_back(
            before + joined(n, between, [](size_t i) { return std::to_string(i + 12); }) + after);
    }
  }
  return responses;
}

}  // namespace ponder::judge::testing
