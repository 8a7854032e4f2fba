// Reads tokenizer.json of Hugging Face `tokenizers` into plain data, strictly: a key, value or
// component that ponder would not obey exactly is an Error naming it. `truncation` and `padding`
// are the exception: as in transformers, the caller decides about lengths.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/pre_tokenizer.h"

namespace ponder::tokenizer {

struct TokenizerData {
  int32_t num_model_tokens = 0;    // ids 0 .. num_model_tokens - 1 may stand in model.vocab
  std::vector<std::string> bytes;  // by id: what the token stands for; of added tokens, the content
  std::vector<bool> in_model;      // by id: the token is in model.vocab
  std::array<int32_t, 256> byte_ids{};  // the token of each single byte; -1: it has none
  std::vector<BpeMerge> merges;         // in order of rank
  std::vector<AddedToken> added;
  SplitPattern pattern = SplitPattern::kGpt2;
  bool nfc = false;
  bool ignore_merges = false;           // a word that is a token as a whole is that token
  std::vector<int32_t> prefix, suffix;  // special tokens the post-processor puts around a text
};

// `where` names the file in errors. Throws Error.
TokenizerData parse_tokenizer_json(std::string_view text, const std::string& where);

}  // namespace ponder::tokenizer
