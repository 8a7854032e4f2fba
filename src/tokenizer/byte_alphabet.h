// The alphabet in which byte-level tokenizers write their tokens (GPT-2): each of the 256 bytes is
// one printable character. Printable Latin-1 bytes are themselves; the others become U+0100 and up,
// in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ponder::tokenizer {

// The bytes a token's text stands for; nothing if it has a character outside the alphabet.
std::optional<std::string> bytes_of_token_text(std::string_view token_text);
// The alphabet's character for a byte, as UTF-8.
std::string token_text_of_byte(uint8_t byte);

}  // namespace ponder::tokenizer
