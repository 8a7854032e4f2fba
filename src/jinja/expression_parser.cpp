#include "jinja/expression_parser.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/error.h"

namespace ponder::jinja {
namespace {

using Kind = Expression::Kind;

ExpressionPointer make(Kind kind, int line, std::string name = {}) {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = line;
  made->name = std::move(name);
  return made;
}

ExpressionPointer make_literal(Value value, int line) {
  ExpressionPointer made = make(Kind::kLiteral, line);
  made->value = std::move(value);
  return made;
}

ExpressionPointer joined(Kind kind, int line, std::string name, ExpressionPointer a,
                         ExpressionPointer b) {
  ExpressionPointer made = make(kind, line, std::move(name));
  made->parts.push_back(std::move(a));
  made->parts.push_back(std::move(b));
  return made;
}

constexpr std::array<std::string_view, 6> kComparisons = {"==", "!=", "<", "<=", ">", ">="};

}  // namespace

const Token& TokenStream::next() {
  const Token& token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TokenStream::skip(std::string_view operator_text) {
  if (!peek().is(operator_text)) return false;
  next();
  return true;
}

bool TokenStream::skip_name(std::string_view name) {
  if (!peek().is_name(name)) return false;
  next();
  return true;
}

void TokenStream::expect(std::string_view operator_text) {
  if (!skip(operator_text))
    fail(peek().line, fmt::format("expected \"{}\", found {}", operator_text, describe(peek())));
}

std::string TokenStream::expect_name(const char* what) {
  if (peek().kind != Token::Kind::kName)
    fail(peek().line, fmt::format("expected {}, found {}", what, describe(peek())));
  return next().text;
}

void TokenStream::fail(int line, const std::string& problem) const {
  throw Error(fmt::format("{}:{}", where_, line), problem);
}

std::string TokenStream::describe(const Token& token) const {
  switch (token.kind) {
    case Token::Kind::kBlockEnd:
    case Token::Kind::kVariableEnd:
      return "the tag's end";
    case Token::Kind::kEnd:
      return "the text's end";
    case Token::Kind::kString:
      return fmt::format("the text \"{}\"", excerpt(token.text, 24));
    default:
      return fmt::format("\"{}\"", excerpt(token.text, 24));
  }
}

// Every way down comes through expression(), unary() or negation().
struct ExpressionParser::Nesting {
  explicit Nesting(ExpressionParser& of) : parser(of) {
    if (++parser.depth_ > 100)
      parser.tokens_.fail(parser.tokens_.peek().line, "expressions within each other, over 100");
  }
  ~Nesting() { --parser.depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  ExpressionParser& parser;
};

ExpressionPointer ExpressionParser::expression() {
  const Nesting nesting(*this);
  return conditional();
}

ExpressionPointer ExpressionParser::tuple_or_expression(bool conditional) {
  const auto one = [&] { return conditional ? expression() : either(); };
  ExpressionPointer first = one();
  if (!tokens_.peek().is(",")) return first;
  ExpressionPointer tuple = make(Kind::kTuple, first->line);
  tuple->parts.push_back(std::move(first));
  while (tokens_.skip(",")) {
    const Token& token = tokens_.peek();
    if (token.kind == Token::Kind::kBlockEnd || token.kind == Token::Kind::kVariableEnd ||
        token.is(")"))
      break;
    tuple->parts.push_back(one());
  }
  return tuple;
}

ExpressionPointer ExpressionParser::conditional() {
  ExpressionPointer value = either();
  while (tokens_.peek().is_name("if")) {
    const int line = tokens_.next().line;
    ExpressionPointer condition = either();
    ExpressionPointer made =
        joined(Kind::kConditional, line, "", std::move(value), std::move(condition));
    made->parts.push_back(tokens_.skip_name("else") ? expression() : nullptr);
    value = std::move(made);
  }
  return value;
}

ExpressionPointer ExpressionParser::either() {
  ExpressionPointer left = both();
  while (tokens_.peek().is_name("or")) {
    const int line = tokens_.next().line;
    left = joined(Kind::kBinary, line, "or", std::move(left), both());
  }
  return left;
}

ExpressionPointer ExpressionParser::both() {
  ExpressionPointer left = negation();
  while (tokens_.peek().is_name("and")) {
    const int line = tokens_.next().line;
    left = joined(Kind::kBinary, line, "and", std::move(left), negation());
  }
  return left;
}

ExpressionPointer ExpressionParser::negation() {
  if (!tokens_.peek().is_name("not")) return comparison();
  const Nesting nesting(*this);
  ExpressionPointer made = make(Kind::kUnary, tokens_.next().line, "not");
  made->parts.push_back(negation());
  return made;
}

ExpressionPointer ExpressionParser::comparison() {
  ExpressionPointer first = binary(0);
  ExpressionPointer made;
  while (true) {
    const Token& token = tokens_.peek();
    std::string found;
    for (const std::string_view each : kComparisons) {
      if (token.is(each)) found = each;
    }
    if (token.is_name("in")) found = "in";
    if (token.is_name("not") && tokens_.peek(1).is_name("in")) found = "not in";
    if (found.empty()) break;
    const int line = tokens_.next().line;
    if (found == "not in") tokens_.next();
    if (!made) {
      made = make(Kind::kCompare, line);
      made->parts.push_back(std::move(first));
    }
    made->operators.push_back(found);
    made->parts.push_back(binary(0));
  }
  return made ? std::move(made) : std::move(first);
}

ExpressionPointer ExpressionParser::binary(size_t level) {
  constexpr std::array<std::array<std::string_view, 4>, 4> kLevels = {
      {{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}};
  if (level == kLevels.size()) return unary();
  ExpressionPointer left = binary(level + 1);
  while (true) {
    const Token& token = tokens_.peek();
    std::string_view found;
    for (const std::string_view each : kLevels[level]) {
      if (!each.empty() && token.is(each)) found = each;
    }
    if (found.empty()) return left;
    const int line = tokens_.next().line;
    left = joined(Kind::kBinary, line, std::string(found), std::move(left), binary(level + 1));
  }
}

ExpressionPointer ExpressionParser::unary(bool with_filters) {
  const Nesting nesting(*this);
  const Token& token = tokens_.peek();
  ExpressionPointer made;
  if (token.is("-") || token.is("+")) {
    made = make(Kind::kUnary, token.line, token.text);
    tokens_.next();
    made->parts.push_back(unary(false));
  } else {
    made = primary();
  }
  made = postfix(std::move(made));
  return with_filters ? filters(std::move(made)) : std::move(made);
}

ExpressionPointer ExpressionParser::primary() {
  const Token token = tokens_.next();
  switch (token.kind) {
    case Token::Kind::kName: {
      if (token.text == "true" || token.text == "True")
        return make_literal(Value::boolean(true), token.line);
      if (token.text == "false" || token.text == "False")
        return make_literal(Value::boolean(false), token.line);
      if (token.text == "none" || token.text == "None")
        return make_literal(Value::none(), token.line);
      return make(Kind::kName, token.line, token.text);
    }
    case Token::Kind::kString: {
      std::string text = token.text;  // strings that stand side by side are one
      while (tokens_.peek().kind == Token::Kind::kString) text += tokens_.next().text;
      return make_literal(Value::string(std::move(text)), token.line);
    }
    case Token::Kind::kInteger:
    case Token::Kind::kFloat: {
      const char* const end = token.text.data() + token.text.size();
      int64_t integer = 0;
      double number = 0;
      const bool whole = token.kind == Token::Kind::kInteger;
      const auto result = whole ? std::from_chars(token.text.data(), end, integer)
                                : std::from_chars(token.text.data(), end, number);
      if (result.ec != std::errc() || result.ptr != end)
        tokens_.fail(token.line, fmt::format("the number {} is too large", token.text));
      return make_literal(whole ? Value::integer(integer) : Value::number(number), token.line);
    }
    default:
      break;
  }
  if (token.is("(")) {
    if (tokens_.skip(")")) return make(Kind::kTuple, token.line);
    ExpressionPointer within = tuple_or_expression();
    tokens_.expect(")");
    return within;
  }
  if (token.is("[")) {
    ExpressionPointer list = make(Kind::kList, token.line);
    while (!tokens_.skip("]")) {
      if (!list->parts.empty()) tokens_.expect(",");
      if (tokens_.skip("]")) break;
      list->parts.push_back(expression());
    }
    return list;
  }
  if (token.is("{")) {
    ExpressionPointer dict = make(Kind::kDict, token.line);
    while (!tokens_.skip("}")) {
      if (!dict->parts.empty()) tokens_.expect(",");
      if (tokens_.skip("}")) break;
      dict->parts.push_back(expression());
      tokens_.expect(":");
      dict->parts.push_back(expression());
    }
    return dict;
  }
  tokens_.fail(token.line, fmt::format("expected a value, found {}", tokens_.describe(token)));
}

ExpressionPointer ExpressionParser::postfix(ExpressionPointer of) {
  while (true) {
    const int line = tokens_.peek().line;
    if (tokens_.skip(".")) {
      const Token token = tokens_.next();
      if (token.kind == Token::Kind::kInteger) {
        int64_t index = 0;
        std::from_chars(token.text.data(), token.text.data() + token.text.size(), index);
        of =
            joined(Kind::kItem, line, "", std::move(of), make_literal(Value::integer(index), line));
        continue;
      }
      if (token.kind != Token::Kind::kName)
        tokens_.fail(line,
                     fmt::format("expected a name after \".\", found {}", tokens_.describe(token)));
      ExpressionPointer made = make(Kind::kAttribute, line, token.text);
      made->parts.push_back(std::move(of));
      of = std::move(made);
    } else if (tokens_.skip("[")) {
      of = subscript(std::move(of), line);
    } else if (tokens_.skip("(")) {
      ExpressionPointer call = make(Kind::kCall, line);
      call->parts.push_back(std::move(of));
      arguments(*call);
      of = std::move(call);
    } else {
      return of;
    }
  }
}

ExpressionPointer ExpressionParser::subscript(ExpressionPointer of, int line) {
  std::array<ExpressionPointer, 3> bounds;
  size_t num_colons = 0;
  while (!tokens_.peek().is("]")) {
    if (tokens_.skip(":")) {
      if (++num_colons > 2) tokens_.fail(line, "a slice has at most two colons");
    } else if (bounds[num_colons]) {
      tokens_.fail(line, fmt::format("expected \"]\", found {}", tokens_.describe(tokens_.peek())));
    } else {
      bounds[num_colons] = expression();
    }
  }
  tokens_.expect("]");
  if (num_colons == 0) {
    if (!bounds[0]) tokens_.fail(line, "nothing stands between [ and ]");
    return joined(Kind::kItem, line, "", std::move(of), std::move(bounds[0]));
  }
  ExpressionPointer slice = make(Kind::kSlice, line);
  slice->parts.push_back(std::move(of));
  for (ExpressionPointer& bound : bounds) slice->parts.push_back(std::move(bound));
  return slice;
}

void ExpressionParser::arguments(Expression& call) {
  bool first = true;
  while (!tokens_.skip(")")) {
    if (!first) tokens_.expect(",");
    if (!first && tokens_.skip(")")) return;
    first = false;
    if (tokens_.peek().is("*") || tokens_.peek().is("**"))
      tokens_.fail(call.line, "arguments with * and ** are not supported");
    if (tokens_.peek().kind == Token::Kind::kName && tokens_.peek(1).is("=")) {
      std::string name = tokens_.next().text;
      tokens_.next();
      call.named.push_back({std::move(name), expression()});
    } else {
      if (!call.named.empty())
        tokens_.fail(call.line, "an argument without a name after named ones");
      call.parts.push_back(expression());
    }
  }
}

ExpressionPointer ExpressionParser::filter(ExpressionPointer of) {
  const int line = tokens_.peek().line;
  ExpressionPointer made = make(Kind::kFilter, line, tokens_.expect_name("a filter's name"));
  made->parts.push_back(std::move(of));
  if (tokens_.skip("(")) arguments(*made);
  return made;
}

ExpressionPointer ExpressionParser::filters(ExpressionPointer of) {
  while (true) {
    const int line = tokens_.peek().line;
    if (tokens_.skip("|")) {
      of = filter(std::move(of));
    } else if (tokens_.peek().is_name("is")) {
      of = test(std::move(of));
    } else if (of && tokens_.peek().is("(")) {
      tokens_.next();
      ExpressionPointer call = make(Kind::kCall, line);
      call->parts.push_back(std::move(of));
      arguments(*call);
      of = std::move(call);
    } else {
      return of;
    }
  }
}

ExpressionPointer ExpressionParser::test(ExpressionPointer of) {
  const int line = tokens_.next().line;
  const bool negated = tokens_.skip_name("not");
  ExpressionPointer made = make(Kind::kTest, line, tokens_.expect_name("a test's name"));
  made->parts.push_back(std::move(of));
  const Token& token = tokens_.peek();
  const bool value_follows =
      (token.kind == Token::Kind::kName && !token.is_name("else") && !token.is_name("or") &&
       !token.is_name("and") && !token.is_name("if") && !token.is_name("is") &&
       !token.is_name("in") && !token.is_name("not")) ||
      token.kind == Token::Kind::kString || token.kind == Token::Kind::kInteger ||
      token.kind == Token::Kind::kFloat || token.is("[") || token.is("{");
  if (tokens_.skip("(")) {
    arguments(*made);
  } else if (value_follows) {
    const Nesting nesting(*this);
    made->parts.push_back(postfix(primary()));
  }
  if (!negated) return made;
  ExpressionPointer inverse = make(Kind::kUnary, line, "not");
  inverse->parts.push_back(std::move(made));
  return inverse;
}

}  // namespace ponder::jinja
