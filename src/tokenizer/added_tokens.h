// Added tokens: texts that are always one token, such as <|im_end|>, found before anything else is
// done with a text. Mirrors `added_tokens` of tokenizer.json.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::tokenizer {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;      // left out by decode(..., skip_special)
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool single_word = false;  // only where no word character stands beside it
  bool normalized = false;   // looked for in the normalised text
};

// A piece of a text: an added token, or (id < 0) text without one.
struct TextPiece {
  size_t begin = 0, end = 0;  // bytes
  int32_t id = -1;
};

// Of added tokens that some tokenizers forget to mark as special, as llama.cpp's convert_hf_to_gguf.py tells them: in a
// GGUF they are control tokens too, which llama.cpp leaves out of texts.
bool looks_special(std::string_view content);

class AddedTokenFinder {
 public:
  static constexpr size_t kMaxContentBytes = 512;  // bounds the work per byte of text

  AddedTokenFinder() = default;
  // Contents must be distinct, not empty and at most kMaxContentBytes long.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }
  // Cuts the text at its tokens: leftmost first, of those that begin together the longest. No empty
  // pieces.
  std::vector<TextPiece> split(std::string_view text) const;

 private:
  // The longest token that begins at `at`, or null.
  const AddedToken* longest_at(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;             // sorted by content
  std::array<uint32_t, 257> first_of_byte_{};  // tokens_ that begin with byte b: [b], to [b + 1]
};

}  // namespace ponder::tokenizer
