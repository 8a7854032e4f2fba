// A template's text as tokens, with the white space between tags already as transformers' Jinja leaves
// it (trim_blocks, lstrip_blocks, no trailing line end).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ponder::jinja {

struct Token {
  enum class Kind {
    kText,
    kBlockBegin,
    kBlockEnd,
    kVariableBegin,
    kVariableEnd,
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,
    kEnd
  };
  Kind kind = Kind::kEnd;
  std::string text;  // of a string: its value
  int line = 0;      // counted from 1

  bool is(std::string_view operator_text) const {
    return kind == Kind::kOperator && text == operator_text;
  }
  bool is_name(std::string_view name) const { return kind == Kind::kName && text == name; }
};

// Ends with a kEnd. Throws Error "where:line" for a tag or a string that does not end, and for a
// character that no expression has.
std::vector<Token> tokenize(std::string_view text, const std::string& where);

}  // namespace ponder::jinja
