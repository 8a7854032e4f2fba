// LaTeX or plain text of one answer as a row of tokens; dresses ($, \left, spacing, \text) are
// taken off here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ponder::judge {

enum class TokenKind {
  kNumber,    // text: digits with at most one point
  kName,      // text: the variable
  kConstant,  // text: pi, e, i, inf
  kFunction,  // text: sin, log, ...
  kWord,      // text: a word that is no variable (units, plain answers), lower case
  kCommand,   // text: frac, sqrt, binom, overline
  kBegin,     // text: the environment
  kEnd,
  kSymbol,   // text: one character, see below
  kUnknown,  // text: what could not be understood
  kFinish,
};

// Symbols: + - * / ^ _ ! , ; : = < > ' | ( ) [ ] and
//   {} group   S s set braces   F f floor   C c ceiling   A a angle brackets   L <=   G >=   N not
//   equal o ellipsis   ~ about    P plus-minus     M minus-plus   U union   I intersection   E
//   element of   % percent D degree   & cell   R row   B backslash of set difference
//   w W v V subset of, or equal, superset of, or equal   m maps to
struct Token {
  TokenKind kind = TokenKind::kFinish;
  std::string text;
  bool space_before = false;

  bool is(char symbol) const { return kind == TokenKind::kSymbol && text[0] == symbol; }
};

// How a comma between digits is meant: 1,234 one number; 1,234 two numbers; 1,22 a decimal comma.
enum class CommaRule { kThousands, kSeparator, kDecimal };

// Linear time; stops with a kUnknown token where the text holds what no answer does.
std::vector<Token> lex_answer(std::string_view text, CommaRule rule);

// The comma rules under which `text` can be read, the most natural one first.
std::vector<CommaRule> comma_rules(std::string_view text);

}  // namespace ponder::judge
