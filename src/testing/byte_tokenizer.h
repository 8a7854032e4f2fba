// A tokenizer for tests that no file is needed for.
#pragma once

#include <string>
#include <string_view>

namespace ponder::testing {

// The text of a tokenizer.json: all 256 bytes (id = byte), ">\n" (256) and ">\n\n" (257) as single
// tokens, <|im_start|> (258), <|im_end|> (259); NFC and Qwen's pre-tokeniser. The bytes of
// `without`, where there are any, have no token; such tokenizers have no normaliser.
std::string byte_tokenizer_json(std::string_view without = "");

}  // namespace ponder::testing
