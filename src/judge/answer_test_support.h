// Random answers for the judge's tests: a small tree of its own (not the judge's), which is printed
// in any of many spellings and evaluated in plain doubles. What is drawn is a function of a row of
// numbers, so that RapidCheck can make a failing answer smaller by making the row smaller.
#pragma once

#include <complex>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ponder::judge::testing {

// Choices taken one after the other from a row of numbers; 0, the simplest one, where it has ended.
class Draw {
 public:
  explicit Draw(const std::vector<uint32_t>& row) : row_(row) {}
  int below(int n) {
    return next_ < row_.size() ? static_cast<int>(row_[next_++] % static_cast<uint32_t>(n)) : 0;
  }
  int between(int low, int high) { return low + below(high - low + 1); }
  bool ended() const { return next_ >= row_.size(); }
  bool coin() { return below(2) == 1; }
  template <typename T>
  const T& one_of(const std::vector<T>& items) {
    return items[static_cast<size_t>(below(static_cast<int>(items.size())))];
  }

 private:
  const std::vector<uint32_t>& row_;
  size_t next_ = 0;
};

enum class Op {
  kNumber,
  kDecimal,
  kName,
  kConstant,
  kAdd,
  kMul,
  kDiv,
  kNeg,
  kPow,
  kRoot,
  kCall,
  kText
};

// A number or formula. A number is not negative (kNeg is); kRoot: radicand, and its degree in
// `number`.
struct Term {
  Op op = Op::kNumber;
  long number = 0;
  std::string text;  // decimal, name, constant (pi, e, i), function
  std::vector<Term> kids;
};

Term number(long n);  // negative too
Term decimal(std::string digits);
Term name(std::string text);
Term constant(std::string text);
Term add(Term a, Term b);
Term subtract(Term a, Term b);
Term multiply(Term a, Term b);
Term divide(Term a, Term b);
Term negate(Term a);
Term power(Term a, Term b);
Term root(Term a, long degree = 2);
Term call(std::string function, Term a);
Term fraction(long n, long d);  // the sign in front

// How an answer is written.
struct Spelling {
  std::string fraction = "\\frac";  // or \dfrac, \tfrac, "/"
  std::string times;                // "" joins where that is unambiguous, else as `dot`
  std::string dot = " \\cdot ";
  std::string space = " ";     // around + - = and after commas
  bool braces = true;          // \frac{1}{2} and x^{2}, else \frac12 and x^2 where that is allowed
  bool stretch = false;        // \left( \right)
  bool unicode = false;        // √ π − × ½ ≤ ∞
  bool plain = false;          // sqrt(2), pi, sin(x), <=: no backslash
  bool root_as_power = false;  // 2^{1/2}
  bool doubled_brackets = false;  // ((x + 1))
};

std::string print(const Term& term, const Spelling& spelling = {});

// The value where names have the values of test point 0, 1, ...: all above 1, none whole.
std::complex<double> value(const Term& term, int point);

enum class Shape {
  kScalar,
  kNamed,
  kPercent,
  kUnit,
  kDegrees,
  kMixed,
  kBase,
  kRatio,
  kTuple,
  kList,
  kSet,
  kInterval,
  kUnion,
  kInequality,
  kEquation,
  kMatrix,
  kWords,
  kChoice
};

// terms: the items, ends, entries or sides. name: brackets of an interval ("[)"), of each part of a
// union ("[)(]"), the sign of an inequality (< L > G), the unit, the words, the letter, the name
// that is given the value; number: base or columns.
struct Answer {
  Shape shape = Shape::kScalar;
  std::vector<Term> terms;
  std::string name;
  int number = 0;
};

std::string print(const Answer& answer, const Spelling& spelling = {});

Term random_number(Draw& draw);   // whole, fraction, decimal, radical, multiple of pi
Term random_formula(Draw& draw);  // polynomial, rational, trigonometric, logarithm, power
Answer random_answer(Draw& draw);

// A small change of one part. Not every one is a different answer: see `differ`.
Answer perturbed(const Answer& answer, Draw& draw);

// True where the answers are certainly not the same: by their doubles at several points, or by
// construction.
bool differ(const Answer& a, const Answer& b);

}  // namespace ponder::judge::testing
