// Tokens of one answer to an expression tree. Never throws; depth and size are bounded.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "judge/read/expression.h"
#include "judge/read/lexer.h"

namespace ponder::judge {

struct Reading {
  std::optional<Expression> expression;
  std::string problem;  // why there is no expression
};

Reading read_answer(std::string_view text, CommaRule rule);

}  // namespace ponder::judge
