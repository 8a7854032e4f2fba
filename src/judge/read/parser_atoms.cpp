#include <algorithm>

#include "judge/read/latex_names.h"
#include "judge/read/parser.h"
#include "judge/text.h"

namespace ponder::judge {

namespace {

// "5", "five", "base 5".
std::optional<int> base_of(std::string text) {
  if (text.starts_with("base")) text.erase(0, 4);
  if (const auto word = number_word(text)) return *word;
  if (text.empty() || text.size() > 2 || !std::all_of(text.begin(), text.end(), is_digit))
    return std::nullopt;
  return std::stoi(text);
}

// The function that another spelling names: tg, asin and arsinh.
std::string usual_name(const std::string& name) {
  static constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {
      {"tg", "tan"},         {"ctg", "cot"},        {"cotg", "cot"},       {"cosec", "csc"},
      {"arctg", "arctan"},   {"arcctg", "arccot"},  {"Abs", "abs"},        {"asin", "arcsin"},
      {"acos", "arccos"},    {"atan", "arctan"},    {"acot", "arccot"},    {"asec", "arcsec"},
      {"acsc", "arccsc"},    {"asinh", "arcsinh"},  {"acosh", "arccosh"},  {"atanh", "arctanh"},
      {"acoth", "arccoth"},  {"asech", "arcsech"},  {"acsch", "arccsch"},  {"arsinh", "arcsinh"},
      {"arcosh", "arccosh"}, {"artanh", "arctanh"}, {"arcoth", "arccoth"}, {"arsech", "arcsech"},
      {"arcsch", "arccsch"}, {"ceiling", "ceil"},   {"sgn", "sign"},       {"binomial", "binom"}};
  for (const auto& [spelling, usual] : kSpellings) {
    if (name == spelling) return std::string(usual);
  }
  return name;
}

int digit_value(char c) { return is_digit(c) ? c - '0' : c - 'A' + 10; }

}  // namespace

int Parser::number_in_base(int index, const std::string& text, std::string digits) {
  const auto base = base_of(text);
  if (!base || *base < 2 || *base > 36) return fail("a subscript that is no base");
  if (digits.empty()) digits = numerator(node(index).value).str();
  BigInt value = 0;
  for (char digit : digits) {
    if (digit_value(digit) >= *base) return fail("a digit above its base");
    value = value * *base + digit_value(digit);
  }
  node(index).value = Rational(value);
  node(index).name = "base " + std::to_string(*base) + " " + digits;
  return index;
}

// 1A_{16}: digits and capital letters side by side with a base above ten. Nothing is read when it
// is something else.
int Parser::digits_with_letters() {
  std::string digits;
  size_t ahead = 0;
  bool letters = false;
  for (;; ++ahead) {
    const Token& t = peek(ahead);
    const bool number =
        t.kind == TokenKind::kNumber && std::all_of(t.text.begin(), t.text.end(), is_digit);
    const bool letter =
        t.kind == TokenKind::kWord ||
        (t.kind == TokenKind::kName && t.text.size() == 1 && t.text[0] >= 'A' && t.text[0] <= 'Z');
    if ((!number && !letter) || (ahead > 0 && t.space_before) || digits.size() > 60) break;
    letters |= letter;
    for (char c : t.text) digits += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  if (!letters || !peek(ahead).is('_')) return kNoNode;
  if (!std::all_of(digits.begin(), digits.end(),
                   [](char c) { return is_digit(c) || is_letter(c); }))
    return kNoNode;
  std::string base;
  size_t end = ahead + 1;
  const bool group = peek(end).is('{');
  if (group) ++end;
  while (peek(end).kind == TokenKind::kNumber || peek(end).kind == TokenKind::kWord)
    base += peek(end++).text;
  if (group && !peek(end++).is('}')) return kNoNode;
  const auto value = base_of(base);
  if (!value || *value <= 10 || *value > 36) return kNoNode;
  for (char c : digits) {
    if (digit_value(c) >= *value) return kNoNode;
  }
  position_ = std::min(position_ + end, tokens_.size() - 1);
  return number_in_base(make(Kind::kNumber, {}), base, digits);
}

int Parser::number(const std::string& text) {
  if (text.size() > kMaxDigits)
    return fail("a number of " + std::to_string(text.size()) + " digits");
  if (const size_t repeat = text.find('r'); repeat != std::string::npos) {
    const int start = number(text.substr(0, repeat));  // 0.1 and a sixth of a tenth
    if (failed()) return kNoNode;
    const std::string period = text.substr(repeat + 1);
    const Rational scale(mp::pow(BigInt(10), static_cast<unsigned>(node(start).decimals)));
    const size_t first = period.find_first_not_of('0');
    const BigInt block(first == std::string::npos ? "0" : period.substr(first));
    const BigInt nines = mp::pow(BigInt(10), static_cast<unsigned>(period.size())) - 1;
    node(start).value += Rational(block) / (Rational(nines) * scale);
    node(start).decimals = 0;  // exact
    return start;
  }
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
  if (const int index = chosen(); index != kNoNode || failed()) return index;
  if (const int index = digits_with_letters(); index != kNoNode || failed()) return index;
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
      int inner = list();
      const std::string infix = peek().text;
      if (!failed() && peek().kind == TokenKind::kCommand &&
          (infix == "over" || infix == "choose")) {
        advance();  // {1 \over 2}
        const int bottom = list();
        inner = make(infix == "over" ? Kind::kDiv : Kind::kBinomial, {inner, bottom});
      }
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
      std::string brackets = {open == 'A' ? '(' : open, close.is('a') ? ')' : close.text[0]};
      return make(Kind::kTuple, std::move(found), brackets);
    }
    case ']': {  // ]a, b[ is an open interval
      outward_ = true;
      std::vector<int> found = items();
      outward_ = false;
      const bool closed = peek().is(']');
      if (failed() || found.size() != 2 || !(take('[') || take(']')))
        return fail("a stray bracket");
      return make(Kind::kTuple, std::move(found), closed ? "(]" : "()");
    }
    case 'S': {
      if (peek().kind == TokenKind::kBegin) {  // \\left\\{ \\begin{array} … \\right.
        const int inner = environment(true);
        take('s');
        return inner;
      }
      if (const int inner = conditions(); inner != kNoNode || failed()) return inner;
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

// {x | x > 2}, {x \\in \\mathbb{R} : x > 2}: the condition is the set.
int Parser::conditions() {
  if (peek().kind != TokenKind::kName) return kNoNode;
  size_t bar = 1;
  if (peek(1).is('E')) {
    bar = 3;
    if (peek(2).is('{') && peek(4).is('}')) bar = 5;
  }
  if (!peek(bar).is('|') && !peek(bar).is(':')) return kNoNode;
  position_ = std::min(position_ + bar + 1, tokens_.size() - 1);
  std::vector<int> found = items();
  if (failed()) return kNoNode;
  // {x | x = 2k, k in Z}: what is said of the letter stays beside it.
  const bool family =
      found.size() > 1 && std::all_of(found.begin() + 1, found.end(), [&](int item) {
        return node(item).kind == Kind::kRelation && node(item).name == "E";
      });
  if ((found.size() != 1 && !family) || !take('s')) return fail("a set with several conditions");
  return family ? make(Kind::kSet, std::move(found)) : found[0];
}

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
  if (peek().is('(') || peek().is('{')) {
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
  if (name == "bmod" || name == "pmod") return fail("a modulus of nothing");
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

// In aligned rows "&" only lays out, and a row that begins with a relation goes on the one before.
void Parser::join_chained_rows() {
  size_t end = position_;
  for (int open = 1; end < tokens_.size(); ++end) {
    open += tokens_[end].kind == TokenKind::kBegin;
    open -= tokens_[end].kind == TokenKind::kEnd;
    if (open == 0) break;
  }
  std::vector<Token> kept(tokens_.begin(),
                          tokens_.begin() + static_cast<std::ptrdiff_t>(position_));
  const auto is_relation = [](const Token& t) {
    return t.kind == TokenKind::kSymbol && std::string_view("=~<>LG").find(t.text[0]) != kNone;
  };
  for (size_t i = position_; i < tokens_.size(); ++i) {
    if (i < end && tokens_[i].is('&')) continue;
    if (i < end && tokens_[i].is('R')) {
      size_t next = i + 1;
      while (next < end && tokens_[next].is('&')) ++next;
      if (is_relation(tokens_[next])) continue;
    }
    kept.push_back(std::move(tokens_[i]));
  }
  tokens_ = std::move(kept);
}

int Parser::environment(bool as_lines) {
  const std::string name = peek().text;
  advance();
  const bool aligned = name.starts_with("align") || name == "gathered" || name == "split" ||
                       name.starts_with("equation") || name.starts_with("gather") ||
                       name == "displaymath" || name == "math" || name.starts_with("eqnarray");
  const bool lines = name == "cases" || aligned || as_lines;
  if (aligned) join_chained_rows();
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
  if (lines && cells.size() == 1) return cells[0];
  if (lines) return cells.empty() ? fail("nothing to read") : make(Kind::kList, std::move(cells));
  if (!cells.empty()) rows.push_back(make(Kind::kTuple, std::move(cells), "()"));
  if (rows.empty()) return fail("an empty matrix");
  const int matrix = make(Kind::kMatrix, std::move(rows));
  matrices_ = true;
  return name == "vmatrix" ? make(Kind::kCall, {matrix}, "det") : matrix;
}

}  // namespace ponder::judge
