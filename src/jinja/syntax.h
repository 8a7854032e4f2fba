// A parsed template: expressions and statements.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "jinja/value.h"

namespace ponder::jinja {

struct Expression;
using ExpressionPointer = std::unique_ptr<Expression>;

struct NamedExpression {
  std::string name;
  ExpressionPointer value;  // of a parameter: its default, or null
};

struct Expression {
  enum class Kind {
    kLiteral,      // value
    kName,         // name
    kList,         // parts
    kTuple,        // parts
    kDict,         // parts: key, value, key, value, …
    kAttribute,    // parts[0].name
    kItem,         // parts[0][parts[1]]
    kSlice,        // parts[0][parts[1]:parts[2]:parts[3]], the last three may be null
    kCall,         // parts[0](parts[1…], named)
    kFilter,       // parts[0] | name(parts[1…], named); parts[0] null: of a filter block
    kTest,         // parts[0] is name(parts[1…], named)
    kUnary,        // name: "-", "+", "not"
    kBinary,       // name: "+", "-", "*", "/", "//", "%", "**", "~", "and", "or"
    kCompare,      // parts[0] operators[0] parts[1] operators[1] …
    kConditional,  // parts[0] if parts[1] else parts[2], which may be null
  };
  Kind kind;
  int line = 0;
  std::string name = {};
  Value value = {};
  std::vector<ExpressionPointer> parts = {};
  std::vector<NamedExpression> named = {};
  std::vector<std::string> operators = {};
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

struct Statement {
  enum class Kind {
    kText,          // text
    kOutput,        // expression
    kIf,            // expression, body, otherwise
    kFor,           // targets in expression if condition: body, else otherwise; recursive
    kSet,           // targets = expression
    kSetAttribute,  // targets[0].targets[1] = expression
    kSetBlock,      // targets[0] = body, through expression (filters) where there is one
    kFilterBlock,   // body through expression
    kMacro,         // text(parameters): body
    kCallBlock,     // expression, a call, with the macro caller(parameters): body
    kWith,          // body in a scope with targets[i] = parameters[i].value
    kPlain,         // body: {% generation %}, {% block %}
    kBreak,
    kContinue,
  };
  Kind kind;
  int line = 0;
  std::string text = {};
  std::vector<std::string> targets = {};
  ExpressionPointer expression = {}, condition = {};
  std::vector<NamedExpression> parameters = {};
  Block body = {}, otherwise = {};
  bool recursive = false;
};

// Throws Error "where:line" naming what it cannot be: a statement that is not known, an expression
// that does not end, more than 100 of them within each other.
Block parse(std::string_view text, const std::string& where);

}  // namespace ponder::jinja
