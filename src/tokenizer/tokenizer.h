// Byte-level BPE as Hugging Face `tokenizers` does it, read from tokenizer.json: normaliser (none
// or NFC), pre-tokeniser (recognised by its text: GPT-2, Qwen2, Llama 3, SmolLM2; never executed
// from the file), merges, added tokens, byte-level decoding. Format:
// https://huggingface.co/docs/tokenizers. Encoding n bytes takes O(n log n), whatever they are.
// Immutable after load; every method may be called from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::tokenizer {

class Tokenizer {
 public:
  // `path`: a folder with tokenizer.json or tokenizer.json.gz (and, if there,
  // tokenizer_config.json), or such a file itself. The chat template is that of chat_template.jinja
  // where there is one. Throws Error naming the key for anything unsupported or inconsistent, and
  // for a file above 128 MiB (unpacked).
  static Tokenizer load(const std::filesystem::path& path) { return load_with(path, {}); }
  // The same with tokens added to it, as add_tokens (token_addition.h) adds them.
  static Tokenizer load_with(const std::filesystem::path& path,
                             const std::vector<std::string>& added);
  // From the text of a tokenizer.json; `where` names it in errors.
  static Tokenizer parse(std::string_view tokenizer_json, const std::string& where);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Special and other added tokens in the text are always recognised. `add_special_tokens` adds
  // what the post-processor adds (nothing for Qwen). Invalid UTF-8 bytes are encoded as the bytes
  // they are. Throws Error naming byte and place where byte_without_token finds one.
  std::vector<int32_t> encode(std::string_view text, bool add_special_tokens = false) const;

  // Some tokenizers (SmolLM2's) have no token for a few control characters and for bytes that no
  // UTF-8 has. Hugging Face leaves such bytes out of the ids without a word, and the model would
  // read another text: here it is for the caller to leave the text out. The first such byte
  // outside added tokens; nullopt: all of the text can be encoded.
  struct ByteWithoutToken {
    uint8_t byte = 0;
    size_t at = 0;                 // where in the text
    std::string describe() const;  // "byte 0x04 at 17 has no token"
  };
  std::optional<ByteWithoutToken> byte_without_token(std::string_view text) const;

  // Bytes of the tokens, joined; incomplete UTF-8 becomes U+FFFD as in Hugging Face. Throws Error
  // on an id outside the vocabulary. `skip_special` leaves special added tokens out.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  // The raw bytes of one token (may be part of a UTF-8 character).
  std::string token_bytes(int32_t id) const;

  int32_t vocab_size() const;  // one more than the highest id
  // Of the token that stands for exactly these bytes, e.g. "<|im_end|>" or " the".
  std::optional<int32_t> token_id(std::string_view token) const;
  bool is_special(int32_t id) const;

  // From tokenizer_config.json beside it, empty when absent.
  const std::string& chat_template() const;
  std::optional<int32_t> eos_token_id() const;
  // bos_token, eos_token, pad_token, … as far as the file names them: what a template may ask for.
  const std::map<std::string, std::string>& named_tokens() const;
  // sha256 of the (unpacked) tokenizer.json.
  const std::string& sha256() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ponder::tokenizer
