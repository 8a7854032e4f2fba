#include "testing/byte_tokenizer.h"

#include "base/json.h"

namespace ponder::testing {
namespace {

// GPT-2's printable stand-in for a byte, as UTF-8.
std::string stand_in(int byte) {
  int code = byte, next = 256;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    if (printable) continue;
    if (b == byte) code = next;
    ++next;
  }
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
}

}  // namespace

std::string byte_tokenizer_json(std::string_view without) {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    // Ids have no gaps: the id of a byte that is left out is that of two of them, which no text meets.
    const bool there = without.find(static_cast<char>(byte)) == without.npos;
    vocab[there ? stand_in(byte) : stand_in(byte) + stand_in(byte)] = byte;
  }
  const std::string newline = stand_in('\n');
  vocab[">" + newline] = 256;
  vocab[">" + newline + newline] = 257;
  const auto added = [](int id, const char* content) {
    return Json{{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  const Json byte_level{{"type", "ByteLevel"},
                        {"add_prefix_space", false},
                        {"trim_offsets", false},
                        {"use_regex", false}};
  const char* pattern =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const Json split{{"type", "Split"},
                   {"pattern", {{"Regex", pattern}}},
                   {"behavior", "Isolated"},
                   {"invert", false}};
  const Json json{
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", Json::array({added(258, "<|im_start|>"), added(259, "<|im_end|>")})},
      {"normalizer", without.empty() ? Json{{"type", "NFC"}} : Json(nullptr)},
      {"pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level})}}},
      {"post_processor", byte_level},
      {"decoder", byte_level},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", ""},
        {"end_of_word_suffix", ""},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"vocab", vocab},
        {"merges", Json::array({"> " + newline, ">" + newline + " " + newline})}}}};
  return dump_json(json);
}

}  // namespace ponder::testing
