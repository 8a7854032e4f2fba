// Splits text into the words that byte-pair merges never cross. The patterns of the known families
// are recognised by their text and run by a hand-written scanner; a pattern from a file is never
// executed.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ponder::tokenizer {

enum class SplitPattern {
  kGpt2,
  kQwen2,   // GPT-2's with upper-case contractions, single digits and lines kept apart
  kLlama3,  // Qwen2's with up to three digits
  kSmolLm,  // each numeric character apart, GPT-2's on the text between two of them
};

// The pattern whose regular expression is exactly `regex`; kSmolLm has none of its own.
std::optional<SplitPattern> recognise_split_pattern(std::string_view regex);
std::string known_split_patterns();  // their names, for messages

// Where the word that begins at `begin` (< text.size()) ends. Words follow one another without
// gaps, and finding all words of a text takes linear time. Broken UTF-8 counts as a symbol.
size_t word_end(SplitPattern pattern, std::string_view text, size_t begin);

}  // namespace ponder::tokenizer
