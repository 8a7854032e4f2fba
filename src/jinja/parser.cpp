#include <fmt/format.h>

#include "base/error.h"
#include "jinja/expression_parser.h"
#include "jinja/lexer.h"
#include "jinja/syntax.h"

namespace ponder::jinja {
namespace {

using StatementPointer = std::unique_ptr<Statement>;

class StatementParser {
 public:
  StatementParser(std::vector<Token> tokens, const std::string& where)
      : tokens_(std::move(tokens), where), expressions_(tokens_) {}

  Block whole() {
    Block block = until({});
    return block;
  }

 private:
  using Words = std::initializer_list<std::string_view>;

  StatementPointer make(Statement::Kind kind) const {
    auto made = std::make_unique<Statement>();
    made->kind = kind;
    made->line = tokens_.peek().line;
    return made;
  }

  // Statements up to a tag that begins with one of `words`, which is left standing behind its "{%";
  // without words, up to the text's end.
  Block until(Words words) {
    if (++depth_ > 100) tokens_.fail(tokens_.peek().line, "statements within each other, over 100");
    const int begin = tokens_.peek().line;
    Block block;
    while (true) {
      const Token& token = tokens_.peek();
      if (token.kind == Token::Kind::kEnd) {
        if (words.size() == 0) break;
        tokens_.fail(begin, fmt::format("no {{% {} %}} for what begins here", *(words.end() - 1)));
      }
      if (token.kind == Token::Kind::kText) {
        block.push_back(make(Statement::Kind::kText));
        block.back()->text = tokens_.next().text;
      } else if (token.kind == Token::Kind::kVariableBegin) {
        tokens_.next();
        block.push_back(make(Statement::Kind::kOutput));
        block.back()->expression = expressions_.tuple_or_expression();
        end_of(Token::Kind::kVariableEnd);
      } else {
        tokens_.next();
        const Token& word = tokens_.peek();
        bool ends = false;
        for (const std::string_view each : words) ends = ends || word.is_name(each);
        if (ends) break;
        block.push_back(statement());
      }
    }
    --depth_;
    return block;
  }

  void end_of(Token::Kind kind) {
    if (tokens_.peek().kind != kind) {
      tokens_.fail(tokens_.peek().line, fmt::format("expected the tag's end, found {}",
                                                    tokens_.describe(tokens_.peek())));
    }
    tokens_.next();
  }
  void end_of_tag() { end_of(Token::Kind::kBlockEnd); }

  Block body(std::string_view end) {
    end_of_tag();
    Block block = until({end});
    tokens_.next();
    if (tokens_.peek().kind == Token::Kind::kName) tokens_.next();  // {% endmacro name %}
    end_of_tag();
    return block;
  }

  StatementPointer statement() {
    const Token word = tokens_.next();
    if (word.text == "if") return if_statement();
    if (word.text == "for") return for_statement();
    if (word.text == "set") return set_statement();
    if (word.text == "macro") return macro();
    if (word.text == "call") return call_block();
    if (word.text == "filter") return filter_block();
    if (word.text == "with") return with();
    if (word.text == "generation" || word.text == "block") {
      StatementPointer made = make(Statement::Kind::kPlain);
      if (word.text == "block") tokens_.expect_name("a block's name");
      made->body = body("end" + word.text);
      return made;
    }
    if (word.text == "break" || word.text == "continue") {
      if (loops_ == 0) tokens_.fail(word.line, fmt::format("{} outside of a loop", word.text));
      StatementPointer made =
          make(word.text == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue);
      end_of_tag();
      return made;
    }
    tokens_.fail(word.line,
                 fmt::format("the statement {} is not supported here", tokens_.describe(word)));
  }

  StatementPointer if_statement() {
    StatementPointer made = make(Statement::Kind::kIf);
    made->expression = expressions_.tuple_or_expression();
    end_of_tag();
    made->body = until({"elif", "else", "endif"});
    if (tokens_.skip_name("elif")) {
      if (++depth_ > 100) tokens_.fail(made->line, "statements within each other, over 100");
      made->otherwise.push_back(if_statement());
      --depth_;
      return made;
    }
    if (tokens_.skip_name("else")) {
      end_of_tag();
      made->otherwise = until({"endif"});
    }
    tokens_.next();
    end_of_tag();
    return made;
  }

  StatementPointer for_statement() {
    StatementPointer made = make(Statement::Kind::kFor);
    made->targets = names();
    if (!tokens_.skip_name("in")) {
      tokens_.fail(made->line,
                   fmt::format("expected \"in\", found {}", tokens_.describe(tokens_.peek())));
    }
    made->expression = expressions_.tuple_or_expression(false);
    if (tokens_.skip_name("if")) made->condition = expressions_.expression();
    made->recursive = tokens_.skip_name("recursive");
    end_of_tag();
    ++loops_;
    made->body = until({"else", "endfor"});
    --loops_;
    if (tokens_.skip_name("else")) {
      end_of_tag();
      made->otherwise = until({"endfor"});
    }
    tokens_.next();
    end_of_tag();
    return made;
  }

  // a, b or (a, b)
  std::vector<std::string> names() {
    std::vector<std::string> result;
    const bool parentheses = tokens_.skip("(");
    do {
      result.push_back(tokens_.expect_name("a variable's name"));
    } while (tokens_.skip(","));
    if (parentheses) tokens_.expect(")");
    return result;
  }

  StatementPointer set_statement() {
    StatementPointer made = make(Statement::Kind::kSet);
    made->targets = names();
    if (tokens_.skip(".")) {
      made->kind = Statement::Kind::kSetAttribute;
      made->targets.push_back(tokens_.expect_name("a field's name"));
    }
    if (tokens_.skip("=")) {
      made->expression = expressions_.tuple_or_expression();
      end_of_tag();
      return made;
    }
    if (made->kind == Statement::Kind::kSetAttribute || made->targets.size() != 1) {
      tokens_.fail(made->line,
                   fmt::format("expected \"=\", found {}", tokens_.describe(tokens_.peek())));
    }
    made->kind = Statement::Kind::kSetBlock;
    made->expression = expressions_.filters(nullptr);
    made->body = body("endset");
    return made;
  }

  std::vector<NamedExpression> parameters() {
    std::vector<NamedExpression> result;
    while (!tokens_.skip(")")) {
      if (!result.empty()) tokens_.expect(",");
      if (tokens_.skip(")")) break;
      NamedExpression parameter{tokens_.expect_name("a parameter's name"), nullptr};
      if (tokens_.skip("=")) parameter.value = expressions_.expression();
      result.push_back(std::move(parameter));
    }
    return result;
  }

  // A break in a macro that stands in a loop is none of that loop.
  Block body_of_macro(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Block block = body(end);
    loops_ = loops;
    return block;
  }

  StatementPointer macro() {
    StatementPointer made = make(Statement::Kind::kMacro);
    made->text = tokens_.expect_name("a macro's name");
    tokens_.expect("(");
    made->parameters = parameters();
    made->body = body_of_macro("endmacro");
    return made;
  }

  StatementPointer call_block() {
    StatementPointer made = make(Statement::Kind::kCallBlock);
    if (tokens_.skip("(")) made->parameters = parameters();
    made->expression = expressions_.expression();
    if (made->expression->kind != Expression::Kind::kCall)
      tokens_.fail(made->line, "expected a call after \"call\"");
    made->body = body_of_macro("endcall");
    return made;
  }

  StatementPointer filter_block() {
    StatementPointer made = make(Statement::Kind::kFilterBlock);
    made->expression = expressions_.filters(expressions_.filter(nullptr));
    made->body = body("endfilter");
    return made;
  }

  StatementPointer with() {
    StatementPointer made = make(Statement::Kind::kWith);
    while (tokens_.peek().kind == Token::Kind::kName) {
      std::string name = tokens_.next().text;
      tokens_.expect("=");
      made->parameters.push_back({std::move(name), expressions_.expression()});
      if (!tokens_.skip(",")) break;
    }
    made->body = body("endwith");
    return made;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int depth_ = 0, loops_ = 0;
};

}  // namespace

Block parse(std::string_view text, const std::string& where) {
  return StatementParser(tokenize(text, where), where).whole();
}

}  // namespace ponder::jinja
