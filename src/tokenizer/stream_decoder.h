// Text of tokens as they come, never half a character: bytes that may still become one are held
// back. What push and finish return, joined, is Tokenizer::decode of all the ids.
#pragma once

#include <cstdint>
#include <string>

#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {

class StreamDecoder {
 public:
  // Borrows the tokenizer. `skip_special` leaves special added tokens out.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = false)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}

  // The text that is complete now; may be empty. Throws Error on an id outside the vocabulary.
  std::string push(int32_t id);
  // What was held back, as U+FFFD. The decoder is then as new.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::string held_;  // at most three bytes between calls
};

}  // namespace ponder::tokenizer
