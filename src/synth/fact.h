// Elementary facts of the synthetic world: one operation on two small whole numbers, every value
// from 1 to 99. A thought is a chain of such facts, written exactly as the base model drilled
// them:
// "17+28=45". What leaves the range has a word instead of a result: "7-8 low", "17*8 big", "68/3
// no" (not whole).
#pragma once

#include <string>

namespace ponder::synth {

inline constexpr int kMinValue = 1;
inline constexpr int kMaxValue = 99;

enum class Outcome { kNumber, kLow, kBig, kNotWhole };

struct Fact {
  int left = 0;
  char sign = '+';  // + - * /
  int right = 0;    // not 0 where sign is '/'

  Outcome outcome() const;
  int value() const;  // the result; only where outcome() is kNumber

  // Whether the ones carry (7+8, 12-5 borrows), or a product or quotient is not of the table up to 9·9.
  bool carries() const;

  std::string question() const;         // "17+28"
  std::string text() const;             // "17+28=45", "7-8 low", …
  std::string claim(int result) const;  // "17+28=46": says what it is given, true or not
  // The fact that confirms or refutes `result`: 46-28 for 17+28, 43+12 for 45-12, 46/3 for 15*3,
  // 9*8 for 72/8. Its value is `left` exactly when `result` is right.
  Fact check(int result) const;
};

}  // namespace ponder::synth
