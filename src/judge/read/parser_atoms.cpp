#include <algorithm>

#include "judge/read/evaluate.h"
#include "judge/read/parser.h"
#include "judge/text.h"

namespace ponder::judge {

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
      if (const int index = slashed_differential(); index != kNoNode) return index;
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
  const std::string domain = bar == 3 ? peek(2).text : bar == 5 ? peek(3).text : "";
  position_ = std::min(position_ + bar + 1, tokens_.size() - 1);
  std::vector<int> found = items();
  if (failed()) return kNoNode;
  // {x | x = 2k, k in Z}: what is said of the letter stays beside it.
  const bool family =
      found.size() > 1 && std::all_of(found.begin() + 1, found.end(), [&](int item) {
        return node(item).kind == Kind::kRelation && node(item).name == "E";
      });
  if ((found.size() != 1 && !family) || !take('s')) return fail("a set with several conditions");
  if (domain == "Z" || domain == "N") return whole_numbers(found[0], domain == "N");
  return family ? make(Kind::kSet, std::move(found)) : found[0];
}

// {n in Z : 1 <= n <= 3}: the numbers themselves.
int Parser::whole_numbers(int condition, bool natural) {
  const Node range = node(condition);
  const auto is_below = [](char sign) { return sign == '<' || sign == 'L'; };
  const bool chain = range.kind == Kind::kRelation && range.children.size() == 3 &&
                     is_below(range.name[0]) && is_below(range.name[1]) &&
                     node(range.children[1]).kind == Kind::kName;
  Budget budget;
  const auto low = chain ? exact_value({&tree_, range.children[0], 0}, budget) : std::nullopt;
  const auto high = chain ? exact_value({&tree_, range.children[2], 0}, budget) : std::nullopt;
  if (!low || !high || *high - *low > 100) return fail("a set of whole numbers");
  std::vector<int> members;
  const Rational from = mp::abs(*low) > 1000000000 ? Rational(0) : *low;
  const long first = static_cast<long>(static_cast<double>(from)) - 1;
  for (long n = first; n <= first + 103 && !failed(); ++n) {
    const Rational value(n);
    const bool above = range.name[0] == '<' ? value > *low : value >= *low;
    const bool below = range.name[1] == '<' ? value < *high : value <= *high;
    if (!above || !below || (natural && n < 1)) continue;
    members.push_back(number("0"));
    if (!failed()) node(members.back()).value = value;
  }
  if (failed() || members.empty()) return fail("a set of whole numbers");
  return make(Kind::kSet, std::move(members));
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
  if (name == "cases" || name == "dcases" || name == "rcases" || as_lines) {
    if (const int index = cases(); index != kNoNode || failed()) return index;
  }
  const bool aligned = name.starts_with("align") || name == "gathered" || name == "split" ||
                       name.starts_with("equation") || name.starts_with("gather") ||
                       name == "displaymath" || name == "math" || name.starts_with("eqnarray");
  const bool lines = name == "cases" || aligned || as_lines;
  if (lines) join_chained_rows();
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
