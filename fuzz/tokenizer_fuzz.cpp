// A tokenizer.json, NUL, a text. Instead of the JSON one letter names a tokenizer made here: g
// GPT-2's pattern, q Qwen2's with NFC, l Llama 3's. Refused by an Error that names the file; or the
// tokens of the text spell its bytes (where nothing is normalised), and decoding them piece by
// piece is decoding them at once.
#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "fuzz.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace ponder {
namespace {

using fuzz::require;

// All bytes, a few merges, two added tokens.
std::string tokenizer_json(char pattern) {
  Json vocab = Json::object(), merges = Json::array();
  for (int byte = 0; byte < 256; ++byte)
    vocab[tokenizer::token_text_of_byte(static_cast<uint8_t>(byte))] = byte;
  const std::string space = tokenizer::token_text_of_byte(' '),
                    line = tokenizer::token_text_of_byte('\n');
  for (const auto& [left, right] : std::initializer_list<std::pair<std::string, std::string>>{
           {"a", "a"}, {"aa", "aa"}, {space, "a"}, {"'", "s"}, {"1", "2"}, {"!", line}}) {
    vocab[left + right] = vocab.size();
    merges.push_back({left, right});
  }
  const auto added = [&](const char* content, bool special) {
    return Json{{"id", vocab.size() + (special ? 0u : 1u)},
                {"content", content},
                {"single_word", false},
                {"lstrip", !special},
                {"rstrip", false},
                {"normalized", !special},
                {"special", special}};
  };
  const auto byte_level = [](bool use_regex) {
    return Json{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", use_regex}};
  };
  const std::string regex =
      std::string(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})") +
      (pattern == 'l' ? "{1,3}" : "") + R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  Json split = {{"type", "Split"},
                {"pattern", {{"Regex", regex}}},
                {"behavior", "Isolated"},
                {"invert", false}};
  Json pre = {{"type", "Sequence"},
              {"pretokenizers", Json::array({std::move(split), byte_level(false)})}};
  return Json{{"version", "1.0"},
              {"added_tokens", Json::array({added("<|end|>", true), added("<tool>", false)})},
              {"normalizer", pattern == 'q' ? Json{{"type", "NFC"}} : Json()},
              {"pre_tokenizer", pattern == 'g' ? byte_level(true) : std::move(pre)},
              {"post_processor", nullptr},
              {"decoder", byte_level(true)},
              {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}}
      .dump();
}

const tokenizer::Tokenizer& made_here(char pattern) {
  static std::map<char, tokenizer::Tokenizer> made;
  const auto found = made.find(pattern);
  if (found != made.end()) return found->second;
  return made.emplace(pattern, tokenizer::Tokenizer::parse(tokenizer_json(pattern), "made here"))
      .first->second;
}

void encode(const tokenizer::Tokenizer& tokenizer, std::string_view text, bool spells_the_bytes) {
  const std::vector<int32_t> ids = tokenizer.encode(text);
  require(ids == tokenizer.encode(text), "the same text has the same tokens again");
  std::string bytes, streamed;
  tokenizer::StreamDecoder stream(tokenizer);
  for (const int32_t id : ids) {
    require(id >= 0 && id < tokenizer.vocab_size(), "an id is in the vocabulary");
    bytes += tokenizer.token_bytes(id);
    streamed += stream.push(id);
  }
  streamed += stream.finish();
  require(streamed == tokenizer.decode(ids), "pieces of text make the text");
  if (spells_the_bytes) require(bytes == text, "tokens spell the text's bytes");
}

}  // namespace
}  // namespace ponder

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ponder;
  const std::string input(fuzz::text_of(data, size));  // a copy: never a null view
  const size_t nul = std::min(input.find('\0'), input.size());
  const std::string json = input.substr(0, nul);
  const std::string text = input.substr(std::min(nul + 1, input.size()));
  if (json == "g" || json == "q" || json == "l") {
    // <tool> takes white space before it along, so its bytes are not the text's.
    const bool plain = json != "q" && text.find("<tool>") == std::string::npos;
    encode(made_here(json[0]), text, plain);
    return 0;
  }
  std::optional<tokenizer::Tokenizer> tokenizer;
  try {
    tokenizer = tokenizer::Tokenizer::parse(json, "fuzzed");
  } catch (const Error& error) {
    fuzz::require(error.where().starts_with("fuzzed"), "an error names the file");
    fuzz::require(!error.problem().empty(), "an error says what is wrong");
    return 0;
  }
  encode(*tokenizer, text, false);
  return 0;
}
