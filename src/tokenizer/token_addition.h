// Tokens added to a model's tokenizer before it is trained: texts that are one token from then on, as
// <think> is in Qwen3's. They are no special tokens: they belong to what is written, and decoding
// keeps them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::tokenizer {

// What is new to a tokenizer.
struct NewToken {
  std::string content;
  int32_t id = 0;
  bool in_vocabulary = false;  // a word of its model before: nothing new but that it is never split
};

struct TokenAddition {
  std::string tokenizer_json;    // with the tokens
  std::vector<NewToken> tokens;  // those that were not added tokens already, in their order
};
// `where` names the file in errors. New ids follow the highest one. Throws Error for a text that is
// empty, too long, given twice or no UTF-8.
TokenAddition add_tokens(std::string_view tokenizer_json, const std::string& where,
                         const std::vector<std::string>& contents);

// Puts the files of `base` that name tokens (tokenizer.json, and as far as they do
// tokenizer_config.json and added_tokens.json) with the tokens into `files`, by name; what stands
// there already is edited in the base's place. Nothing where no token is new.
void put_added_tokens(const std::filesystem::path& base, const std::vector<std::string>& contents,
                      std::map<std::string, std::string>& files);

}  // namespace ponder::tokenizer
