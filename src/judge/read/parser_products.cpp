#include <algorithm>

#include "judge/read/evaluate.h"
#include "judge/read/parser.h"
#include "judge/read/units.h"
#include "judge/text.h"

namespace ponder::judge {

bool Parser::starts_factor() const {
  const Token& t = peek();
  switch (t.kind) {
    case TokenKind::kNumber:
    case TokenKind::kName:
    case TokenKind::kConstant:
    case TokenKind::kFunction:
    case TokenKind::kBegin:
      return true;
    case TokenKind::kCommand:
      return t.text != "over" && t.text != "choose" && t.text != "bmod" && t.text != "pmod";
    case TokenKind::kSymbol:
      if (t.is('(') && peek(1).kind == TokenKind::kCommand && peek(1).text == "bmod") return false;
      return t.is('(') || (t.is('[') && !outward_) || t.is('{') || t.is('F') || t.is('C') ||
             (t.is('|') && bars_ == 0);
    default:
      return false;
  }
}

int Parser::product(bool of_function) {
  int left = signed_factor();
  while (!failed()) {
    if (peek().kind == TokenKind::kCommand && peek().text == "bmod" && !of_function) {
      advance();
      left = make(Kind::kCall, {left, signed_factor()}, "mod");
    } else if (of_function && peek().is('*') && ends_argument(1)) {
      break;  // sin x * cos x
    } else if (take('*')) {
      left = times(left, signed_factor());
    } else if (peek().is('/') && peek(1).kind == TokenKind::kWord) {
      unit_words();  // 60 / hour
    } else if (peek().is('/')) {
      advance();
      const int right = signed_factor();
      left = mixed_number(left, right);
    } else if (peek().kind == TokenKind::kWord && factor_word(peek().text)) {
      const int factor = number(std::to_string(*factor_word(peek().text)));
      advance();
      left = times(left, factor);  // 1.5 million
    } else if (peek().kind == TokenKind::kWord && peek().text == "base" &&
               peek(1).kind == TokenKind::kNumber && is_plain_number(left)) {
      left = number_in_base(left, peek(1).text);
      position_ = std::min(position_ + 2, tokens_.size() - 1);
    } else if (peek().kind == TokenKind::kWord) {
      unit_words();
      if (peek().kind == TokenKind::kNumber) return fail("two amounts side by side");
    } else if (starts_factor() && !(of_function && peek().kind == TokenKind::kFunction)) {
      if (peek().kind == TokenKind::kNumber && is_plain_number(left)) {
        left = adjacent_numbers(left);
        continue;
      }
      if (const int whole = applied(left); whole != kNoNode || failed()) {
        left = whole;
        continue;
      }
      const bool fraction = peek().kind == TokenKind::kCommand && peek().text == "frac";
      const bool may_mix = fraction && is_plain_number(left);
      int right = may_mix ? atom() : postfix();
      if (failed()) return kNoNode;
      if (may_mix && !percent_or_degree_follows()) right = postfix_of(right);
      if (failed()) return kNoNode;
      const bool mixed = fraction && is_plain_number(left) && node(right).kind == Kind::kDiv &&
                         is_plain_number(node(right).children[0]) &&
                         is_plain_number(node(right).children[1]);
      left = mixed ? postfix_of(make(Kind::kAdd, {left, right})) : times(left, right);
    } else {
      break;
    }
  }
  return left;
}

namespace {

// A name, its subscript and primes apart.
std::string_view letter_of(const std::string& name) {
  return std::string_view(name).substr(0, name.find_first_of("_'"));
}

constexpr std::string_view kAny = "fghFGH", kOfOneName = "PQTSpquvwy";

// Greek letters whose (x) is an argument as often as a factor.
bool is_greek_of_one_name(std::string_view letter) {
  static constexpr std::array<std::string_view, 8> kLetters = {"phi", "varphi", "psi", "theta",
                                                               "rho", "eta",    "chi", "Phi"};
  return std::find(kLetters.begin(), kLetters.end(), letter) != kLetters.end();
}

bool may_be_function(const std::string& name) {
  const std::string_view letter = letter_of(name);
  if (letter.size() == 1)
    return kAny.find(letter[0]) != kNone || kOfOneName.find(letter[0]) != kNone;
  return name == "Gamma" || name == "zeta" || is_greek_of_one_name(letter);
}

// f always, others where what they are of looks like an argument: h(x), P(t), but not h(a + b).
bool is_function_of(const std::string& name, View argument) {
  const std::string_view letter = letter_of(name);
  if (letter == "f") return true;
  const Node& node = argument.get();
  if (letter.size() != 1) {
    return is_greek_of_one_name(letter) && node.kind == Kind::kName &&
           (node.name == "x" || node.name == "t");
  }
  const bool any = kAny.find(letter[0]) != kNone;
  if (node.kind == Kind::kNumber) return any;
  if (node.kind == Kind::kName)
    return any || (kOfOneName.find(letter[0]) != kNone && (node.name == "x" || node.name == "t"));
  return any && (mentions(argument, "x") || mentions(argument, "t"));
}

// \\Gamma(5), \\zeta(2), \\phi(12): of a number without names.
bool is_function_of_numbers(const std::string& name, View argument) {
  return (name == "Gamma" || name == "zeta" || name == "phi" || name == "varphi") &&
         argument.get().kind != Kind::kTuple && is_scalar(argument) && !has_names(argument);
}

}  // namespace

int Parser::applied(int left) {
  const bool group = peek().is('{') && peek(1).is('(');  // f{\\left(x\\right)}
  if ((!group && !peek().is('(')) || failed()) return kNoNode;
  const bool product = node(left).kind == Kind::kMul;
  const int last = product ? node(left).children.back() : left;
  if (node(last).kind != Kind::kName || !may_be_function(node(last).name)) return kNoNode;
  const int argument = atom();
  if (failed()) return kNoNode;
  const View of{&tree_, argument, 0};
  const std::string name = node(last).name;
  int whole = kNoNode;
  if (is_function_of_numbers(name, of)) {
    whole = make(Kind::kCall, {argument}, name == "varphi" ? "phi" : name);
  } else if (is_scalar(of) && is_function_of(name, of)) {
    whole = make(Kind::kApply, {last, argument});
  }
  if (failed()) return kNoNode;
  if (whole == kNoNode) return times(left, postfix_of(argument));
  whole = postfix_of(whole);
  if (failed() || !product) return whole;
  std::vector<int> factors = node(left).children;
  factors.back() = whole;
  return make(Kind::kMul, std::move(factors));
}

int Parser::times(int left, int right) {
  if (failed()) return kNoNode;
  if (node(left).kind == Kind::kMul) {
    node(left).children.push_back(right);
    node(left).height = std::max(node(left).height, node(right).height + 1);
    return left;
  }
  return make(Kind::kMul, {left, right});
}

bool Parser::is_plain_number(int index) {
  return node(index).kind == Kind::kNumber && node(index).decimals == 0 && node(index).name.empty();
}

int Parser::mixed_number(int left, int right) {
  if (failed()) return kNoNode;
  if (pending_whole_ != kNoNode) {
    const int fraction = make(Kind::kDiv, {left, right});
    const int whole = std::exchange(pending_whole_, kNoNode);
    return make(Kind::kAdd, {whole, fraction});
  }
  return make(Kind::kDiv, {left, right});
}

int Parser::adjacent_numbers(int left) {
  const Token number = peek();
  if (peek(1).is('/') && peek(2).kind == TokenKind::kNumber) {
    pending_whole_ = left;
    return atom();
  }
  const bool group = number.text.size() == 3 && number.space_before;
  if (!group || node(left).value >= Rational(BigInt("1000000000000000"))) {
    return fail("two numbers side by side");
  }
  const int right = atom();  // 10 000
  if (failed()) return kNoNode;
  node(left).value = node(left).value * 1000 + node(right).value;
  return left;
}

// "miles per hour", "kg \\cdot m / s^2": words become the measure of the number before them.
void Parser::unit_words() {
  Measure measure;
  int sign = 1;  // -1 for the next word only
  const auto is_unit_name = [&](size_t ahead) {
    return peek(ahead).kind == TokenKind::kWord ||
           (peek(ahead).kind == TokenKind::kName && is_unit_letter(peek(ahead).text));
  };
  while (!failed()) {
    if ((peek().is('/') || peek().is('*')) && is_unit_name(1)) {
      sign = peek().is('/') ? -1 : 1;
      advance();
    }
    if (peek().kind != TokenKind::kWord &&
        !(!measure.empty() && is_unit_name(0) && tokens_[position_ - 1].is(sign < 0 ? '/' : '*')))
      break;
    const std::string word = peek().text;
    advance();
    if (word == "per") {
      sign = -1;
      continue;
    }
    if ((word == "squared" || word == "cubed") && !measure.empty()) {
      measure.back().power *= word == "squared" ? 2 : 3;
      continue;
    }
    if (measure.size() < 16) measure.push_back({word, sign});
    sign = word == "square" || word == "cubic" ? sign : 1;
    if (!peek().is('^')) continue;
    advance();
    const bool group = take('{');
    const bool negative = take('-');
    if (peek().kind == TokenKind::kNumber) {
      if (peek().text.size() == 1)
        measure.back().power *= (negative ? -1 : 1) * (peek().text[0] - '0');
      advance();
    }
    if (group && !take('}')) fail("a unit with an odd power");
  }
  if (!measure.empty() && tree_.measures.size() < 64) tree_.measures.push_back(std::move(measure));
}

int Parser::signed_factor() {
  if (++depth_ > kMaxDepth) return fail("too deep");
  int index;
  if (take('-')) {
    index = signed_factor();
    index = make(Kind::kNeg, {index});
  } else if (take('+')) {
    index = signed_factor();
  } else {
    index = postfix();
  }
  --depth_;
  return index;
}

int Parser::postfix() { return postfix_of(atom()); }

// 33\\frac13\\% is a percentage of the mixed number.
bool Parser::percent_or_degree_follows() const {
  return peek().is('%') || peek().is('D') ||
         (peek().is('^') && (peek(1).is('D') || (peek(1).is('{') && peek(2).is('D'))));
}

// "\\sin x \\cdot \\cos x", "\\ln 2 \\cdot \\frac12": what follows the sign is no part of the argument.
bool Parser::ends_argument(size_t ahead) const {
  const Token& next = peek(ahead);
  return next.kind == TokenKind::kFunction || next.is('(') ||
         (next.kind == TokenKind::kCommand && next.text == "frac");
}

int Parser::postfix_of(int index) {
  while (!failed()) {
    if (peek().is('!') && peek(1).is('!')) {
      position_ = std::min(position_ + 2, tokens_.size() - 1);
      index = make(Kind::kFactorial, {index}, "!!");
    } else if (take('!')) {
      index = make(Kind::kFactorial, {index});
    } else if (take('%')) {
      index = make(Kind::kPercent, {index});
    } else if (take('D')) {
      index = degrees(index);
    } else if (take('\'')) {
      if (node(index).kind != Kind::kName) return fail("a prime without a name");
      node(index).name += '\'';
    } else if (peek().is('_')) {
      advance();
      index = subscript(index);
    } else if (peek().is('^')) {
      advance();
      index = power(index);
    } else {
      break;
    }
  }
  return index;
}

// 30^\circ 15' 20'': minutes and seconds are sixtieths. The sign may also stand before the unit: 5
// ^\circ C.
int Parser::degrees(int index) {
  if (failed()) return kNoNode;
  std::vector<int> parts = {index};
  for (int divisor = 60; divisor <= 3600 && peek().kind == TokenKind::kNumber; divisor *= 60) {
    if (peek(1).kind == TokenKind::kWord &&
        (peek(1).text == (divisor == 60 ? "minute" : "second") ||
         peek(1).text == (divisor == 60 ? "minutes" : "seconds"))) {
      const int value = number(peek().text);
      position_ = std::min(position_ + 2, tokens_.size() - 1);
      parts.push_back(make(Kind::kDiv, {value, number(std::to_string(divisor))}));
      continue;
    }
    size_t marks = 0;
    while (peek(1 + marks).is('\'')) ++marks;
    const bool power = peek(1).is('^') && peek(2).is('{') && peek(3).is('\'');
    if (power) {
      marks = 1;
      while (peek(3 + marks).is('\'')) ++marks;
    }
    if (marks == 0 || marks > 2 || (marks == 2) != (divisor == 3600)) break;
    const int value = number(peek().text);
    position_ = std::min(position_ + 1 + marks + (power ? 3 : 0), tokens_.size() - 1);
    parts.push_back(make(Kind::kDiv, {value, number(std::to_string(divisor))}));
  }
  if (parts.size() > 1) index = make(Kind::kAdd, std::move(parts));
  // 20 degrees Celsius, 20^\\circ C
  const std::string& next = peek().text;
  const bool letter = peek().kind == TokenKind::kName && (next == "C" || next == "F");
  const bool word = peek().kind == TokenKind::kWord && (next == "celsius" || next == "fahrenheit");
  if ((letter || word) && (peek(1).kind == TokenKind::kFinish || peek(1).is('}'))) {
    tree_.measures.push_back({{next == "C" || next == "celsius" ? "celsius" : "fahrenheit", 1}});
    advance();
  }
  return make(Kind::kDegree, {index});
}

int Parser::power(int base) {
  if (take('D')) return degrees(base);
  if (peek().is('*') && node(base).kind == Kind::kName) {  // v^*
    advance();
    node(base).name += '*';
    return base;
  }
  if (peek().is('{') && peek(1).is('D') && peek(2).is('}')) {
    position_ += 3;
    return degrees(base);
  }
  if ((peek().is('{') && peek(1).is('\'')) || peek().is('\'')) return fail("a prime as a power");
  const bool group_of_word = peek().is('{') && peek(1).kind == TokenKind::kWord;
  if (peek().kind == TokenKind::kWord || group_of_word) {  // 11^{\text{th}}
    const bool group = take('{');
    advance();
    if (group && !take('}')) return fail("a power in words");
    return base;
  }
  const int exponent = script();
  if (failed()) return kNoNode;
  if (node(base).kind == Kind::kTuple && node(exponent).kind == Kind::kName &&
      node(exponent).name == "T")
    return base;  // [1, 2]^T
  return make(Kind::kPow, {base, exponent});
}

int Parser::script() {
  if (++depth_ > kMaxDepth) return fail("too deep");
  int index;
  if (take('-')) {
    index = make(Kind::kNeg, {script()});
  } else if (peek().is('^') || peek().is('_')) {
    index = fail("a power of a power without braces");
  } else {
    index = atom();
  }
  --depth_;
  return index;
}

int Parser::subscript(int base) {
  std::string text;
  if (take('{')) {
    for (int open = 1; !failed(); advance()) {
      if (peek().kind == TokenKind::kFinish || text.size() > 60)
        return fail("an unclosed subscript");
      if (peek().is('{')) {
        ++open;
      } else if (!peek().is('}')) {
        text += peek().text;
      } else if (--open == 0) {
        break;
      }
    }
    advance();
  } else {
    text = peek().text;
    advance();
  }
  // v^2_0 is (v_0)^2.
  Node& n = node(base).kind == Kind::kPow ? node(node(base).children[0]) : node(base);
  if (n.kind == Kind::kName || n.kind == Kind::kConstant) {
    n.kind = Kind::kName;
    const size_t primes = std::min(n.name.find('\''), n.name.size());  // f'_1 is f_1'
    n.name.insert(primes, '_' + text);
    return base;
  }
  if (!is_plain_number(base)) return fail("a subscript on neither name nor number");
  return number_in_base(base, text);
}

}  // namespace ponder::judge
