#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace ponder::tokenizer {
namespace {

bool word_char_before(std::string_view text, size_t end) {
  return end > 0 && is_word_char(decode_utf8_before(text, end).value);
}

bool word_char_at(std::string_view text, size_t at) {
  return at < text.size() && is_word_char(decode_utf8(text, at).value);
}

}  // namespace

bool looks_special(std::string_view content) {
  const auto between = [&](std::string_view begin, std::string_view end) {
    return content.size() >= begin.size() + end.size() && content.starts_with(begin) &&
           content.ends_with(end);
  };
  return between("<|", "|>") || between("<｜", "｜>") || between("<unused", ">") ||
         content == "<pad>" || content == "<mask>";
}

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  size_t next = 0;
  for (size_t byte = 0; byte < 256; ++byte) {
    first_of_byte_[byte] = static_cast<uint32_t>(next);
    while (next < tokens_.size() && static_cast<uint8_t>(tokens_[next].content[0]) == byte) ++next;
  }
  first_of_byte_[256] = static_cast<uint32_t>(next);
}

const AddedToken* AddedTokenFinder::longest_at(std::string_view text, size_t at) const {
  const auto byte = static_cast<uint8_t>(text[at]);
  auto low = tokens_.begin() + first_of_byte_[byte];
  auto high = tokens_.begin() + first_of_byte_[byte + 1];
  const AddedToken* found = nullptr;
  // [low, high): the tokens whose first `depth` bytes are the text's. One that is not longer comes
  // first.
  for (size_t depth = 1; low < high; ++depth) {
    if (low->content.size() == depth) found = &*low++;
    if (at + depth >= text.size()) break;
    const auto next = static_cast<uint8_t>(text[at + depth]);
    const auto byte_of = [depth](const AddedToken& t) {
      return static_cast<uint8_t>(t.content[depth]);
    };
    low = std::partition_point(low, high, [&](const AddedToken& t) { return byte_of(t) < next; });
    high = std::partition_point(low, high, [&](const AddedToken& t) { return byte_of(t) == next; });
  }
  return found;
}

std::vector<TextPiece> AddedTokenFinder::split(std::string_view text) const {
  std::vector<TextPiece> pieces;
  size_t done = 0;  // what comes before is in pieces
  for (size_t at = 0; at < text.size() && !tokens_.empty();) {
    const auto byte = static_cast<uint8_t>(text[at]);
    const AddedToken* token =
        first_of_byte_[byte] == first_of_byte_[byte + 1] ? nullptr : longest_at(text, at);
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;  // also when it is refused as no single word: its bytes are not searched again
    if (token->single_word && (word_char_before(text, begin) || word_char_at(text, end))) continue;
    if (token->lstrip) {
      while (begin > done) {
        const CodePoint c = decode_utf8_before(text.substr(done), begin - done);
        if (!is_space(char_class(c.value))) break;
        begin -= c.num_bytes;
      }
    }
    if (token->rstrip) {
      while (end < text.size()) {
        const CodePoint c = decode_utf8(text, end);
        if (!is_space(char_class(c.value))) break;
        end += c.num_bytes;
      }
    }
    if (begin > done) pieces.push_back({done, begin, -1});
    pieces.push_back({begin, end, token->id});
    done = at = end;
  }
  if (done < text.size()) pieces.push_back({done, text.size(), -1});
  return pieces;
}

}  // namespace ponder::tokenizer
