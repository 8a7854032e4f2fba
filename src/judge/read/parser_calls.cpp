// Functions, sums, fractions, roots and other commands with arguments.
#include <algorithm>

#include "judge/read/latex_names.h"
#include "judge/read/parser.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

// The function that another spelling names: tg, asin and arsinh.
std::string usual_name(const std::string& name) {
  static constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {
      {"tg", "tan"},         {"ctg", "cot"},        {"cotg", "cot"},       {"cosec", "csc"},
      {"arctg", "arctan"},   {"arcctg", "arccot"},  {"Abs", "abs"},        {"asin", "arcsin"},
      {"acos", "arccos"},    {"atan", "arctan"},    {"acot", "arccot"},    {"asec", "arcsec"},
      {"acsc", "arccsc"},    {"asinh", "arcsinh"},  {"acosh", "arccosh"},  {"atanh", "arctanh"},
      {"acoth", "arccoth"},  {"asech", "arcsech"},  {"acsch", "arccsch"},  {"arsinh", "arcsinh"},
      {"arcosh", "arccosh"}, {"artanh", "arctanh"}, {"arcoth", "arccoth"}, {"arsech", "arcsech"},
      {"arcsch", "arccsch"}, {"ceiling", "ceil"},   {"sgn", "sign"},       {"Re", "re"},
      {"Im", "im"},          {"binomial", "binom"}};
  for (const auto& [spelling, usual] : kSpellings) {
    if (name == spelling) return std::string(usual);
  }
  return name;
}

}  // namespace

// \\sum_{k=1}^{10} k^2; the term ends at the next plus or minus.
int Parser::sum_or_product(bool is_product) {
  int first = kNoNode, last = kNoNode;
  std::string index;
  for (int i = 0; i < 2 && !failed(); ++i) {
    if (take('^')) {
      last = script();
    } else if (take('_')) {
      if (!take('{')) return fail("a sum without a range");
      const Token& name = peek();
      if ((name.kind != TokenKind::kName && name.kind != TokenKind::kConstant) || !peek(1).is('='))
        return fail("a sum without a range");
      index = name.text;
      position_ += 2;
      first = sum();
      if (!take('}')) return fail("a sum without a range");
    }
  }
  if (failed() || first == kNoNode || last == kNoNode) return fail("a sum without a range");
  const int term = product();
  if (failed()) return kNoNode;
  return make(is_product ? Kind::kProduct : Kind::kSum, {first, last, term}, index);
}

// {}_5C_2, ^5C_2 and 5P2 with scripts: the counts of combinations and permutations.
int Parser::chosen() {
  // 10C3
  if (peek().kind == TokenKind::kNumber && peek(1).kind == TokenKind::kName &&
      (peek(1).text == "C" || peek(1).text == "P") && peek(2).kind == TokenKind::kNumber &&
      peek(1).space_before == peek(2).space_before) {
    const int size = number(peek().text), chosen_size = number(peek(2).text);
    const bool ordered = peek(1).text == "P";
    const std::string k = peek(2).text;
    position_ = std::min(position_ + 3, tokens_.size() - 1);
    const int choices = make(Kind::kBinomial, {size, chosen_size});
    if (!ordered || failed()) return choices;
    return make(Kind::kMul, {choices, make(Kind::kFactorial, {number(k)})});
  }
  size_t ahead = peek().is('{') && peek(1).is('}') ? 2 : 0;
  if (!peek(ahead).is('_') && !peek(ahead).is('^')) return kNoNode;
  const auto script_at = [&](size_t at, size_t& end) -> const Token* {
    const bool group = peek(at).is('{');
    const Token& number = peek(at + group);
    if (number.kind != TokenKind::kNumber || (group && !peek(at + 2).is('}'))) return nullptr;
    end = at + 1 + 2 * group;
    return &number;
  };
  size_t end = 0;
  const Token* top = script_at(ahead + 1, end);
  if (!top || peek(end).kind != TokenKind::kName || !peek(end + 1).is('_')) return kNoNode;
  const std::string letter = peek(end).text;
  if (letter != "C" && letter != "P") return kNoNode;
  const Token* bottom = script_at(end + 2, end);
  if (!bottom) return kNoNode;
  const std::string n = top->text, k = bottom->text;
  position_ = std::min(position_ + end, tokens_.size() - 1);
  const int size = number(n), chosen_size = number(k);
  const int choices = make(Kind::kBinomial, {size, chosen_size});
  if (letter == "C" || failed()) return choices;
  return make(Kind::kMul, {choices, make(Kind::kFactorial, {number(k)})});
}

int Parser::call() {
  std::string name = peek().text;
  advance();
  name = usual_name(name);
  if (name == "Rational") {
    const int top = take('(') ? sum() : fail("a fraction without brackets");
    const int bottom = take(',') ? sum() : number("1");
    if (!take(')')) return fail("a bracket is not closed");
    return make(Kind::kDiv, {top, bottom});
  }
  std::vector<int> children;
  int base = kNoNode, exponent = kNoNode;
  for (int i = 0; i < 2 && !failed(); ++i) {
    if (base == kNoNode && take('_'))
      base = script();
    else if (exponent == kNoNode && take('^'))
      exponent = script();
  }
  if (failed()) return kNoNode;
  if (called_names().contains(name) && peek().is('(')) return call_of_several(name);
  if (name == "gcd" || name == "lcm" || name == "max" || name == "min") {
    const bool set = take('S');
    if (!set && !take('(')) return fail("a function of several values without brackets");
    children = items();
    if (!take(set ? 's' : ')') || children.empty()) return fail("a bracket is not closed");
    return make(Kind::kCall, std::move(children), name);
  }
  int argument;
  if (take('S')) {  // \\sin\\{x\\}
    argument = sum();
    if (!take('s')) return fail("a bracket is not closed");
  } else if (peek().is('(') || peek().is('{')) {
    argument = atom();
  } else {
    argument = product(true);
  }
  if (failed()) return kNoNode;
  if (name == "cbrt") return make(Kind::kRoot, {argument, number("3")});
  if (name == "cis") {  // cos x + i sin x
    const int imaginary =
        make(Kind::kMul, {make(Kind::kConstant, {}, "i"), make(Kind::kCall, {argument}, "sin")});
    return make(Kind::kAdd, {make(Kind::kCall, {argument}, "cos"), imaginary});
  }
  children.push_back(argument);
  if (base != kNoNode) children.push_back(base);
  if (exponent != kNoNode && node(exponent).kind == Kind::kNeg &&
      node(node(exponent).children[0]).value == 1) {
    exponent = kNoNode;
    name = "arc" + name;
  }
  const int index = make(Kind::kCall, std::move(children), name);
  return exponent == kNoNode ? index : make(Kind::kPow, {index, exponent});
}

// floor(17.8), binom(8, 3), nthroot(x, 3): called as programs do.
int Parser::call_of_several(const std::string& name) {
  advance();
  const std::vector<int> values = items();
  if (!take(')')) return fail("a bracket is not closed");
  const bool two = name == "binom" || name == "nCr" || name == "nPr";
  if (values.size() != (two || (name == "nthroot" && values.size() == 2) ? 2 : 1))
    return fail("a function with another number of values");
  if (name == "factorial") return make(Kind::kFactorial, values);
  if (name == "nthroot")
    return make(Kind::kRoot, {values[0], values.size() == 2 ? values[1] : number("2")});
  if (name == "round") {
    const int half = make(Kind::kDiv, {number("1"), number("2")});
    return make(Kind::kCall, {make(Kind::kAdd, {values[0], half})}, "floor");
  }
  if (!two) return make(Kind::kCall, values, name);
  const int choices = make(Kind::kBinomial, values);
  if (name != "nPr") return choices;
  return make(Kind::kMul, {choices, make(Kind::kFactorial, {values[1]})});
}

int Parser::argument() {
  Token& token = tokens_[position_];
  if (token.kind == TokenKind::kNumber && token.text.size() > 1 &&
      token.text.find('.') == std::string::npos) {
    const std::string digit = token.text.substr(0, 1);
    token.text.erase(0, 1);  // \frac12
    token.space_before = false;
    return number(digit);
  }
  return atom();
}

int Parser::command() {
  const std::string name = peek().text;
  advance();
  if (name == "sum" || name == "prod") return sum_or_product(name == "prod");
  if (name == "int") return integral();
  if (name == "lim") return limit();
  if (name == "bmod" || name == "pmod") return fail("a modulus of nothing");
  if (name == "frac") {
    if (const int index = differential(); index != kNoNode || failed()) return index;
  }
  if (name == "frac" || name == "binom") {
    const int top = argument();
    if (failed()) return kNoNode;
    const int bottom = argument();
    return make(name == "frac" ? Kind::kDiv : Kind::kBinomial, {top, bottom});
  }
  if (name == "sqrt" || name == "surd") {
    int degree = kNoNode;
    if (take('[')) {
      degree = sum();
      if (!take(']')) return fail("the degree of a root is not closed");
    }
    // TeX takes one digit, \sqrt12; a root sign takes the number, √12.
    const int radicand = name == "sqrt" ? argument() : atom();
    if (degree == kNoNode) degree = number("2");
    return make(Kind::kRoot, {radicand, degree});
  }
  // A bar over letters names a segment or a number; over digits it repeats them.
  const int inner = atom();
  if (failed()) return kNoNode;
  return node(inner).kind == Kind::kNumber ? fail("a repeating decimal") : inner;
}

}  // namespace ponder::judge
