#include <algorithm>

#include "judge/parser.h"
#include "judge/text.h"

namespace ponder::judge {

int Parser::number_in_base(int index, const std::string& text) {
  if (text.empty() || text.size() > 2 || !std::all_of(text.begin(), text.end(), is_digit)) {
    return fail("a subscript that is no base");
  }
  const int base = std::stoi(text);
  const std::string digits = numerator(node(index).value).str();
  BigInt value = 0;
  for (char digit : digits) {
    if (digit - '0' >= base) return fail("a digit above its base");
    value = value * base + (digit - '0');
  }
  node(index).value = Rational(value);
  node(index).name = "base " + text + " " + digits;
  return index;
}

int Parser::number(const std::string& text) {
  if (text.size() > kMaxDigits)
    return fail("a number of " + std::to_string(text.size()) + " digits");
  const size_t point = text.find('.');
  std::string digits = text;
  const int decimals = point == std::string::npos ? 0 : static_cast<int>(text.size() - point - 1);
  if (point != std::string::npos) digits.erase(point, 1);
  const size_t first = digits.find_first_not_of('0');  // a leading 0 would mean octal
  digits = first == std::string::npos ? "0" : digits.substr(first);
  const int index = make(Kind::kNumber, {});
  if (failed()) return kNoNode;
  Rational value{BigInt(digits)};
  if (decimals > 0) value /= Rational(mp::pow(BigInt(10), static_cast<unsigned>(decimals)));
  node(index).value = value;
  node(index).decimals = decimals;
  return index;
}

int Parser::atom() {
  if (failed()) return kNoNode;
  if (++depth_ > kMaxDepth) return fail("too deep");
  const int index = atom_here();
  --depth_;
  return index;
}

int Parser::atom_here() {
  const Token token = peek();
  switch (token.kind) {
    case TokenKind::kNumber:
      advance();
      return number(token.text);
    case TokenKind::kName:
      advance();
      return make(Kind::kName, {}, token.text);
    case TokenKind::kConstant:
      advance();
      return make(Kind::kConstant, {}, token.text);
    case TokenKind::kWord:
      advance();
      if (const auto value = number_word(token.text)) return number(std::to_string(*value));
      return name_in_words(token.text);
    case TokenKind::kFunction:
      return call();
    case TokenKind::kCommand:
      return command();
    case TokenKind::kBegin:
      return environment();
    case TokenKind::kSymbol:
      return bracket(token.text[0]);
    case TokenKind::kUnknown:
      return fail("'" + token.text + "' is not understood");
    case TokenKind::kEnd:
    case TokenKind::kFinish:
      break;
  }
  return fail("an expression was expected at the end");
}

// "Total cost = 5": words name a value before a relation or alone; elsewhere they are no factor.
int Parser::name_in_words(std::string name) {
  while (peek().kind == TokenKind::kWord && name.size() < 100) {
    name += ' ' + peek().text;
    advance();
  }
  const Token& next = peek();
  const bool ends = next.kind == TokenKind::kFinish || next.kind == TokenKind::kEnd;
  if (!ends &&
      !(next.kind == TokenKind::kSymbol &&
        std::string_view("=~<>LGN:,;_'&R)]}s/").find(next.text[0]) != std::string_view::npos)) {
    return fail("words inside a formula");
  }
  return make(Kind::kName, {}, std::move(name));
}

int Parser::bracket(char open) {
  advance();
  switch (open) {
    case '{': {
      const int inner = list();
      if (!take('}')) return fail("a brace is not closed");
      return inner;
    }
    case '(':
    case '[':
    case 'A': {
      std::vector<int> found = items();
      if (failed()) return kNoNode;
      const Token close = peek();
      if (!close.is(')') && !close.is(']') && !close.is('a'))
        return fail("a bracket is not closed");
      advance();
      if (found.empty()) return fail("empty brackets");
      const bool plain = (open == '(' && close.is(')')) || (open == '[' && close.is(']'));
      if (found.size() == 1 && plain) return found[0];
      std::string brackets = {open, close.text[0]};
      return make(Kind::kTuple, std::move(found), brackets);
    }
    case ']': {  // ]a, b[ is an open interval
      std::vector<int> found = items();
      if (failed() || found.size() != 2 || !(take('[') || take(']')))
        return fail("a stray bracket");
      return make(Kind::kTuple, std::move(found), "()");
    }
    case 'S': {
      std::vector<int> found = items();
      if (!take('s')) return fail("a set is not closed");
      return make(Kind::kSet, std::move(found));
    }
    case 'F':
    case 'C': {
      const int inner = sum();
      if (!take(open == 'F' ? 'f' : 'c')) return fail("floor or ceiling is not closed");
      return make(Kind::kCall, {inner}, open == 'F' ? "floor" : "ceil");
    }
    case '|': {
      ++bars_;
      const int inner = sum();
      --bars_;
      if (!take('|')) return fail("an absolute value is not closed");
      return make(Kind::kCall, {inner}, "abs");
    }
    default:
      return fail(std::string("'") + open + "' was not expected");
  }
}

int Parser::call() {
  std::string name = peek().text;
  advance();
  if (name == "asin" || name == "acos" || name == "atan") name = "arc" + name.substr(1);
  std::vector<int> children;
  int base = kNoNode, exponent = kNoNode;
  for (int i = 0; i < 2 && !failed(); ++i) {
    if (base == kNoNode && take('_'))
      base = script();
    else if (exponent == kNoNode && take('^'))
      exponent = script();
  }
  if (failed()) return kNoNode;
  int argument;
  if (peek().is('(') || peek().is('{')) {
    argument = atom();
  } else {
    argument = product(true);
  }
  if (failed()) return kNoNode;
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
  if (name == "frac" || name == "binom") {
    const int top = argument();
    if (failed()) return kNoNode;
    const int bottom = argument();
    return make(name == "frac" ? Kind::kDiv : Kind::kBinomial, {top, bottom});
  }
  if (name == "sqrt") {
    int degree = kNoNode;
    if (take('[')) {
      degree = sum();
      if (!take(']')) return fail("the degree of a root is not closed");
    }
    const int radicand = argument();
    if (degree == kNoNode) degree = number("2");
    return make(Kind::kRoot, {radicand, degree});
  }
  // A bar over letters names a segment or a number; over digits it repeats them.
  const int inner = atom();
  if (failed()) return kNoNode;
  return node(inner).kind == Kind::kNumber ? fail("a repeating decimal") : inner;
}

int Parser::environment() {
  const std::string name = peek().text;
  advance();
  const bool lines = name == "cases" || name.starts_with("align") || name == "gathered";
  std::vector<int> rows, cells;
  while (!failed() && peek().kind != TokenKind::kEnd && peek().kind != TokenKind::kFinish) {
    if (take('&') || take(',')) continue;
    if (take('R')) {
      if (!cells.empty() && !lines)
        rows.push_back(make(Kind::kTuple, std::exchange(cells, {}), "()"));
      continue;
    }
    cells.push_back(relation());
  }
  if (failed()) return kNoNode;
  if (peek().kind != TokenKind::kEnd) return fail("an environment is not closed");
  advance();
  if (lines) return cells.empty() ? fail("nothing to read") : make(Kind::kList, std::move(cells));
  if (!cells.empty()) rows.push_back(make(Kind::kTuple, std::move(cells), "()"));
  return rows.empty() ? fail("an empty matrix") : make(Kind::kMatrix, std::move(rows));
}

}  // namespace ponder::judge
