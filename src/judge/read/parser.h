// The recursive descent behind read_answer: one function per binding strength, from lists down to
// atoms. After a failure every function returns kNoNode at once. Lists to sums are in reader.cpp,
// products to powers in parser_products.cpp, atoms in parser_atoms.cpp, numbers in parser_numbers.cpp,
// functions and commands in parser_calls.cpp, integrals, limits and functions by pieces in
// parser_calculus.cpp.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "judge/read/lexer.h"
#include "judge/read/reader.h"

namespace ponder::judge {

inline constexpr int kNoNode = -1;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {
    tree_.nodes.reserve(std::min<size_t>(tokens_.size(), 64));
  }

  Reading run();

 private:
  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(position_ + ahead, tokens_.size() - 1)];
  }
  void advance() { position_ = std::min(position_ + 1, tokens_.size() - 1); }
  bool take(char symbol) {
    if (!peek().is(symbol)) return false;
    advance();
    return true;
  }
  int fail(std::string why);
  bool failed() const { return !problem_.empty(); }
  int make(Kind kind, std::vector<int> children, std::string name = "");
  Node& node(int index) { return tree_.nodes[static_cast<size_t>(index)]; }
  // "no real solutions", "even": an answer in words.
  int only_words();
  bool at_list_end() const;
  // Items up to a closing bracket; empty items (", and") are dropped.
  std::vector<int> items();
  int list();
  int relation();
  int conditions();
  int whole_numbers(int condition, bool natural);
  int with_terms_filled(std::vector<int>& items, Kind kind);
  int ratio();
  int set_union();
  int sum();
  bool starts_factor() const;
  // `of_function`: the argument of a function without brackets ends at the next function.
  int product(bool of_function = false);
  int times(int left, int right);
  // f(x), \\Gamma(5): `left` or its last factor may be a function's name and a bracket follows; `left`
  // with what follows, applied or multiplied. Else kNoNode, and nothing is read.
  int applied(int left);
  // \\frac{d}{dx} of what follows, \\frac{dy}{dx} as y': kNoNode, and nothing is read, where there is
  // no such.
  int differential();
  int slashed_differential();
  bool is_plain_number(int index);
  // 1 1/2 is one and a half: the space made "1 1" one pending pair.
  int mixed_number(int left, int right);
  int adjacent_numbers(int left);
  void unit_words();
  int signed_factor();
  int postfix();
  int postfix_of(int index);
  bool percent_or_degree_follows() const;
  bool ends_argument(size_t ahead) const;
  int degrees(int index);
  int power(int base);
  // What stands after ^ or _: a group, or one sign and one digit or name.
  int script();
  int subscript(int base);
  int number_in_base(int index, const std::string& text, std::string digits = "");
  int digits_with_letters();
  int number(const std::string& text);
  int atom();
  int atom_here();
  int name_in_words(std::string name);
  int bracket(char open);
  int call();
  int call_of_several(const std::string& name);
  // The argument of \frac and \sqrt: a group, or one digit or one token.
  int argument();
  int command();
  int environment(bool as_lines = false);
  // The pieces of a function, or kNoNode, and nothing is read, where the environment holds no such.
  int cases();
  void join_chained_rows();
  int sum_or_product(bool product);
  int integral();
  void move_variable_out();
  int limit();
  int chosen();

  std::vector<Token> tokens_;
  size_t position_ = 0;
  Expression tree_;
  std::string problem_;
  bool matrices_ = false;
  int depth_ = 0, bars_ = 0;
  bool outward_ = false;         // in ]a, b[: a square bracket closes
  int pending_whole_ = kNoNode;  // the 1 of "1 1/2" until its fraction is read
};

}  // namespace ponder::judge
