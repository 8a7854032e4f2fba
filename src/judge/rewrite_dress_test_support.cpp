// Rewrites of the text alone: the same answer in another spelling or dress.
#include <algorithm>
#include <cctype>

#include "judge/rewrite_test_support.h"

namespace ponder::judge::testing {
namespace {

using Change = std::function<void(Spelling&)>;

// Any answer whose text the spelling changes.
Rewrite spelled(std::string name, Change change) {
  return {std::move(name), [change](Draw& draw) -> std::optional<Written> {
            const Answer answer = random_answer(draw);
            Spelling spelling;
            change(spelling);
            Written written{print(answer), print(answer, spelling)};
            if (written.gold == written.answer) return std::nullopt;
            return written;
          }};
}

// Any answer, its text changed.
Rewrite dressed(std::string name, std::function<std::string(const std::string&)> change) {
  return {std::move(name), [change](Draw& draw) -> std::optional<Written> {
            const std::string text = print(random_answer(draw));
            Written written{text, change(text)};
            if (written.gold == written.answer) return std::nullopt;
            return written;
          }};
}

Rewrite around(std::string name, std::string before, std::string after) {
  return dressed(std::move(name),
                 [before, after](const std::string& text) { return before + text + after; });
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

// `space` after each comma, or around each plus and equals sign where there is none.
Rewrite spaced(std::string name, std::string space) {
  return dressed(std::move(name), [space](const std::string& text) {
    std::string out = replaced(text, ", ", "," + space);
    for (const char* sign : {" + ", " = ", " \\cdot "})
      out = replaced(out, sign, space + sign + space);
    return out;
  });
}

Rewrite worded(std::string name, Shape shape,
               std::function<std::string(const std::string&)> change) {
  return {std::move(name), [shape, change](Draw& draw) -> std::optional<Written> {
            Answer answer = random_answer(draw);
            if (answer.shape != shape) return std::nullopt;
            return Written{answer.name, change(answer.name)};
          }};
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::vector<Rewrite> dress_rewrites() {
  return {
      around("dollar signs", "$", "$"),
      around("double dollar signs", "$$", "$$"),
      around("round math brackets", "\\(", "\\)"),
      around("square math brackets", "\\[", "\\]"),
      around("boxed", "\\boxed{", "}"),
      around("boxed between dollars", "$\\boxed{", "}$"),
      around("full stop", "", "."),
      around("dollars and full stop", "$", "$."),
      around("outer white space", " \n", "\t "),
      around("display style", "\\displaystyle ", ""),
      around("outer braces", "{", "}"),
      spaced("thin spaces", "\\,"),
      spaced("thick spaces", "\\;"),
      spaced("no-break spaces", "~"),
      spaced("quad spaces", "\\quad "),
      spelled("white space dropped", [](Spelling& s) { s.space = "", s.dot = "\\cdot "; }),
      spelled("dfrac", [](Spelling& s) { s.fraction = "\\dfrac"; }),
      spelled("tfrac", [](Spelling& s) { s.fraction = "\\tfrac"; }),
      spelled("slash fraction", [](Spelling& s) { s.fraction = "/"; }),
      spelled("braces dropped", [](Spelling& s) { s.braces = false; }),
      spelled("left and right", [](Spelling& s) { s.stretch = true; }),
      spelled("cdot", [](Spelling& s) { s.times = " \\cdot "; }),
      spelled("times", [](Spelling& s) { s.times = " \\times "; }),
      spelled("star", [](Spelling& s) { s.times = "*"; }),
      spelled("unicode symbols", [](Spelling& s) { s.unicode = true; }),
      spelled("plain text", [](Spelling& s) { s.plain = true, s.fraction = "/"; }),
      spelled("root as power", [](Spelling& s) { s.root_as_power = true; }),
      spelled("nested parentheses", [](Spelling& s) { s.doubled_brackets = true; }),
      {"unicode times",
       [](Draw& draw) -> std::optional<Written> {
         const Answer answer = random_answer(draw);
         Spelling spelling;
         spelling.times = "×";
         Written written{print(answer), print(answer, spelling)};
         if (written.gold == written.answer) return std::nullopt;
         return written;
       }},
      worded("words without text", Shape::kWords, [](const std::string& w) { return w; }),
      worded("words in text", Shape::kWords,
             [](const std::string& w) { return "\\text{" + w + "}"; }),
      worded("words in mathrm", Shape::kWords,
             [](const std::string& w) { return "\\mathrm{" + w + "}"; }),
      worded("words in bold", Shape::kWords,
             [](const std::string& w) { return "\\textbf{" + w + "}"; }),
      worded("words in capitals", Shape::kWords,
             // ODD may be a product of three names.
             [](const std::string& w) { return w.size() > 3 ? upper(w) : w; }),
      worded("letter in brackets", Shape::kChoice,
             [](const std::string& w) { return "(" + w + ")"; }),
      worded("letter in text", Shape::kChoice,
             [](const std::string& w) { return "\\text{(" + w + ")}"; }),
      worded("letter in bold", Shape::kChoice,
             [](const std::string& w) { return "\\textbf{" + w + "}"; }),
      worded("letter with a stop", Shape::kChoice, [](const std::string& w) { return w + "."; }),
  };
}

}  // namespace ponder::judge::testing
