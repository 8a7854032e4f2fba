// Integrals, limits and functions by pieces.
#include <algorithm>
#include <array>

#include "judge/read/derivative.h"
#include "judge/read/parser.h"
#include "judge/text.h"

namespace ponder::judge {

// \\int \\frac{2 dx}{x} as \\int \\frac{2}{x} dx.
void Parser::move_variable_out() {
  if (peek().kind != TokenKind::kCommand || peek().text != "frac" || !peek(1).is('{')) return;
  size_t top = position_ + 1, bottom = 0;
  for (int part = 0; part < 2; ++part) {
    size_t end = part == 0 ? top : bottom;
    if (!tokens_[end].is('{')) return;
    for (int open = 0; tokens_[end].kind != TokenKind::kFinish; ++end) {
      open += tokens_[end].is('{');
      open -= tokens_[end].is('}');
      if (open == 0) break;
    }
    if (tokens_[end].kind == TokenKind::kFinish) return;
    (part == 0 ? bottom : top) = end + 1;
  }
  const size_t after = top, close = bottom - 1;  // behind the fraction, and its first brace
  const auto at = [&](size_t i) { return tokens_.begin() + static_cast<std::ptrdiff_t>(i); };
  if (close < position_ + 4 || tokens_[close - 1].kind != TokenKind::kName ||
      tokens_[close - 2].kind != TokenKind::kName || tokens_[close - 2].text != "d")
    return;
  const std::vector<Token> variable(at(close - 2), at(close));
  tokens_.insert(at(after), variable.begin(), variable.end());
  size_t begin = close - 2;
  if (tokens_[begin - 1].is('*')) --begin;
  tokens_.erase(at(begin), at(close));
  if (tokens_[begin - 1].is('{')) tokens_.insert(at(begin), Token{TokenKind::kNumber, "1", false});
}

// \\int_0^1 x^2 \\, dx: up to the d of its variable, sums too.
int Parser::integral() {
  int low = kNoNode, high = kNoNode;
  for (int i = 0; i < 2 && !failed(); ++i) {
    if (low == kNoNode && take('_'))
      low = script();
    else if (high == kNoNode && take('^'))
      high = script();
  }
  if (failed() || (low == kNoNode) != (high == kNoNode)) return fail("an integral with one bound");
  move_variable_out();
  size_t end = position_;
  for (int open = 0;; ++end) {
    const Token& token = tokens_[end];
    if (token.kind == TokenKind::kFinish || token.kind == TokenKind::kEnd || open < 0 ||
        (token.kind == TokenKind::kCommand && token.text == "int"))
      return fail("an integral without its variable");
    if (token.kind == TokenKind::kSymbol) {
      open += std::string_view("{([S").find(token.text[0]) != kNone;
      open -= std::string_view("})]s").find(token.text[0]) != kNone;
    }
    if (open == 0 && token.kind == TokenKind::kName && token.text == "d" &&
        tokens_[end + 1].kind == TokenKind::kName)
      break;
  }
  const std::string variable = tokens_[end + 1].text;
  const bool empty = position_ == end;
  tokens_[end].kind = TokenKind::kFinish;
  const int integrand = empty ? number("1") : sum();
  if (position_ != end) return fail("an integrand that goes on");
  tokens_[end].kind = TokenKind::kName;
  position_ = end + 2;
  if (empty && starts_factor()) return fail("an integrand behind its variable");
  if (low == kNoNode) return make(Kind::kIntegral, {integrand}, variable);
  return make(Kind::kIntegral, {low, high, integrand}, variable);
}

// Behind \\frac: {d}{dx}, {d^2}{dx^2}, {\\partial}{\\partial x} and what they are of, or {dy}{dx}.
int Parser::differential() {
  const auto is_d = [&](size_t ahead) {
    return peek(ahead).kind == TokenKind::kName &&
           (peek(ahead).text == "d" || peek(ahead).text == "partial");
  };
  // "^2" or "^{2}" at `ahead`, which moves behind it: 1 where there is none, 0 for another power.
  const auto order_at = [&](size_t& ahead) {
    if (!peek(ahead).is('^')) return 1;
    const bool group = peek(ahead + 1).is('{');
    const Token& digit = peek(ahead + 1 + group);
    if (digit.kind != TokenKind::kNumber || digit.text.size() != 1 ||
        (group && !peek(ahead + 3).is('}')))
      return 0;
    ahead += 2 + 2 * static_cast<size_t>(group);
    const int order = digit.text[0] - '0';
    return order <= 4 ? order : 0;
  };
  size_t ahead = 2;
  if (!peek().is('{') || !is_d(1)) return kNoNode;
  const int order = order_at(ahead);
  const bool called = peek(ahead).kind == TokenKind::kName && peek(ahead + 1).is('(') &&
                      peek(ahead + 2).kind == TokenKind::kName && peek(ahead + 3).is(')');
  const bool named = peek(ahead).kind == TokenKind::kName && (called || peek(ahead + 1).is('}'));
  const std::string function = named ? peek(ahead).text : "";
  const std::string argument = called ? peek(ahead + 2).text : "";  // {d f(x)}{dx}
  ahead += called ? 4 : named;
  if (order == 0 || !peek(ahead).is('}') || !peek(ahead + 1).is('{') || !is_d(ahead + 2) ||
      peek(ahead + 3).kind != TokenKind::kName)
    return kNoNode;
  const std::string variable = peek(ahead + 3).text;
  ahead += 4;
  if (order_at(ahead) != order || !peek(ahead).is('}')) return kNoNode;
  const size_t begin = position_;
  position_ = std::min(position_ + ahead + 1, tokens_.size() - 1);
  if (named) {
    const int slope =
        make(Kind::kName, {}, function + std::string(static_cast<size_t>(order), '\''));
    if (!called || failed()) return slope;
    return make(Kind::kApply, {slope, make(Kind::kName, {}, argument)});
  }
  if (!starts_factor()) {  // the sign alone
    position_ = begin;
    return kNoNode;
  }
  std::optional<int> result = product();
  for (int i = 0; i < order && result && !failed(); ++i)
    result = derivative(tree_, *result, variable);
  return result ? *result : fail("a derivative that is not worked out");
}

// dy/dx, as y'.
int Parser::slashed_differential() {
  const auto is_name = [&](size_t ahead, std::string_view text) {
    return peek(ahead).kind == TokenKind::kName && (text.empty() || peek(ahead).text == text);
  };
  if (!is_name(0, "d") || !is_name(1, "") || !peek(2).is('/') || !is_name(3, "d") ||
      !is_name(4, "") || peek(1).space_before || peek(4).space_before)
    return kNoNode;
  const std::string name = peek(1).text + '\'';
  position_ = std::min(position_ + 5, tokens_.size() - 1);
  return make(Kind::kName, {}, name);
}

// \\lim_{x \\to 0^+} f: of all that follows, as sums have the sum of the limits.
int Parser::limit() {
  static constexpr std::array<std::string_view, 3> kArrows = {"to", "rightarrow", "longrightarrow"};
  if (!take('_') || !take('{') || peek().kind != TokenKind::kName)
    return fail("a limit without its variable");
  const std::string variable = peek().text;
  advance();
  // Other arrows, \\Rightarrow and →, only dress and left no token.
  if (peek().kind == TokenKind::kUnknown &&
      std::find(kArrows.begin(), kArrows.end(), peek().text) != kArrows.end())
    advance();
  // The sign at the end: 3^+, 3^{-}, 0+.
  size_t end = position_;
  for (int open = 1; open > 0 && tokens_[end].kind != TokenKind::kFinish; ++end) {
    open += tokens_[end].is('{');
    open -= tokens_[end].is('}');
  }
  --end;  // the closing brace
  int side = 0;
  const bool group = end > position_ + 3 && tokens_[end - 1].is('}') && tokens_[end - 3].is('{');
  const size_t sign = end - (group ? 2 : 1);
  if (sign > position_ && (tokens_[sign].is('+') || tokens_[sign].is('-'))) {
    side = tokens_[sign].is('+') ? 1 : -1;
    size_t begin = sign - (group ? 1 : 0);
    if (begin > position_ + 1 && tokens_[begin - 1].is('^')) --begin;
    tokens_.erase(tokens_.begin() + static_cast<std::ptrdiff_t>(begin),
                  tokens_.begin() + static_cast<std::ptrdiff_t>(end));
  }
  const int target = sum();
  if (!take('}')) return fail("a limit that is not closed");
  const int index = make(Kind::kLimit, {target, sum()}, variable);
  if (index != kNoNode) node(index).value = side;
  return index;
}

// "x & \\text{if } x > 0 \\\\ -x & \\text{otherwise}": two cells a row, the second a condition.
int Parser::cases() {
  static constexpr std::array<std::string_view, 5> kLeads = {"if", "when", "for", "where", "as"};
  static constexpr std::array<std::string_view, 4> kElse = {"otherwise", "else", "elsewhere",
                                                            "other"};
  const auto is_one_of = [](const Token& token, const auto& words) {
    return token.kind == TokenKind::kWord &&
           std::find(words.begin(), words.end(), token.text) != words.end();
  };
  const size_t begin = position_;
  size_t open = 1, end = begin;
  bool conditions = true, cell = false;  // every row goes on behind its one "&"
  size_t marks = 0;
  for (; open > 0; ++end) {
    const Token& token = tokens_[end];
    if (token.kind == TokenKind::kFinish) return kNoNode;
    open += token.kind == TokenKind::kBegin;
    open -= token.kind == TokenKind::kEnd;
    if (open == 0 || (open == 1 && token.is('R'))) {
      conditions &= marks == 1 || !cell;
      marks = 0;
      cell = false;
    } else if (open == 1 && token.is('&')) {
      conditions &= cell;
      ++marks;
    } else {
      if (marks > 0 && tokens_[end - 1].is('&') && token.kind == TokenKind::kSymbol)
        conditions &= std::string_view("=~NLG<>").find(token.text[0]) == kNone;
      cell = true;
    }
  }
  if (!conditions) return kNoNode;
  std::vector<int> parts;
  while (!failed() && peek().kind != TokenKind::kEnd) {
    if (take('R') || take(',') || take('&')) continue;
    const bool condition = parts.size() % 2 == 1;
    while (condition && is_one_of(peek(), kLeads)) advance();
    if (condition && is_one_of(peek(), kElse)) {
      advance();
      parts.push_back(make(Kind::kText, {}, "otherwise"));
      continue;
    }
    parts.push_back(relation());
    if (failed() || !condition) continue;
    const Kind kind = node(parts.back()).kind;
    if (kind == Kind::kRelation || (kind == Kind::kTuple && node(parts.back()).name.size() == 3))
      continue;
    return fail("a piece without its condition");
  }
  if (failed() || parts.empty() || parts.size() % 2 != 0)
    return fail("a piece without its condition");
  advance();
  return make(Kind::kCases, std::move(parts));
}

}  // namespace ponder::judge
