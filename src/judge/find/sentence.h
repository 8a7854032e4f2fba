// Prose in sentences, each a row of pieces: words, marks, and values (formulas, bold results,
// written numbers with their sign, money and unit). Linear; the tokens are views into the text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ponder::judge {

struct Piece {
  enum class Kind { kWord, kMark, kValue };
  Kind kind = Kind::kWord;
  std::string_view text;  // of a formula or bold value: without its dress
  bool formula = false;
  bool bold = false;
  bool strong = false;  // a value that holds more than a name

  bool is_word(std::string_view lower) const;
  bool is_mark(std::string_view mark) const;  // full-width ones too
};

struct Sentence {
  std::vector<Piece> tokens;
  bool question = false;
};

// A colon, a verb at the end of a line and a displayed formula do not end a sentence.
std::vector<Sentence> sentences_of(std::string_view text);

}  // namespace ponder::judge
