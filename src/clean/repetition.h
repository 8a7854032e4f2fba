// How much of a text repeats itself. Internal to this folder.
#pragma once

#include <cstddef>
#include <string>

#include "clean/words.h"

namespace ponder::clean {

constexpr size_t kRepeatedGram = 10;  // words

struct Repetition {
  double share = 0;     // of the words, those in a 10-gram that stood there before
  std::string longest;  // the beginning of the longest stretch of them
};
Repetition repetition_of(const Words& words);

// Of a text that ends in a circle: how often the last words stand there one after the other, with the
// same count of words each time. A circle has at least 4 rounds of at most 200 words, 40 words in all.
struct Circle {
  size_t rounds = 0;  // 0: none
  size_t period = 0;  // words of a round
};
Circle circle_at_end(const Words& words);

}  // namespace ponder::clean
