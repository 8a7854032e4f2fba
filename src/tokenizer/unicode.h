// What the tokenizer needs of Unicode: decoding UTF-8 that may be broken, the character classes its
// patterns name (\p{L}, \p{N}, \s, \w), and normalisation form C. Character data: utf8proc (Debian
// 12: Unicode 15), with what Hugging Face tokenizers knows otherwise (unicode_ranges.h): every code
// point is classed and normalised as there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ponder::tokenizer {

inline constexpr uint32_t kInvalidCodePoint = 0xFFFFFFFF;

struct CodePoint {
  uint32_t value = kInvalidCodePoint;
  uint32_t num_bytes = 1;
};

// The character that begins at `at` (< text.size()). Where the bytes are not UTF-8,
// kInvalidCodePoint and the length of the longest prefix of a character found there (at least 1):
// what becomes one U+FFFD.
CodePoint decode_utf8(std::string_view text, size_t at);
// The character that ends at `end` (> 0).
CodePoint decode_utf8_before(std::string_view text, size_t end);
void append_utf8(uint32_t code_point, std::string& out);
// `bytes` with each broken piece replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view bytes);

enum class CharClass : uint8_t {
  kOther,    // neither of the others; broken bytes too
  kLetter,   // \p{L}
  kNumber,   // \p{N}
  kSpace,    // \s (White_Space), except
  kNewline,  // \r and \n
};
CharClass char_class(uint32_t code_point);
// As Rust's char::is_numeric: \p{N} of a later Unicode than the patterns'.
bool is_numeric(uint32_t code_point);
inline bool is_space(CharClass c) { return c >= CharClass::kSpace; }
// \w: letters, marks, decimal and letter numbers, connectors, joiners.
bool is_word_char(uint32_t code_point);

// Normalisation form C as Hugging Face tokenizers has it: of Unicode 9, so that later characters
// stay as they are. Broken bytes stay as they are and separate what is normalised. Time is linear,
// but for sorting runs of combining marks (n log n).
std::string to_nfc(std::string_view text);
// True only if to_nfc(text) == text; a quick answer, so it may be false for text in form C.
bool is_surely_nfc(std::string_view text);

}  // namespace ponder::tokenizer
