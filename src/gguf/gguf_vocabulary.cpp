#include "gguf/gguf_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"

namespace ponder::gguf {
namespace {

namespace fs = std::filesystem;

enum TokenType : int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

fs::path tokenizer_file(const fs::path& folder) {
  const fs::path plain = folder / "tokenizer.json";
  return fs::exists(plain) ? plain : folder / "tokenizer.json.gz";
}

// The name under which llama.cpp knows this way of cutting a text into words.
std::string_view pre_tokenizer_name(const tokenizer::TokenizerData& data,
                                    const tokenizer::Tokenizer& tokenizer,
                                    const std::string& where) {
  if (data.pattern == tokenizer::SplitPattern::kLlama3)
    return data.ignore_merges ? "llama-bpe" : "smaug-bpe";
  if (data.ignore_merges) {
    throw Error(where + ", key \"model.ignore_merges\"",
                "llama.cpp can ignore merges only with the pattern of Llama 3",
                "set it to false if no token needs it");
  }
  if (data.pattern == tokenizer::SplitPattern::kGpt2) return "gpt-2";
  if (data.pattern == tokenizer::SplitPattern::kSmolLm) return "smollm";
  return tokenizer.token_id("<｜begin▁of▁sentence｜>") ? "deepseek-r1-qwen" : "qwen2";
}

struct SpecialIds {
  std::optional<int32_t> bos, eos, unk, pad;
};

// By name from tokenizer_config.json; else by id from config.json.
std::optional<int32_t> special_id(const char* kind, const Json& tokenizer_config,
                                  const Json& config, const tokenizer::Tokenizer& tokenizer,
                                  int64_t vocab_size) {
  if (const auto found = tokenizer_config.find(fmt::format("{}_token", kind));
      found != tokenizer_config.end()) {
    const Json& entry = found->is_object() ? found->value("content", Json()) : *found;
    if (entry.is_string()) {
      if (const auto id = tokenizer.token_id(entry.get_ref<const std::string&>())) return id;
    }
  }
  const auto found = config.find(fmt::format("{}_token_id", kind));
  if (found == config.end()) return std::nullopt;
  const Json& entry = found->is_array() && !found->empty() ? found->front() : *found;
  if (!entry.is_number_integer()) return std::nullopt;
  const int64_t id = entry.get<int64_t>();
  if (id < 0 || id >= vocab_size) return std::nullopt;
  return static_cast<int32_t>(id);
}

// llama.cpp can put the bos token before a text and the eos token behind it, nothing else.
bool adds_only(const std::vector<int32_t>& added, std::optional<int32_t> id,
               const std::string& where, const char* what) {
  if (added.empty()) return false;
  if (!id || added != std::vector{*id}) {
    throw Error(where + ", key \"post_processor\"",
                fmt::format("adds tokens other than the {} token to a text", what),
                "llama.cpp cannot do the same; see bos_token and eos_token of "
                "tokenizer_config.json");
  }
  return true;
}

}  // namespace

void add_vocabulary(GgufMetadata& metadata, const fs::path& folder, int64_t vocab_size) {
  const tokenizer::Tokenizer tokenizer =
      tokenizer::Tokenizer::load(folder);  // checks the files against each other
  const fs::path file = tokenizer_file(folder);
  const std::string where = file.string();
  const std::string text = read_file(file);
  const tokenizer::TokenizerData data = tokenizer::parse_tokenizer_json(text, where);
  const Json json = parse_json(text, where);
  if (tokenizer.vocab_size() > vocab_size) {
    throw Error(where,
                fmt::format("has {} tokens, more than the model's vocab_size {}",
                            tokenizer.vocab_size(), vocab_size),
                "use the tokenizer that belongs to the model");
  }

  std::vector<std::string> tokens(static_cast<size_t>(vocab_size));
  std::vector<int32_t> types(tokens.size(), kUnused);
  for (size_t id = 0; id < tokens.size(); ++id) tokens[id] = fmt::format("[PAD{}]", id);
  for (const auto& [token, id] : json.at("model").at("vocab").items()) {
    tokens[id.get<size_t>()] = token;
    types[id.get<size_t>()] = kNormal;
  }
  for (const tokenizer::AddedToken& token : data.added) {
    const auto id = static_cast<size_t>(token.id);
    tokens[id] = token.content;
    types[id] = token.special || tokenizer::looks_special(token.content) ? kControl : kUserDefined;
  }
  std::vector<std::string> merges;
  for (const Json& merge : json.at("model").at("merges")) {
    merges.push_back(merge.is_string()
                         ? merge.get<std::string>()
                         : merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }

  const fs::path config_path = folder / "tokenizer_config.json";
  const Json tokenizer_config =
      fs::exists(config_path) ? read_json_file(config_path) : Json::object();
  const Json config = read_json_file(folder / "config.json");
  const auto id_of = [&](const char* kind) {
    return special_id(kind, tokenizer_config, config, tokenizer, vocab_size);
  };
  const SpecialIds ids{id_of("bos"), id_of("eos"), id_of("unk"), id_of("pad")};

  metadata.add_string("tokenizer.ggml.model", "gpt2");
  metadata.add_string("tokenizer.ggml.pre", pre_tokenizer_name(data, tokenizer, where));
  metadata.add_strings("tokenizer.ggml.tokens", tokens);
  metadata.add_i32s("tokenizer.ggml.token_type", types);
  metadata.add_strings("tokenizer.ggml.merges", merges);
  const auto add_id = [&](const char* key, std::optional<int32_t> id) {
    if (id) metadata.add_u32(key, static_cast<uint32_t>(*id));
  };
  add_id("tokenizer.ggml.bos_token_id", ids.bos);
  add_id("tokenizer.ggml.eos_token_id", ids.eos);
  add_id("tokenizer.ggml.unknown_token_id", ids.unk);
  add_id("tokenizer.ggml.padding_token_id", ids.pad);
  metadata.add_bool("tokenizer.ggml.add_bos_token", adds_only(data.prefix, ids.bos, where, "bos"));
  if (adds_only(data.suffix, ids.eos, where, "eos"))
    metadata.add_bool("tokenizer.ggml.add_eos_token", true);
  if (!tokenizer.chat_template().empty())
    metadata.add_string("tokenizer.chat_template", tokenizer.chat_template());
}

}  // namespace ponder::gguf
