// Drawing answers, changing them a little, and telling for certain that two are not the same.
#include <algorithm>
#include <cmath>

#include "judge/answer_test_support.h"

namespace ponder::judge::testing {
namespace {

constexpr int kPoints = 4;

Term variable(Draw& draw) { return name(draw.one_of<std::string>({"x", "y", "n", "a", "t"})); }

Term scaled(long k, Term t) {
  if (k == 1) return t;
  return k < 0 ? negate(scaled(-k, std::move(t))) : multiply(number(k), std::move(t));
}

Term polynomial(Draw& draw, const Term& x, int degree) {
  Term sum = scaled(draw.between(1, 9), degree == 1 ? x : power(x, number(degree)));
  for (int d = degree - 1; d >= 0; --d) {
    const int k = draw.between(-9, 9);
    if (k == 0) continue;
    const Term monomial =
        d == 0 ? number(std::abs(k)) : scaled(std::abs(k), d == 1 ? x : power(x, number(d)));
    sum = k < 0 ? subtract(std::move(sum), monomial) : add(std::move(sum), monomial);
  }
  return sum;
}

long square_free(Draw& draw) {
  return draw.one_of<long>({2, 3, 5, 6, 7, 10, 11, 13, 14, 15, 17, 19, 21, 23});
}

std::string random_decimal(Draw& draw) {
  std::string digits = std::to_string(draw.below(120)) + ".";
  for (int n = draw.between(0, 3); n > 0; --n) digits += static_cast<char>('0' + draw.below(10));
  return digits + static_cast<char>('1' + draw.below(9));
}

std::vector<Term> different_numbers(Draw& draw, int count) {
  std::vector<Term> terms;
  for (int i = 0; i < count; ++i) {
    Term t = draw.below(3) == 0 ? random_number(draw) : number(draw.between(-20, 40));
    // In a list a comma must not be a decimal one.
    while (std::any_of(terms.begin(), terms.end(), [&](const Term& other) {
      return std::abs(value(other, 0) - value(t, 0)) < 1e-9;
    })) {
      t = add(std::move(t), number(1 + i));
    }
    terms.push_back(std::move(t));
  }
  return terms;
}

std::string bracket_pair(Draw& draw) {
  return std::string(1, draw.coin() ? '[' : '(') + (draw.coin() ? ']' : ')');
}

// The digits of a number in a base, as one word.
Term make_digits(Draw& draw, int base) {
  std::string digits(1, static_cast<char>('1' + draw.below(base - 1)));
  for (int n = draw.between(1, 4); n > 0; --n) digits += static_cast<char>('0' + draw.below(base));
  return {Op::kText, 0, digits, {}};
}

// Every node of a term, the root first.
void collect(Term& term, std::vector<Term*>& nodes) {
  nodes.push_back(&term);
  for (Term& kid : term.kids) collect(kid, nodes);
}

void change(Term& t, Draw& draw) {
  switch (t.op) {
    case Op::kNumber: {
      const long step = draw.between(1, 3);
      t.number = t.number > step && draw.coin() ? t.number - step : t.number + step;
      return;
    }
    case Op::kDecimal: {
      char& last = t.text.back();
      last = last == '9' ? '8' : static_cast<char>(last + 1);
      return;
    }
    case Op::kName:
      t.text = t.text == "x" ? "y" : "x";
      return;
    case Op::kConstant:
      if (t.text == "infty") return;
      t = t.text == "e" ? constant("pi") : t.text == "pi" ? number(3) : negate(t);
      return;
    case Op::kAdd:
      if (draw.coin()) {
        t = t.kids[1].op == Op::kNeg ? add(t.kids[0], t.kids[1].kids[0])
                                     : subtract(t.kids[0], t.kids[1]);
      } else {
        t = Term(t.kids[static_cast<size_t>(draw.below(2))]);
      }
      return;
    case Op::kMul:
      t = draw.coin() ? add(t.kids[0], t.kids[1])
                      : Term(t.kids[static_cast<size_t>(draw.below(2))]);
      return;
    case Op::kDiv:
      t = draw.coin() ? divide(t.kids[1], t.kids[0]) : multiply(t.kids[0], t.kids[1]);
      return;
    case Op::kNeg:
      t = Term(t.kids[0]);
      return;
    case Op::kPow:
      t = draw.coin() ? power(t.kids[0], add(t.kids[1], number(1))) : Term(t.kids[0]);
      return;
    case Op::kRoot:
      if (draw.coin()) {
        t.number = t.number == 2 ? 3 : 2;
      } else {
        t = Term(t.kids[0]);
      }
      return;
    case Op::kCall:
      t.text = t.text == "sin" ? "cos" : t.text == "cos" ? "sin" : t.text == "ln" ? "tan" : "ln";
      return;
    case Op::kText:
      return;
  }
}

enum class Near { kSame, kDifferent, kUnclear };

Near near_at(std::complex<double> a, std::complex<double> b) {
  if (!std::isfinite(std::abs(a)) || !std::isfinite(std::abs(b))) return Near::kUnclear;
  const double scale = std::max({std::abs(a), std::abs(b), 1.0});
  const double gap = std::abs(a - b) / scale;
  return gap > 1e-6 ? Near::kDifferent : gap < 1e-10 ? Near::kSame : Near::kUnclear;
}

bool is_infinite(const Term& t) {
  return (t.op == Op::kConstant && t.text == "infty") ||
         (t.op == Op::kNeg && is_infinite(t.kids[0]));
}

bool terms_differ(const Term& a, const Term& b) {
  if (is_infinite(a) || is_infinite(b)) return is_infinite(a) != is_infinite(b) || a.op != b.op;
  if (a.op == Op::kText || b.op == Op::kText) return a.text != b.text;
  for (int point = 0; point < kPoints; ++point) {
    if (near_at(value(a, point), value(b, point)) == Near::kDifferent) return true;
  }
  return false;
}

bool none_equal(const Term& t, const std::vector<Term>& terms) {
  return std::all_of(terms.begin(), terms.end(),
                     [&](const Term& other) { return terms_differ(t, other); });
}

bool sets_differ(const std::vector<Term>& a, const std::vector<Term>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Term& t) { return none_equal(t, b); }) ||
         std::any_of(b.begin(), b.end(), [&](const Term& t) { return none_equal(t, a); });
}

// Left minus right of one side is no multiple of the other's; with a sign, no positive one.
bool relations_differ(const Answer& a, const Answer& b) {
  std::optional<std::complex<double>> first;
  for (int point = 0; point < kPoints; ++point) {
    const auto p = value(a.terms[0], point) - value(a.terms[1], point);
    const auto q = value(b.terms[0], point) - value(b.terms[1], point);
    if (!std::isfinite(std::abs(p)) || !std::isfinite(std::abs(q)) || std::abs(p) < 1e-6)
      return false;
    if (std::abs(q) < 1e-6) return true;
    const auto ratio = q / p;
    if (first && near_at(*first, ratio) == Near::kDifferent) return true;
    first = ratio;
  }
  if (a.shape == Shape::kEquation) return false;
  const bool a_less = a.name[0] == '<' || a.name[0] == 'L',
             b_less = b.name[0] == '<' || b.name[0] == 'L';
  const bool a_strict = a.name[0] == '<' || a.name[0] == '>',
             b_strict = b.name[0] == '<' || b.name[0] == '>';
  return a_strict != b_strict || (first->real() > 0) != (a_less == b_less);
}

}  // namespace

Term random_number(Draw& draw) {
  switch (draw.below(9)) {
    case 0:
    case 1:
      return number(draw.between(-20, 300));
    case 2:
      return fraction(draw.between(-40, 90), draw.between(2, 40));
    case 3:
      return decimal(random_decimal(draw));
    case 4:
      return scaled(draw.between(1, 12), root(number(square_free(draw))));
    case 5:
      return add(number(draw.between(1, 30)),
                 scaled(draw.between(1, 9), root(number(square_free(draw)))));
    case 6:
      return divide(scaled(draw.between(1, 9), constant("pi")), number(draw.between(2, 9)));
    case 7:
      return subtract(number(draw.between(1, 9)), scaled(draw.between(1, 9), constant("i")));
    default:
      return power(number(draw.between(2, 9)), number(draw.between(2, 12)));
  }
}

Term random_formula(Draw& draw) {
  const Term x = variable(draw);
  switch (draw.below(8)) {
    case 0:
      return polynomial(draw, x, draw.between(1, 3));
    case 1:
      return divide(polynomial(draw, x, 1), polynomial(draw, x, 2));
    case 2:
      return multiply(polynomial(draw, x, 1), polynomial(draw, x, 1));
    case 3:
      return add(
          scaled(draw.between(1, 5), call(draw.one_of<std::string>({"sin", "cos", "tan"}), x)),
          number(draw.between(1, 9)));
    case 4:
      return scaled(draw.between(1, 5), call("ln", add(x, number(draw.between(1, 9)))));
    case 5:
      return multiply(scaled(draw.between(1, 9), x), power(name("b"), number(draw.between(2, 5))));
    case 6:
      return root(add(power(x, number(2)), number(draw.between(1, 9))));
    default:
      return multiply(power(constant("e"), scaled(draw.between(2, 5), x)),
                      add(x, number(draw.between(1, 9))));
  }
}

Answer random_answer(Draw& draw) {
  const auto shape = static_cast<Shape>(draw.below(static_cast<int>(Shape::kChoice) + 1));
  Answer answer{shape, {}, "", 0};
  const Term low = number(draw.between(-20, 10)), high = number(draw.between(11, 60));
  switch (shape) {
    case Shape::kScalar:
      answer.terms = {draw.coin() ? random_formula(draw) : random_number(draw)};
      break;
    case Shape::kNamed:
      answer.terms = {random_number(draw)};
      answer.name = draw.one_of<std::string>({"x", "y", "k", "n", "f(2)"});
      break;
    case Shape::kPercent:
      answer.terms = {draw.coin() ? decimal(random_decimal(draw)) : number(draw.between(2, 99))};
      break;
    case Shape::kUnit:
      answer.terms = {number(draw.between(2, 400))};
      answer.name = draw.one_of<std::string>({"cm", "m", "km", "hours", "minutes", "kg", "inches"});
      break;
    case Shape::kDegrees:
      answer.terms = {number(draw.between(2, 359))};
      break;
    case Shape::kMixed: {
      const int d = draw.between(3, 20);
      answer.terms = {number(draw.between(1, 30)), fraction(draw.between(1, d - 1), d)};
      break;
    }
    case Shape::kBase:
      answer.number = draw.between(3, 9);
      answer.terms = {make_digits(draw, answer.number)};
      break;
    case Shape::kRatio:
      answer.terms = {number(draw.between(61, 99)), number(draw.between(1, 60))};
      break;
    case Shape::kTuple:
      answer.terms = different_numbers(draw, draw.between(2, 4));
      break;
    case Shape::kList:
    case Shape::kSet:
      answer.terms = different_numbers(draw, draw.between(2, 5));
      break;
    case Shape::kInterval:
      answer.name = bracket_pair(draw);
      answer.terms = {low, high};
      if (draw.below(4) == 0) {
        answer.terms[1] = constant("infty");
        answer.name[1] = ')';
      }
      break;
    case Shape::kUnion:
      answer.name = bracket_pair(draw) + bracket_pair(draw);
      answer.terms = {low, high, number(draw.between(61, 80)), number(draw.between(81, 120))};
      break;
    case Shape::kInequality:
      answer.name = std::string(1, draw.one_of<char>({'<', 'L', '>', 'G'}));
      answer.terms = {variable(draw), number(draw.between(-30, 60))};
      break;
    case Shape::kEquation:
      answer.terms = {
          add(scaled(draw.between(2, 9), name("x")), scaled(draw.between(1, 9), name("y"))),
          number(draw.between(1, 40))};
      break;
    case Shape::kMatrix:
      answer.number = draw.between(1, 3);
      answer.terms = different_numbers(draw, answer.number * draw.between(2, 3));
      break;
    case Shape::kWords:
      answer.name = draw.one_of<std::string>(
          {"even", "odd", "Monday", "Friday", "ellipse", "circle", "east", "red"});
      break;
    case Shape::kChoice:
      answer.name = std::string(1, static_cast<char>('A' + draw.below(5)));
      break;
  }
  return answer;
}

Answer perturbed(const Answer& answer, Draw& draw) {
  Answer changed = answer;
  const bool items =
      answer.shape == Shape::kList || answer.shape == Shape::kSet || answer.shape == Shape::kTuple;
  if (answer.shape == Shape::kWords) {
    changed.name = draw.one_of<std::string>({"prime", "Sunday", "west", "parabola", "blue"});
    return changed;
  }
  if (answer.shape == Shape::kChoice) {
    changed.name[0] = static_cast<char>('A' + (answer.name[0] - 'A' + draw.between(1, 4)) % 5);
    return changed;
  }
  const int way = draw.below(6);
  if (items && way == 0 && answer.terms.size() > 1) {
    changed.terms.erase(changed.terms.begin() + draw.below(static_cast<int>(answer.terms.size())));
    return changed;
  }
  if (items && way == 1) {
    changed.terms.push_back(number(draw.between(301, 400)));
    return changed;
  }
  if (answer.shape == Shape::kTuple && way == 2) {
    std::swap(changed.terms[0], changed.terms[1]);
    return changed;
  }
  if ((answer.shape == Shape::kInterval || answer.shape == Shape::kUnion) && way < 3) {
    const auto which = static_cast<size_t>(draw.below(static_cast<int>(answer.name.size())));
    if (is_infinite(answer.terms[which])) return changed;
    const std::string brackets = "([)]";
    changed.name[which] = brackets[brackets.find(answer.name[which]) ^ 1];
    return changed;
  }
  if (answer.shape == Shape::kInequality && way < 3) {
    const std::string signs = "<LG>";
    changed.name[0] =
        signs[(signs.find(answer.name[0]) + static_cast<size_t>(draw.between(1, 3))) % 4];
    return changed;
  }
  if (answer.shape == Shape::kBase) {
    char& digit =
        changed.terms[0]
            .text[static_cast<size_t>(draw.below(static_cast<int>(changed.terms[0].text.size())))];
    digit = digit == '1' ? '2' : '1';
    return changed;
  }
  std::vector<Term*> nodes;
  for (Term& term : changed.terms) collect(term, nodes);
  change(*draw.one_of(nodes), draw);
  return changed;
}

bool differ(const Answer& a, const Answer& b) {
  if (a.shape != b.shape || a.terms.empty() != b.terms.empty()) return false;  // not told here
  switch (a.shape) {
    case Shape::kWords:
    case Shape::kChoice:
      return a.name != b.name;
    case Shape::kBase:
      return a.terms[0].text != b.terms[0].text;
    case Shape::kList:
    case Shape::kSet:
      return sets_differ(a.terms, b.terms);
    case Shape::kRatio:
      return terms_differ(multiply(a.terms[0], b.terms[1]), multiply(a.terms[1], b.terms[0]));
    case Shape::kMixed:
      return terms_differ(add(a.terms[0], a.terms[1]), add(b.terms[0], b.terms[1]));
    case Shape::kInequality:
    case Shape::kEquation:
      return relations_differ(a, b);
    case Shape::kTuple:
    case Shape::kMatrix:
      if (a.terms.size() != b.terms.size()) return true;
      break;
    case Shape::kInterval:
    case Shape::kUnion:
      if (a.name != b.name) return true;
      break;
    default:
      break;
  }
  for (size_t i = 0; i < a.terms.size(); ++i) {
    if (terms_differ(a.terms[i], b.terms[i])) return true;
  }
  return false;
}

}  // namespace ponder::judge::testing
