#include "train/test_world.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/philox.h"

namespace ponder::train_test {
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

std::string tiny_tokenizer_json() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[stand_in(byte)] = byte;
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
      {"normalizer", {{"type", "NFC"}}},
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

Tokenizer tiny_tokenizer() { return Tokenizer::parse(tiny_tokenizer_json(), "tiny tokenizer"); }

ModelConfig tiny_config() {
  ModelConfig config;
  config.vocab_size = 300;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 16;
  config.max_position_embeddings = 512;
  config.initializer_range = 0.08;
  config.tie_word_embeddings = true;
  config.eos_token_ids = {259};
  return config;
}

Checkpoint tiny_model(uint64_t seed) {
  Checkpoint checkpoint;
  checkpoint.config = tiny_config();
  checkpoint.parameters = Parameters(checkpoint.config, "weights");
  initialise(checkpoint.parameters, checkpoint.config, seed);
  checkpoint.sha256 = fmt::format("tiny model {}", seed);
  return checkpoint;
}

std::vector<TokenRow> random_rows(int count, uint64_t seed) {
  RandomSequence random(seed, 3);
  std::vector<TokenRow> rows;
  for (int i = 0; i < count; ++i) {
    TokenRow row;
    row.name = fmt::format("row {}", i);
    const int64_t prompt = random.between(2, 12), response = random.between(1, 28);
    for (int64_t t = 0; t < prompt + response; ++t)
      row.tokens.push_back(static_cast<int32_t>(random.below(300)));
    row.num_prompt_tokens = prompt;
    row.trained.assign(row.tokens.size(), 1);
    std::fill_n(row.trained.begin(), prompt, 0);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<TokenPair> random_pairs(int count, uint64_t seed) {
  std::vector<TokenPair> pairs;
  auto chosen = random_rows(count, seed), rejected = random_rows(count, seed + 1);
  for (int i = 0; i < count; ++i) {
    TokenPair pair;
    pair.name = fmt::format("pair {}", i);
    pair.chosen = std::move(chosen[static_cast<size_t>(i)]);
    pair.rejected = std::move(rejected[static_cast<size_t>(i)]);
    pair.chosen_aligned = pair.chosen.trained;
    pair.rejected_aligned = pair.rejected.trained;
    if (pair.chosen.num_trained() > 1)
      pair.chosen_aligned.back() = 0;  // the end is not part of the thought
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

std::vector<float> values_of(const TrainingState& state, TrainingState::Part part) {
  std::vector<float> all;
  for (const TrainingState::Tensor& tensor : state.tensors()) {
    if (tensor.part != part) continue;
    std::vector<float> values(static_cast<size_t>(tensor.parameter.size));
    state.read(tensor, 0, values);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

}  // namespace ponder::train_test
