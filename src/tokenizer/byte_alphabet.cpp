#include "tokenizer/byte_alphabet.h"

#include <array>

#include "tokenizer/unicode.h"

namespace ponder::tokenizer {
namespace {

struct Alphabet {
  std::array<uint32_t, 256> character;
  std::array<int16_t, 0x200> byte;  // -1: not in the alphabet

  Alphabet() {
    byte.fill(-1);
    uint32_t next = 0x100;
    for (uint32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      character[b] = printable ? b : next++;
      byte[character[b]] = static_cast<int16_t>(b);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

std::optional<std::string> bytes_of_token_text(std::string_view token_text) {
  const Alphabet& a = alphabet();
  std::string bytes;
  bytes.reserve(token_text.size());
  for (size_t at = 0; at < token_text.size();) {
    const CodePoint c = decode_utf8(token_text, at);
    if (c.value >= a.byte.size() || a.byte[c.value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(a.byte[c.value]));
    at += c.num_bytes;
  }
  return bytes;
}

std::string token_text_of_byte(uint8_t byte) {
  std::string text;
  append_utf8(alphabet().character[byte], text);
  return text;
}

}  // namespace ponder::tokenizer
