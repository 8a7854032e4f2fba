#include "tokenizer/stream_decoder.h"

#include "tokenizer/unicode.h"

namespace ponder::tokenizer {
namespace {

// Where the bytes begin that could become a character if more came; the size if none could.
size_t incomplete_tail(const std::string& bytes) {
  for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const size_t at = bytes.size() - back;
    const auto lead = static_cast<uint8_t>(bytes[at]);
    if (lead < 0x80) break;
    if (lead < 0xC2 || lead > 0xF4) continue;
    // Broken only because the text ends: all that follows the lead belongs to it.
    const CodePoint c = decode_utf8(bytes, at);
    if (c.value == kInvalidCodePoint && c.num_bytes == back) {
      const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
      return back < length ? at : bytes.size();
    }
    break;
  }
  return bytes.size();
}

}  // namespace

std::string StreamDecoder::push(int32_t id) {
  const std::string token = tokenizer_.token_bytes(id);
  if (skip_special_ && tokenizer_.is_special(id)) return "";
  held_ += token;
  const size_t end = incomplete_tail(held_);
  std::string text = replace_invalid_utf8(std::string_view(held_).substr(0, end));
  held_.erase(0, end);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = replace_invalid_utf8(held_);
  held_.clear();
  return text;
}

}  // namespace ponder::tokenizer
