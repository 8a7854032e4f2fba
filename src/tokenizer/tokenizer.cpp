#include "tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "tokenizer/token_addition.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/unicode.h"
#include "tokenizer/word_cache.h"

namespace ponder::tokenizer {
namespace {

// Several times the largest vocabulary in use; anything above is a mistake or an attack.
constexpr uint64_t kMaxFileBytes = uint64_t{128} << 20;

std::vector<AddedToken> tokens_where(const std::vector<AddedToken>& added, bool normalized) {
  std::vector<AddedToken> chosen;
  for (const AddedToken& token : added) {
    if (token.normalized == normalized) chosen.push_back(token);
  }
  return chosen;
}

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(TokenizerData read)
      : data(std::move(read)),
        bpe(data.byte_ids, data.merges),
        literal_tokens(tokens_where(data.added, false)),
        normalized_tokens(tokens_where(data.added, true)),
        special(data.bytes.size()),
        encodes_all_bytes(std::ranges::count(data.byte_ids, -1) == 0) {
    data.merges = {};
    ids_of_text.reserve(data.bytes.size());
    for (size_t id = 0; id < data.bytes.size(); ++id) {
      if (data.in_model[id]) ids_of_text.emplace(data.bytes[id], static_cast<int32_t>(id));
    }
    for (const AddedToken& token : data.added) {
      special[static_cast<size_t>(token.id)] = token.special;
      added_ids.emplace(token.content, token.id);
    }
  }

  void encode_word(std::string_view word, std::vector<int32_t>& ids) const {
    if (word.size() == 1) {
      ids.push_back(data.byte_ids[static_cast<uint8_t>(word[0])]);
      return;
    }
    if (data.ignore_merges) {
      const auto whole = ids_of_text.find(word);
      if (whole != ids_of_text.end()) {
        ids.push_back(whole->second);
        return;
      }
    }
    if (cache.find(word, ids)) return;
    const size_t before = ids.size();
    bpe.encode_word(word, ids);
    cache.insert(word, std::span(ids).subspan(before));
  }

  void encode_words(std::string_view text, std::vector<int32_t>& ids) const {
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = word_end(data.pattern, text, begin);
      encode_word(text.substr(begin, end - begin), ids);
      begin = end;
    }
  }

  // Text without tokens that are matched literally.
  void encode_piece(std::string_view text, std::vector<int32_t>& ids) const {
    std::string normal;
    if (data.nfc && !is_surely_nfc(text)) {
      normal = to_nfc(text);
      text = normal;
    }
    if (normalized_tokens.empty()) return encode_words(text, ids);
    for (const TextPiece& piece : normalized_tokens.split(text)) {
      if (piece.id >= 0) {
        ids.push_back(piece.id);
      } else {
        encode_words(text.substr(piece.begin, piece.end - piece.begin), ids);
      }
    }
  }

  const std::string& bytes_of(int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= data.bytes.size()) {
      throw Error("token id " + std::to_string(id),
                  fmt::format("expected 0 to {}, the vocabulary's ids", data.bytes.size() - 1),
                  "were these ids made with another tokenizer?");
    }
    return data.bytes[static_cast<size_t>(id)];
  }

  void read_config(const std::filesystem::path& path);

  TokenizerData data;
  Bpe bpe;
  AddedTokenFinder literal_tokens, normalized_tokens;
  std::vector<bool> special;
  bool encodes_all_bytes;
  // Keys borrowed from `data`.
  std::unordered_map<std::string_view, int32_t> ids_of_text, added_ids;
  mutable WordCache cache;  // thread-safe; changes no result
  std::string chat_template, sha256;
  std::map<std::string, std::string> named_tokens;
  std::optional<int32_t> eos_token_id;
};

// tokenizer_config.json: the chat template, the end token, and a check that both files mean the
// same tokens.
void Tokenizer::Impl::read_config(const std::filesystem::path& path) {
  const Json json = read_json_file(path);
  const JsonFields config(json, path.string());
  if (config.has("chat_template")) {
    const Json& value = config.require("chat_template");
    if (value.is_array()) {  // several, each with a name
      for (size_t i = 0; i < value.size(); ++i) {
        const JsonFields named = config.element("chat_template", i);
        if (named.text("name") == "default") chat_template = named.text("template");
      }
      if (chat_template.empty())
        config.fail("chat_template", "none of the templates is named \"default\"");
    } else {
      chat_template = config.text("chat_template");
    }
  }
  if (config.has("eos_token")) {
    const bool plain = config.require("eos_token").is_string();
    const std::string text =
        plain ? config.text("eos_token") : config.fields("eos_token").text("content");
    const auto found = added_ids.find(text);
    const auto found_in_model = ids_of_text.find(text);
    if (found != added_ids.end()) {
      eos_token_id = found->second;
    } else if (found_in_model != ids_of_text.end()) {
      eos_token_id = found_in_model->second;
    } else {
      config.fail("eos_token", fmt::format("\"{}\" is not in tokenizer.json", excerpt(text)));
    }
  }
  for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    if (!config.has(name)) continue;
    const bool plain = config.require(name).is_string();
    named_tokens[name] = plain ? config.text(name) : config.fields(name).text("content");
  }
  if (!config.has("added_tokens_decoder")) return;
  const JsonFields decoder = config.fields("added_tokens_decoder");
  for (const auto& [id_text, token] : config.object("added_tokens_decoder").items()) {
    const std::string content = decoder.fields(id_text).text("content");
    auto found = added_ids.find(content);
    if (found == added_ids.end() && data.nfc) found = added_ids.find(to_nfc(content));
    if (found == added_ids.end() || std::to_string(found->second) != id_text) {
      decoder.fail(id_text,
                   fmt::format("\"{}\" is not the added token of that id in tokenizer.json",
                               excerpt(content)),
                   "save both files with the same tokenizer");
    }
  }
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::parse(std::string_view tokenizer_json, const std::string& where) {
  if (tokenizer_json.size() > kMaxFileBytes) {
    throw Error(where, fmt::format("{} bytes; a tokenizer has at most {}", tokenizer_json.size(),
                                   kMaxFileBytes));
  }
  auto impl = std::make_unique<Impl>(parse_tokenizer_json(tokenizer_json, where));
  if (impl->bpe.duplicate() >= 0) {
    throw Error(where,
                fmt::format("model.merges[{}]: the pair stands there twice", impl->bpe.duplicate()),
                "the file may be edited");
  }
  impl->sha256 = sha256_hex(tokenizer_json);
  return Tokenizer(std::move(impl));
}

Tokenizer Tokenizer::load_with(const std::filesystem::path& path,
                               const std::vector<std::string>& added) {
  namespace fs = std::filesystem;
  fs::path file = path;
  if (fs::is_directory(path)) {
    file = path / "tokenizer.json";
    if (!fs::exists(file)) file = path / "tokenizer.json.gz";
    if (!fs::exists(file)) {
      throw Error(path.string(),
                  "expected a folder with tokenizer.json or tokenizer.json.gz, found neither",
                  "name the model's folder or the file itself");
    }
  }
  std::string text = read_file(file, kMaxFileBytes);
  if (!added.empty()) text = add_tokens(text, file.string(), added).tokenizer_json;
  Tokenizer tokenizer = parse(text, file.string());
  const fs::path config = file.parent_path() / "tokenizer_config.json";
  if (fs::exists(config)) tokenizer.impl_->read_config(config);
  // Newer transformers write the template to a file of its own, which then counts.
  const fs::path jinja = file.parent_path() / "chat_template.jinja";
  if (fs::exists(jinja)) tokenizer.impl_->chat_template = read_file(jinja, kMaxFileBytes);
  return tokenizer;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  if (text.size() > INT32_MAX) {
    throw Error("text to encode",
                fmt::format("{} bytes; at most {} are supported", text.size(), INT32_MAX));
  }
  if (const auto missing = byte_without_token(text)) {
    throw Error("text to encode", missing->describe(), "leave it out of the text");
  }
  std::vector<int32_t> ids;
  if (add_special_tokens) ids = impl_->data.prefix;
  for (const TextPiece& piece : impl_->literal_tokens.split(text)) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
    } else {
      impl_->encode_piece(text.substr(piece.begin, piece.end - piece.begin), ids);
    }
  }
  if (add_special_tokens)
    ids.insert(ids.end(), impl_->data.suffix.begin(), impl_->data.suffix.end());
  return ids;
}

std::optional<Tokenizer::ByteWithoutToken> Tokenizer::byte_without_token(
    std::string_view text) const {
  if (impl_->encodes_all_bytes) return std::nullopt;
  for (const TextPiece& piece : impl_->literal_tokens.split(text)) {
    for (size_t at = piece.begin; piece.id < 0 && at < piece.end; ++at) {
      const auto byte = static_cast<uint8_t>(text[at]);
      if (impl_->data.byte_ids[byte] < 0) return ByteWithoutToken{byte, at};
    }
  }
  return std::nullopt;
}

std::string Tokenizer::ByteWithoutToken::describe() const {
  return fmt::format("byte 0x{:02X} at {} has no token", byte, at);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    const std::string& token = impl_->bytes_of(id);
    if (!skip_special || !is_special(id)) bytes += token;
  }
  return replace_invalid_utf8(bytes);
}

std::string Tokenizer::token_bytes(int32_t id) const { return impl_->bytes_of(id); }

int32_t Tokenizer::vocab_size() const { return static_cast<int32_t>(impl_->data.bytes.size()); }

std::optional<int32_t> Tokenizer::token_id(std::string_view token) const {
  const auto added = impl_->added_ids.find(token);
  if (added != impl_->added_ids.end()) return added->second;
  const auto found = impl_->ids_of_text.find(token);
  if (found != impl_->ids_of_text.end()) return found->second;
  return std::nullopt;
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < impl_->special.size() &&
         impl_->special[static_cast<size_t>(id)];
}

const std::string& Tokenizer::chat_template() const { return impl_->chat_template; }
std::optional<int32_t> Tokenizer::eos_token_id() const { return impl_->eos_token_id; }
const std::map<std::string, std::string>& Tokenizer::named_tokens() const {
  return impl_->named_tokens;
}
const std::string& Tokenizer::sha256() const { return impl_->sha256; }

}  // namespace ponder::tokenizer
