// What an answer was read as: one small expression tree for numbers, formulas, lists, sets,
// intervals, relations and matrices. Nodes live in one array and name their children by index, so
// that a tree of any shape is freed without recursion. A tree is never deeper than kMaxDepth and
// never larger than kMaxNodes.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>
#include <string>
#include <vector>

namespace ponder::judge {

namespace mp = boost::multiprecision;
using BigInt = mp::number<mp::cpp_int_backend<>, mp::et_off>;
using Rational = mp::number<mp::rational_adaptor<mp::cpp_int_backend<>>, mp::et_off>;

inline bool is_whole(const Rational& value) { return value.backend().data().denominator() == 1; }

/// The bits of its amount: 0 for 0, 1 for 1 and -1.
inline unsigned bits(const BigInt& value) {
  if (value == 0) return 0;
  return static_cast<unsigned>(mp::msb(value < 0 ? BigInt(-value) : value)) + 1;
}

inline constexpr int kMaxDepth = 150;
inline constexpr int kMaxNodes = 3000;
inline constexpr size_t kMaxAnswerBytes = 20000;  // longer answers are only compared as text
inline constexpr size_t kMaxDigits = 2000;        // of a written number
inline constexpr unsigned kMaxBits = 8192;        // of a numerator or denominator

enum class Kind {
  kNumber,    // value; decimals: digits written after the point; name: "base b" for 204_5
  kName,      // a variable, with its subscript and primes
  kConstant,  // name: "pi", "e", "i", "inf"
  kAdd,
  kMul,
  kDiv,
  kNeg,
  kPow,
  kRoot,       // children: radicand, degree
  kCall,       // name: the function; children: argument, optional base of a logarithm
  kApply,      // f(x) of an unknown function; children: its name, the argument
  kFactorial,  // name "!!": of every second number
  kBinomial,
  kDegree,
  kPercent,
  kPlusMinus,  // child is added or subtracted; name: "+" for plus-minus, "-" for minus-plus
  kTuple,      // name: the two brackets, such as "(]"; "E" behind them: x is in it, no pair
  kSet,
  kList,  // children without brackets, in any order
  kUnion,
  kIntersection,
  kDifference,  // of two sets
  kRatio,       // a : b : c
  kRelation,  // children c0 .. cn; name: n signs of = ~ < L > G N w W (L, G: with equality; N: not
              // equal; w, W: a subset, with equality)
  kMatrix,    // children: rows, each a kTuple
  kCases,     // a function by pieces; children: value, condition, value, condition, ...
  kText,      // name: the words; "..." for an ellipsis
  kSum,       // name: the index; children: first, last, term
  kProduct,   // as kSum
  kIntegral,  // name: the variable; children: low, high, integrand, or the integrand alone
  kLimit,     // name: the variable; children: where it goes, body; value: 1 from above, -1 below
};

struct Node {
  Kind kind = Kind::kNumber;
  std::string name;
  Rational value;
  int decimals = 0;
  int height = 1;  // of the tree below, itself included
  std::vector<int> children;
};

struct UnitWord {
  std::string word;  // lower case, but for one letter
  int power = 1;
};
using Measure = std::vector<UnitWord>;  // "km", "h" to the power -1

struct Expression {
  std::vector<Node> nodes;
  int root = -1;
  std::vector<Measure> measures;  // units after numbers, in order
  std::string source;             // what was read, for the proof

  const Node& at(int index) const { return nodes[static_cast<size_t>(index)]; }
};

}  // namespace ponder::judge
