#include "judge/answer_test_support.h"

#include <cmath>

namespace ponder::judge::testing {
namespace {

Term make(Op op, std::vector<Term> kids, std::string text = "", long n = 0) {
  return {op, n, std::move(text), std::move(kids)};
}

// How tightly an operation binds, for brackets.
enum Strength { kSum = 1, kSigned, kProduct, kPowered, kAtom };

Strength strength_of(const Term& term, const Spelling& spelling) {
  switch (term.op) {
    case Op::kAdd:
      return kSum;
    case Op::kNeg:
      return kSigned;
    case Op::kMul:
      return kProduct;
    case Op::kDiv:
      return spelling.fraction == "/" ? kProduct : kPowered;
    case Op::kPow:
      return kPowered;
    case Op::kRoot:
      return spelling.root_as_power ? kPowered : kAtom;
    default:
      return kAtom;
  }
}

class Printer {
 public:
  explicit Printer(const Spelling& spelling) : spelling_(spelling) {}

  std::string term(const Term& t) const {
    switch (t.op) {
      case Op::kNumber:
        return std::to_string(t.number);
      case Op::kDecimal:
      case Op::kName:
      case Op::kText:
        return t.text;
      case Op::kConstant:
        if (t.text == "infty") return spelling_.unicode || spelling_.plain ? "∞" : "\\infty";
        if (t.text != "pi") return t.text;
        return spelling_.unicode ? "π" : spelling_.plain ? "pi" : "\\pi";
      case Op::kAdd:
        return sum(t);
      case Op::kNeg:
        return minus() + within(t.kids[0], kProduct);
      case Op::kMul:
        return product(t);
      case Op::kDiv:
        return quotient(t);
      case Op::kPow:
        return within(t.kids[0], kAtom) + "^" + script(t.kids[1]);
      case Op::kRoot:
        return radical(t);
      case Op::kCall:
        return (spelling_.plain ? "" : "\\") + t.text + bracketed(t.kids[0]);
    }
    return "";
  }

  std::string bracket(char c) const {
    const bool opens = c == '(' || c == '[';
    return (spelling_.stretch ? opens ? "\\left" : "\\right" : "") + std::string(1, c);
  }

 private:
  std::string minus() const { return spelling_.unicode ? "−" : "-"; }

  std::string bracketed(const Term& t) const {
    const std::string inside = bracket('(') + term(t) + bracket(')');
    return spelling_.doubled_brackets ? bracket('(') + inside + bracket(')') : inside;
  }

  std::string within(const Term& t, Strength strength) const {
    return strength_of(t, spelling_) < strength ? bracketed(t) : term(t);
  }

  std::string sum(const Term& t) const {
    const Term& right = t.kids[1];
    const std::string& space = spelling_.space;
    if (right.op == Op::kNeg)
      return term(t.kids[0]) + space + minus() + space + within(right.kids[0], kProduct);
    return term(t.kids[0]) + space + "+" + space + within(right, kProduct);
  }

  static bool ends_in_number(const Term& t) {
    return t.op == Op::kNumber || t.op == Op::kDecimal ||
           (t.op == Op::kMul && ends_in_number(t.kids.back()));
  }

  // May the factors stand side by side?
  bool joins(const Term& left, const Term& right) const {
    if (spelling_.plain || right.op == Op::kNumber || right.op == Op::kDecimal) return false;
    const Strength strength = strength_of(right, spelling_);
    if (strength < kProduct) return ends_in_number(left);  // 5(x+1), but f(x+1) may be a function
    if (right.op == Op::kDiv || left.op == Op::kDiv || left.op == Op::kPow) return false;
    if (right.op == Op::kMul) return joins(left, right.kids[0]);
    if (right.op == Op::kPow || (right.op == Op::kRoot && spelling_.root_as_power))
      return strength_of(right.kids[0], spelling_) == kAtom && joins(left, right.kids[0]);
    return left.op != Op::kCall && right.op != Op::kCall;
  }

  std::string product(const Term& t) const {
    const std::string left = within(t.kids[0], kProduct);
    const std::string right = within(
        t.kids[1], t.kids[1].op == Op::kDiv && spelling_.fraction == "/" ? kPowered : kProduct);
    if (!spelling_.times.empty()) return left + spelling_.times + right;
    if (!joins(t.kids[0], t.kids[1]))
      return left + (spelling_.plain ? " * " : spelling_.dot) + right;
    // "\pi x", not "\pix"
    const bool command = t.kids[0].op == Op::kConstant || t.kids[0].op == Op::kMul;
    return left + (command && std::isalpha(static_cast<unsigned char>(right[0])) ? " " : "") +
           right;
  }

  static bool single_digit(const Term& t) { return t.op == Op::kNumber && t.number < 10; }

  std::string quotient(const Term& t) const {
    const Term &top = t.kids[0], &bottom = t.kids[1];
    if (spelling_.unicode && top.op == Op::kNumber && bottom.op == Op::kNumber) {
      if (top.number == 1 && bottom.number == 2) return "½";
      if (top.number == 3 && bottom.number == 4) return "¾";
      if (top.number == 1 && bottom.number == 3) return "⅓";
    }
    if (spelling_.fraction == "/") return within(top, kPowered) + "/" + within(bottom, kAtom);
    if (!spelling_.braces && single_digit(top) && single_digit(bottom))
      return spelling_.fraction + term(top) + term(bottom);
    return spelling_.fraction + "{" + term(top) + "}{" + term(bottom) + "}";
  }

  std::string script(const Term& t) const {
    if (spelling_.plain) return single_digit(t) ? term(t) : bracketed(t);
    if (!spelling_.braces && single_digit(t)) return term(t);
    return "{" + term(t) + "}";
  }

  std::string radical(const Term& t) const {
    const Term& inside = t.kids[0];
    if (spelling_.root_as_power) {
      const std::string degree = std::to_string(t.number);
      return within(inside, kAtom) + "^{" +
             (spelling_.fraction == "/" ? "1/" + degree
                                        : spelling_.fraction + "{1}{" + degree + "}") +
             "}";
    }
    if (spelling_.plain) {
      if (t.number == 2) return "sqrt" + bracketed(inside);
      return bracketed(inside) + "^(1/" + std::to_string(t.number) + ")";
    }
    if (spelling_.unicode && t.number == 2 && inside.op == Op::kNumber) return "√" + term(inside);
    const std::string degree = t.number == 2 ? "" : "[" + std::to_string(t.number) + "]";
    if (!spelling_.braces && single_digit(inside)) return "\\sqrt" + degree + term(inside);
    return "\\sqrt" + degree + "{" + term(inside) + "}";
  }

  const Spelling& spelling_;
};

std::string joined(const std::vector<Term>& terms, const Spelling& spelling) {
  std::string text;
  for (const Term& term : terms)
    text += (text.empty() ? "" : "," + spelling.space) + print(term, spelling);
  return text;
}

std::string sign_of(char sign, const Spelling& spelling) {
  switch (sign) {
    case 'L':
      return spelling.unicode ? "≤" : spelling.plain ? "<=" : "\\le ";
    case 'G':
      return spelling.unicode ? "≥" : spelling.plain ? ">=" : "\\ge ";
    default:
      return std::string(1, sign);
  }
}

std::string matrix(const Answer& answer, const Spelling& spelling) {
  std::string text = "\\begin{pmatrix}";
  for (size_t i = 0; i < answer.terms.size(); ++i) {
    if (i > 0) text += i % static_cast<size_t>(answer.number) == 0 ? " \\\\ " : " & ";
    text += print(answer.terms[i], spelling);
  }
  return text + "\\end{pmatrix}";
}

std::string interval(const Answer& answer, size_t part, const Spelling& spelling) {
  const Printer printer(spelling);
  return printer.bracket(answer.name[2 * part]) + print(answer.terms[2 * part], spelling) + "," +
         spelling.space + print(answer.terms[2 * part + 1], spelling) +
         printer.bracket(answer.name[2 * part + 1]);
}

}  // namespace

Term number(long n) { return n < 0 ? negate(number(-n)) : make(Op::kNumber, {}, "", n); }
Term decimal(std::string digits) { return make(Op::kDecimal, {}, std::move(digits)); }
Term name(std::string text) { return make(Op::kName, {}, std::move(text)); }
Term constant(std::string text) { return make(Op::kConstant, {}, std::move(text)); }
Term add(Term a, Term b) { return make(Op::kAdd, {std::move(a), std::move(b)}); }
Term subtract(Term a, Term b) { return add(std::move(a), negate(std::move(b))); }
Term multiply(Term a, Term b) { return make(Op::kMul, {std::move(a), std::move(b)}); }
Term divide(Term a, Term b) { return make(Op::kDiv, {std::move(a), std::move(b)}); }
Term negate(Term a) { return make(Op::kNeg, {std::move(a)}); }
Term power(Term a, Term b) { return make(Op::kPow, {std::move(a), std::move(b)}); }
Term root(Term a, long degree) { return make(Op::kRoot, {std::move(a)}, "", degree); }
Term call(std::string function, Term a) {
  return make(Op::kCall, {std::move(a)}, std::move(function));
}
Term fraction(long n, long d) {
  return n < 0 ? negate(fraction(-n, d)) : divide(number(n), number(d));
}

std::string print(const Term& term, const Spelling& spelling) {
  return Printer(spelling).term(term);
}

std::string print(const Answer& answer, const Spelling& spelling) {
  const std::vector<Term>& terms = answer.terms;
  const Printer printer(spelling);
  const std::string& space = spelling.space;
  switch (answer.shape) {
    case Shape::kScalar:
      return print(terms[0], spelling);
    case Shape::kNamed:
      return answer.name + space + "=" + space + print(terms[0], spelling);
    case Shape::kPercent:
      return print(terms[0], spelling) + (spelling.plain ? "%" : "\\%");
    case Shape::kUnit:
      return print(terms[0], spelling) +
             (spelling.plain ? " " + answer.name : " \\text{ " + answer.name + "}");
    case Shape::kDegrees:
      return print(terms[0], spelling) + (spelling.unicode || spelling.plain ? "°"
                                          : spelling.braces                  ? "^{\\circ}"
                                                                             : "^\\circ");
    case Shape::kMixed:
      return print(terms[0], spelling) + (spelling.fraction == "/" ? " " : "") +
             print(terms[1], spelling);
    case Shape::kBase:
      return print(terms[0], spelling) + (spelling.braces ? "_{" : "_") +
             std::to_string(answer.number) + (spelling.braces ? "}" : "");
    case Shape::kRatio:
      return print(terms[0], spelling) + ":" + print(terms[1], spelling);
    case Shape::kTuple:
      return printer.bracket('(') + joined(terms, spelling) + printer.bracket(')');
    case Shape::kList:
      return joined(terms, spelling);
    case Shape::kSet:
      return (spelling.plain     ? "{"
              : spelling.stretch ? "\\left\\{"
                                 : "\\{") +
             joined(terms, spelling) +
             (spelling.plain     ? "}"
              : spelling.stretch ? "\\right\\}"
                                 : "\\}");
    case Shape::kInterval:
      return interval(answer, 0, spelling);
    case Shape::kUnion:
      return interval(answer, 0, spelling) +
             (spelling.unicode || spelling.plain ? " ∪ " : " \\cup ") +
             interval(answer, 1, spelling);
    case Shape::kInequality:
      return print(terms[0], spelling) + space + sign_of(answer.name[0], spelling) + space +
             print(terms[1], spelling);
    case Shape::kEquation:
      return print(terms[0], spelling) + space + "=" + space + print(terms[1], spelling);
    case Shape::kMatrix:
      return matrix(answer, spelling);
    case Shape::kWords:
      return spelling.plain ? answer.name : "\\text{" + answer.name + "}";
    case Shape::kChoice:
      return answer.name;
  }
  return "";
}

std::complex<double> value(const Term& term, int point) {
  const auto kid = [&](size_t i) { return value(term.kids[i], point); };
  switch (term.op) {
    case Op::kNumber:
      return static_cast<double>(term.number);
    case Op::kDecimal:
      return std::stod(term.text);
    case Op::kName: {
      double at = 1.31 + 0.47 * point;
      for (char c : term.text) at += std::fmod(0.37 * c + 0.11 * c * point, 1.9);
      return at;
    }
    case Op::kConstant:
      if (term.text == "i") return {0, 1};
      if (term.text == "pi") return 3.14159265358979323846;
      return term.text == "e" ? 2.71828182845904523536 : INFINITY;
    case Op::kAdd:
      return kid(0) + kid(1);
    case Op::kMul:
      return kid(0) * kid(1);
    case Op::kDiv:
      return kid(0) / kid(1);
    case Op::kNeg:
      return -kid(0);
    case Op::kPow:
      return std::pow(kid(0), kid(1));
    case Op::kRoot:
      return std::pow(kid(0), 1.0 / static_cast<double>(term.number));
    case Op::kCall:
      if (term.text == "sin") return std::sin(kid(0));
      if (term.text == "cos") return std::cos(kid(0));
      if (term.text == "tan") return std::tan(kid(0));
      if (term.text == "ln") return std::log(kid(0));
      break;
    case Op::kText:
      break;
  }
  return NAN;
}

}  // namespace ponder::judge::testing
