// Expressions, with Jinja's precedences.
#pragma once

#include <string>
#include <vector>

#include "jinja/lexer.h"
#include "jinja/syntax.h"

namespace ponder::jinja {

// Tokens one after the other; shared with the parser of statements.
class TokenStream {
 public:
  TokenStream(std::vector<Token> tokens, const std::string& where)
      : tokens_(std::move(tokens)), where_(where) {}

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& next();
  bool skip(std::string_view operator_text);
  bool skip_name(std::string_view name);
  void expect(std::string_view operator_text);
  std::string expect_name(const char* what);
  [[noreturn]] void fail(int line, const std::string& problem) const;
  std::string describe(const Token& token) const;

 private:
  std::vector<Token> tokens_;
  const std::string& where_;
  size_t at_ = 0;
};

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  ExpressionPointer expression();  // with "if … else …"
  // The same or several by commas, which are a tuple. `conditional`: whether "if" belongs to it.
  ExpressionPointer tuple_or_expression(bool conditional = true);
  // | name(…) | name(…) … and is-tests behind an expression, which may be null.
  ExpressionPointer filters(ExpressionPointer of);
  ExpressionPointer filter(ExpressionPointer of);  // one, its bar taken already
  void arguments(Expression& call);                // up to and with ")", "(" taken already

 private:
  struct Nesting;

  ExpressionPointer conditional();
  ExpressionPointer either();
  ExpressionPointer both();
  ExpressionPointer negation();
  ExpressionPointer comparison();
  // Of binary operators from `level` on.
  ExpressionPointer binary(size_t level);
  ExpressionPointer unary(bool with_filters = true);
  ExpressionPointer primary();
  ExpressionPointer postfix(ExpressionPointer of);
  ExpressionPointer subscript(ExpressionPointer of, int line);
  ExpressionPointer test(ExpressionPointer of);

  TokenStream& tokens_;
  int depth_ = 0;
};

}  // namespace ponder::jinja
