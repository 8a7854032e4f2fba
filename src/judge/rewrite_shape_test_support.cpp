// Rewrites of what is more than one number: lists, intervals, relations, matrices, units.
#include <algorithm>

#include "judge/rewrite_test_support.h"

namespace ponder::judge::testing {
namespace {

Rewrite texts(std::string name, std::function<std::optional<Written>(Draw&)> make,
              bool both_ways = true) {
  return {std::move(name), std::move(make), both_ways};
}

// An answer of one shape; nothing where the draw gives another one.
Rewrite of_shape(std::string name, Shape shape,
                 std::function<std::optional<Written>(const Answer&, Draw&)> make) {
  return texts(std::move(name), [shape, make](Draw& draw) -> std::optional<Written> {
    const Answer answer = random_answer(draw);
    if (answer.shape != shape) return std::nullopt;
    return make(answer, draw);
  });
}

std::vector<Term> reversed(std::vector<Term> terms) {
  std::reverse(terms.begin(), terms.end());
  return terms;
}

Written reordered(const Answer& answer, Draw&) {
  Answer other = answer;
  other.terms = reversed(answer.terms);
  return {print(answer), print(other)};
}

char flipped(char sign) {
  const std::string signs = "<>LG", others = "><GL";
  return others[signs.find(sign)];
}

std::string items_with(const std::vector<Term>& terms, const std::string& last) {
  std::string text;
  for (size_t i = 0; i < terms.size(); ++i) {
    if (i > 0) text += i + 1 == terms.size() ? last : ", ";
    text += print(terms[i]);
  }
  return text;
}

std::string sign_text(char sign) {
  return sign == 'L' ? "\\leq " : sign == 'G' ? "\\geq " : std::string(1, sign);
}

// Interval ends as a chain in x.
std::string chain(const Answer& a, size_t part) {
  const Term &low = a.terms[2 * part], &high = a.terms[2 * part + 1];
  const std::string open = a.name[2 * part] == '[' ? " \\le " : " < ";
  const std::string close = a.name[2 * part + 1] == ']' ? " \\le " : " < ";
  if (high.op == Op::kConstant)
    return "x" + std::string(a.name[2 * part] == '[' ? " \\ge " : " > ") + print(low);
  return print(low) + open + "x" + close + print(high);
}

std::string with_environment(const Answer& answer, const std::string& begin,
                             const std::string& end) {
  std::string text = print(answer);
  const std::string old_begin = "\\begin{pmatrix}", old_end = "\\end{pmatrix}";
  text.replace(text.find(old_begin), old_begin.size(), begin);
  text.replace(text.find(old_end), old_end.size(), end);
  return text;
}

std::string line(long a, long b, const std::string& sign, const std::string& right) {
  return std::to_string(a) + "x + " + std::to_string(b) + "y " + sign + " " + right;
}

Rewrite unit_spelled(std::string name, std::vector<std::pair<std::string, std::string>> spellings,
                     std::string before, std::string after) {
  return texts(std::move(name), [spellings, before, after](Draw& draw) -> std::optional<Written> {
    const std::string n = std::to_string(draw.between(2, 500));
    const auto& [gold, other] = draw.one_of(spellings);
    return Written{n + " \\text{ " + gold + "}", n + before + other + after};
  });
}

}  // namespace

std::vector<Rewrite> shape_rewrites() {
  return {
      of_shape("set reordered", Shape::kSet, reordered),
      of_shape("list reordered", Shape::kList, reordered),
      of_shape("list with and", Shape::kList,
               [](const Answer& a, Draw& draw) -> std::optional<Written> {
                 return Written{print(a),
                                items_with(a.terms, draw.coin() ? " \\text{ and } " : " and ")};
               }),
      of_shape("list with or", Shape::kList,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), items_with(a.terms, " \\text{ or } ")};
               }),
      of_shape("set without braces", Shape::kSet,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), items_with(a.terms, ", ")};
               }),
      of_shape("list of named values", Shape::kList,
               [](const Answer& a, Draw& draw) -> std::optional<Written> {
                 const std::string joint = draw.coin() ? ", " : " \\text{ or } ";
                 std::string text;
                 for (const Term& t : a.terms)
                   text += (text.empty() ? "x = " : joint + "x = ") + print(t);
                 return Written{print(a), text};
               }),
      texts("plus-minus as two values",
            [](Draw& draw) -> std::optional<Written> {
              const std::string a = std::to_string(draw.between(1, 20)),
                                b = "\\sqrt{" +
                                    draw.one_of<std::string>({"2", "3", "5", "7", "11"}) + "}";
              return Written{a + " \\pm " + b, a + " + " + b + ", " + a + " - " + b};
            }),
      of_shape("name before the value", Shape::kNamed,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a.terms[0]), print(a)};
               }),
      of_shape("name after the value", Shape::kNamed,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), print(a.terms[0]) + " = " + a.name};
               }),
      of_shape("interval as inequality", Shape::kInterval,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), chain(a, 0)};
               }),
      of_shape("interval as membership", Shape::kInterval,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), "x \\in " + print(a)};
               }),
      of_shape("union reordered", Shape::kUnion,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 Answer other = a;
                 other.name = a.name.substr(2) + a.name.substr(0, 2);
                 other.terms = {a.terms[2], a.terms[3], a.terms[0], a.terms[1]};
                 return Written{print(a), print(other)};
               }),
      of_shape("union as inequalities", Shape::kUnion,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), chain(a, 0) + " \\text{ or } " + chain(a, 1)};
               }),
      of_shape("inequality flipped", Shape::kInequality,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), print(a.terms[1]) + " " + sign_text(flipped(a.name[0])) +
                                              " " + print(a.terms[0])};
               }),
      of_shape("inequality negated", Shape::kInequality,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), "-" + print(a.terms[0]) + " " +
                                              sign_text(flipped(a.name[0])) + " " +
                                              print(negate(a.terms[1]))};
               }),
      of_shape("inequality as interval", Shape::kInequality,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 const std::string end = print(a.terms[1]);
                 switch (a.name[0]) {
                   case '<':
                     return Written{print(a), "(-\\infty, " + end + ")"};
                   case 'L':
                     return Written{print(a), "(-\\infty, " + end + "]"};
                   case '>':
                     return Written{print(a), "(" + end + ", \\infty)"};
                   default:
                     return Written{print(a), "[" + end + ", \\infty)"};
                 }
               }),
      of_shape("equation swapped", Shape::kEquation,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), print(a.terms[1]) + " = " + print(a.terms[0])};
               }),
      of_shape("everything on one side", Shape::kEquation,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), print(a.terms[0]) + " - " + print(a.terms[1]) + " = 0"};
               }),
      texts("equation scaled",
            [](Draw& draw) -> std::optional<Written> {
              const long a = draw.between(2, 9), b = draw.between(2, 9), c = draw.between(1, 30),
                         k = draw.between(2, 6);
              return Written{line(a, b, "=", std::to_string(c)),
                             line(a * k, b * k, "=", std::to_string(c * k))};
            }),
      texts("equation solved for y",
            [](Draw& draw) -> std::optional<Written> {
              const long a = draw.between(2, 9), b = draw.between(2, 9), c = draw.between(1, 30);
              return Written{line(a, b, "=", std::to_string(c)),
                             "y = -" + print(fraction(a, b)) + "x + " + print(fraction(c, b))};
            }),
      of_shape(
          "other matrix brackets", Shape::kMatrix,
          [](const Answer& a, Draw&) -> std::optional<Written> {
            return Written{print(a), with_environment(a, "\\begin{bmatrix}", "\\end{bmatrix}")};
          }),
      of_shape("array in brackets", Shape::kMatrix,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 const std::string columns(static_cast<size_t>(a.number), 'c');
                 return Written{print(a),
                                with_environment(a, "\\left(\\begin{array}{" + columns + "}",
                                                 "\\end{array}\\right)")};
               }),
      of_shape("ratio scaled", Shape::kRatio,
               [](const Answer& a, Draw& draw) -> std::optional<Written> {
                 const long k = draw.between(2, 9);
                 return Written{print(a), std::to_string(k * a.terms[0].number) + " : " +
                                              std::to_string(k * a.terms[1].number)};
               }),
      of_shape("base by value", Shape::kBase,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), a.terms[0].text + "_" + std::to_string(a.number)};
               }),
      of_shape("base in words", Shape::kBase,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 const std::vector<std::string> words = {"three", "four",  "five", "six",
                                                         "seven", "eight", "nine"};
                 return Written{print(a), a.terms[0].text + "_{\\text{" +
                                              words[static_cast<size_t>(a.number - 3)] + "}}"};
               }),
      of_shape("unit dropped", Shape::kUnit,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), print(a.terms[0])};
               }),
      unit_spelled("unit as plain word",
                   {{"hours", "hours"}, {"cm", "cm"}, {"minutes", "minutes"}, {"miles", "miles"}},
                   " ", ""),
      unit_spelled("unit in mathrm", {{"hours", "hours"}, {"cm", "cm"}, {"kg", "kg"}},
                   "\\,\\mathrm{", "}"),
      unit_spelled("unit abbreviated",
                   {{"minutes", "min"},
                    {"centimeters", "cm"},

                    {"inches", "in"},
                    {"meters", "m"},
                    {"hours", "h"},
                    {"seconds", "s"},
                    {"seconds", "sec"}},
                   " \\text{ ", "}"),
      texts("square units",
            [](Draw& draw) -> std::optional<Written> {
              const std::string n = std::to_string(draw.between(2, 500));
              return Written{n + " \\text{ cm}^2", n + (draw.coin() ? " \\text{ square centimeters}"
                                                                    : "\\ \\mathrm{cm}^{2}")};
            }),
      of_shape("degrees in words", Shape::kDegrees,
               [](const Answer& a, Draw& draw) -> std::optional<Written> {
                 return Written{print(a), print(a.terms[0]) +
                                              (draw.coin() ? " degrees" : " \\text{ degrees}")};
               }),
      of_shape("degrees dropped", Shape::kDegrees,
               [](const Answer& a, Draw&) -> std::optional<Written> {
                 return Written{print(a), print(a.terms[0])};
               }),
      texts("dollars",
            [](Draw& draw) -> std::optional<Written> {
              const std::string n =
                  std::to_string(draw.between(2, 900)) + (draw.coin() ? ".50" : "");
              return Written{n, draw.coin() ? "\\$" + n : n + " \\text{ dollars}"};
            }),
  };
}

}  // namespace ponder::judge::testing
