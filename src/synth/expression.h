// Arithmetic expressions over small whole numbers, as a flat row of numbers, signs and brackets:
// what a thought rewrites step by step.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/philox.h"
#include "synth/fact.h"

namespace ponder::synth {

class Expression {
 public:
  // From text such as "(7+8)*3-12" without white space. Throws Error on anything else.
  static Expression parse(std::string_view text);

  std::string text() const;
  int num_operations() const;

  // The step a thought takes first: the leftmost operation on two bare numbers that the rules of
  // precedence allow to be worked out now. Only while num_operations() > 0.
  Fact next() const;
  // The expression with that step replaced by `result`; brackets left around a bare number go.
  Expression after(int result) const;
  // A neighbour of that step, sharing a number with it, that must not be worked out first: the slip
  // of somebody who forgets the rules. Only where its result is in range.
  struct Forbidden {
    Fact fact;
    bool precedence =
        false;  // forbidden because * or / binds tighter; otherwise because left comes first
  };
  std::optional<Forbidden> forbidden() const;

 private:
  struct Item {
    char kind = 'n';  // 'n': a number; otherwise the sign or bracket itself
    int value = 0;
  };
  bool pair_at(size_t i) const;     // number, sign, number from item i on
  bool allowed_at(size_t i) const;  // and the pair there may be worked out now
  size_t next_position() const;
  std::vector<Item> items_;
};

// A random expression of exactly `num_operations` signs out of + - * that equals `value` (1 to 99),
// every intermediate value from 1 to 99. Brackets stand only where they are needed.
std::string grow_expression(RandomSequence& random, int value, int num_operations);

}  // namespace ponder::synth
