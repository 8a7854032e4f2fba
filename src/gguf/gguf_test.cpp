#include "gguf/gguf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "gguf/gguf_file.h"
#include "gguf/gguf_names.h"
#include "model/checkpoint.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_config.h"

namespace ponder::gguf {
namespace {

namespace fs = std::filesystem;

// A GGUF file read by docs/gguf.md, sharing nothing with the writer.
struct ReadTensor {
  std::vector<uint64_t> ne;  // innermost first, as stored
  uint32_t type = 0;
  uint64_t begin = 0;  // in the file
};

struct ReadFile {
  explicit ReadFile(const fs::path& path) : bytes(read_file(path)) {
    EXPECT_EQ(bytes.substr(0, 4), "GGUF");
    at = 4;
    EXPECT_EQ(number<uint32_t>(), 3u);
    const auto num_tensors = number<uint64_t>(), num_keys = number<uint64_t>();
    for (uint64_t i = 0; i < num_keys; ++i) {
      const std::string key = text();
      EXPECT_FALSE(metadata.contains(key)) << key;
      metadata[key] = value(number<uint32_t>());
    }
    for (uint64_t i = 0; i < num_tensors; ++i) {
      const std::string name = text();
      ReadTensor tensor;
      tensor.ne.resize(number<uint32_t>());
      for (uint64_t& n : tensor.ne) n = number<uint64_t>();
      tensor.type = number<uint32_t>();
      tensor.begin = number<uint64_t>();
      EXPECT_EQ(tensor.begin % 32, 0u) << name;
      tensors[name] = tensor;
    }
    const size_t begin = (at + 31) / 32 * 32;
    for (auto& [name, tensor] : tensors) tensor.begin += begin;
    EXPECT_EQ(bytes.size() % 32, 0u);
  }

  template <class Number>
  Number number() {
    Number result;
    std::memcpy(&result, bytes.data() + at, sizeof result);
    at += sizeof result;
    return result;
  }
  std::string text() {
    const auto size = number<uint64_t>();
    at += size;
    return bytes.substr(at - size, size);
  }
  Json value(uint32_t type) {
    switch (type) {
      case 4:
        return number<uint32_t>();
      case 5:
        return number<int32_t>();
      case 6:
        return number<float>();
      case 7:
        return number<uint8_t>() == 1;
      case 8:
        return text();
      case 9: {
        const auto inner = number<uint32_t>();
        const auto count = number<uint64_t>();
        Json list = Json::array();
        for (uint64_t i = 0; i < count; ++i) list.push_back(value(inner));
        return list;
      }
      default:
        ADD_FAILURE() << "value of type " << type;
        return nullptr;
    }
  }

  template <class Number>
  Number element(uint64_t offset) const {
    Number result;
    std::memcpy(&result, bytes.data() + offset, sizeof result);
    return result;
  }
  static double half(uint16_t bits) {
    const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    const double magnitude =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    return bits & 0x8000 ? -magnitude : magnitude;
  }
  // Element i of a tensor, and how far it may be from what was exported.
  std::pair<double, double> at_index(const ReadTensor& tensor, uint64_t i, double original) const {
    if (tensor.type == 0) return {element<float>(tensor.begin + 4 * i), 0.0};
    if (tensor.type == 1) {
      return {half(element<uint16_t>(tensor.begin + 2 * i)),
              std::fabs(original) * 0x1p-11 + 0x1p-25};
    }
    if (tensor.type == 30) {
      const uint32_t bits = uint32_t{element<uint16_t>(tensor.begin + 2 * i)} << 16;
      float result;
      std::memcpy(&result, &bits, 4);
      return {result, std::fabs(original) * 0x1p-8};
    }
    EXPECT_EQ(tensor.type, 8u);
    const uint64_t block = tensor.begin + i / 32 * 34;
    const double scale = half(element<uint16_t>(block));
    // Half a step, and the rounding of the scale itself.
    return {scale * element<int8_t>(block + 2 + i % 32), scale * (0.5 + 127 * 0x1p-11)};
  }

  std::string bytes;
  size_t at = 0;
  std::map<std::string, Json> metadata;
  std::map<std::string, ReadTensor> tensors;
};

class Gguf : public ::testing::Test {
 protected:
  static model::ModelConfig tiny() {
    model::ModelConfig config = testing::tiny_config(520);  // nano-base's tokenizer has 512 tokens
    config.hidden_size = 64;                                // whole blocks of 32
    config.intermediate_size = 96;
    config.max_position_embeddings = 128;
    config.rope_theta = 5000.0;
    config.rms_norm_eps = 1e-5;
    config.tie_word_embeddings = false;
    config.eos_token_ids = {507};
    return config;
  }

  // A checkpoint folder with weights of every magnitude from 1e-4 to 4.
  fs::path checkpoint(const std::string& name, const model::ModelConfig& config,
                      const std::function<void(model::Parameters&)>& edit = nullptr) {
    model::Parameters parameters(config, "test");
    model::initialise(parameters, config, 3);
    for (size_t i = 0; i < parameters.flat().size(); ++i) {
      parameters.flat()[i] +=
          static_cast<float>(std::sin(double(i)) * std::pow(10, -4.0 * (i % 5 == 0)));
    }
    if (edit) edit(parameters);
    model::save_checkpoint(root / name, config, parameters, {});
    for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
      fs::copy_file(nano / file, root / name / file);
    return root / name;
  }

  // Every tensor of the file is the checkpoint's, within what its type can hold.
  static void expect_same_values(const ReadFile& file, const fs::path& folder) {
    const model::Checkpoint loaded = model::load_checkpoint(folder);
    const model::ModelConfig& config = loaded.config;
    size_t num_checked = 0;
    for (const model::ParameterInfo& info : loaded.parameters.layout().entries()) {
      const auto found = file.tensors.find(info.gguf_name);
      ASSERT_NE(found, file.tensors.end()) << info.name;
      const ReadTensor& tensor = found->second;
      ++num_checked;
      ASSERT_EQ(tensor.ne.size(), info.shape.size()) << info.name;
      for (size_t d = 0; d < tensor.ne.size(); ++d)
        EXPECT_EQ(tensor.ne[d], static_cast<uint64_t>(info.shape[info.shape.size() - 1 - d]));
      if (!info.is_matrix()) {
        EXPECT_EQ(tensor.type, 0u) << info.name;
      }
      const auto order = gguf_row_order(gguf_layout(config), config, info.role);
      const auto row = static_cast<size_t>(info.shape.back());
      const auto values = loaded.parameters.at(info.name);
      int bad = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        const size_t from = order.empty() ? i : static_cast<size_t>(order[i / row]) * row + i % row;
        const auto [value, allowed] = file.at_index(tensor, i, values[from]);
        bad += !(std::fabs(value - values[from]) <= allowed);
      }
      EXPECT_EQ(bad, 0) << info.name;
    }
    EXPECT_GE(file.tensors.size(), num_checked);
  }

  static std::string refusal(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    ADD_FAILURE() << "no Error";
    return "";
  }

  testing::TemporaryFolder temporary;
  const fs::path root = temporary.path();
  const fs::path nano = testing::source_dir() / "models/nano-base";
};

TEST_F(Gguf, EveryTypeHoldsTheWeights) {
  const fs::path folder = checkpoint("model", tiny());
  const std::map<GgmlType, uint32_t> types = {
      {GgmlType::kF32, 0}, {GgmlType::kF16, 1}, {GgmlType::kBF16, 32}, {GgmlType::kQ8_0, 7}};
  for (const auto& [type, file_type] : types) {
    const fs::path out = root / (std::string(to_string(type)) + ".gguf");
    const GgufResult result = export_gguf(folder, out, type);
    const ReadFile file(out);
    expect_same_values(file, folder);
    EXPECT_EQ(file.metadata.at("general.file_type"), file_type);
    EXPECT_EQ(file.tensors.at("blk.1.ffn_down.weight").type, static_cast<uint32_t>(type));
    EXPECT_EQ(result.num_bytes, fs::file_size(out));
    EXPECT_EQ(result.sha256, sha256_file(out));
    EXPECT_EQ(result.model_sha256, model::checkpoint_sha256(folder));
    EXPECT_EQ(result.num_tensors, static_cast<int64_t>(file.tensors.size()));
    EXPECT_TRUE(result.not_quantised.empty());
    EXPECT_FALSE(fs::exists(out.string() + ".tmp"));
    EXPECT_EQ(export_gguf(folder, root / "again.gguf", type).sha256, result.sha256);
  }
}

TEST_F(Gguf, MetadataSaysWhatTheConfigSays) {
  const fs::path folder = checkpoint("tiny-model", tiny());
  export_gguf(folder, root / "model.gguf", GgmlType::kF32);
  const ReadFile file(root / "model.gguf");
  const std::map<std::string, Json> expected = {
      {"general.architecture", "qwen2"},
      {"general.type", "model"},
      {"general.name", "tiny-model"},
      {"general.size_label", "129K"},
      {"general.quantization_version", 2},
      {"qwen2.block_count", 2},
      {"qwen2.context_length", 128},
      {"qwen2.embedding_length", 64},
      {"qwen2.feed_forward_length", 96},
      {"qwen2.attention.head_count", 4},
      {"qwen2.attention.head_count_kv", 2},
      {"qwen2.attention.layer_norm_rms_epsilon", 1e-5f},
      {"qwen2.rope.freq_base", 5000.0f},
      {"tokenizer.ggml.model", "gpt2"},
      {"tokenizer.ggml.pre", "qwen2"},
      {"tokenizer.ggml.eos_token_id", 507},
      {"tokenizer.ggml.padding_token_id", 505},
      {"tokenizer.ggml.add_bos_token", false},
  };
  for (const auto& [key, value] : expected) {
    ASSERT_TRUE(file.metadata.contains(key)) << key;
    EXPECT_EQ(file.metadata.at(key), value) << key;
  }
  EXPECT_FALSE(file.metadata.contains("tokenizer.ggml.bos_token_id"));  // null in nano-base
  EXPECT_FALSE(file.metadata.contains("qwen2.attention.key_length"));   // no head_dim in the config

  const Json tokenizer = read_json_file(folder / "tokenizer.json");
  const Json& tokens = file.metadata.at("tokenizer.ggml.tokens");
  const Json& types = file.metadata.at("tokenizer.ggml.token_type");
  ASSERT_EQ(tokens.size(), 520u);
  ASSERT_EQ(types.size(), 520u);
  for (const auto& [token, id] : tokenizer.at("model").at("vocab").items()) {
    EXPECT_EQ(tokens.at(id.get<size_t>()), token);
    EXPECT_EQ(types.at(id.get<size_t>()), 1);
  }
  EXPECT_EQ(tokens[507], "<|im_end|>");
  EXPECT_EQ(types[507], 3);
  EXPECT_EQ(tokens[519], "[PAD519]");
  EXPECT_EQ(types[519], 5);
  EXPECT_EQ(file.metadata.at("tokenizer.ggml.merges").size(),
            tokenizer.at("model").at("merges").size());
}

TEST_F(Gguf, AnExplicitHeadSizeIsWritten) {
  model::ModelConfig config = tiny();
  config.head_dim = 32;  // not 64 / 4, so config.json names it
  export_gguf(checkpoint("wide", config), root / "wide.gguf", GgmlType::kBF16);
  const ReadFile file(root / "wide.gguf");
  EXPECT_EQ(file.metadata.at("qwen2.attention.key_length"), 32);
  EXPECT_EQ(file.metadata.at("qwen2.attention.value_length"), 32);
}

TEST_F(Gguf, TiedEmbeddingsAreWrittenOnce) {
  model::ModelConfig config = tiny();
  config.tie_word_embeddings = true;
  export_gguf(checkpoint("tied", config), root / "tied.gguf", GgmlType::kF16);
  const ReadFile file(root / "tied.gguf");
  EXPECT_TRUE(file.tensors.contains("token_embd.weight"));
  EXPECT_FALSE(file.tensors.contains("output.weight"));
}

TEST_F(Gguf, RowsWithoutWholeBlocksFallBackAndAreReported) {
  model::ModelConfig config = tiny();
  config.intermediate_size = 72;  // the rows of down_proj
  const fs::path folder = checkpoint("odd", config);
  const GgufResult result = export_gguf(folder, root / "odd.gguf", GgmlType::kQ8_0);
  EXPECT_EQ(result.not_quantised,
            (std::vector<std::string>{"blk.0.ffn_down.weight", "blk.1.ffn_down.weight"}));
  const ReadFile file(root / "odd.gguf");
  EXPECT_EQ(file.tensors.at("blk.0.ffn_down.weight").type, 1u);
  EXPECT_EQ(file.tensors.at("blk.0.ffn_up.weight").type, 8u);
  expect_same_values(file, folder);
}

TEST_F(Gguf, ValuesTheTypeCannotHoldAreAnErrorAndLeaveNoFile) {
  const fs::path folder = checkpoint("large", tiny(), [](model::Parameters& parameters) {
    parameters.at("model.layers.1.mlp.up_proj.weight")[77] = 70000.0f;
  });
  const std::string message =
      refusal([&] { export_gguf(folder, root / "large.gguf", GgmlType::kF16); });
  EXPECT_NE(message.find("model.layers.1.mlp.up_proj.weight"), std::string::npos) << message;
  EXPECT_NE(message.find("70000"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(root / "large.gguf"));
  EXPECT_FALSE(fs::exists(root / "large.gguf.tmp"));
  export_gguf(folder, root / "large.gguf", GgmlType::kBF16);
  export_gguf(folder, root / "large.gguf", GgmlType::kQ8_0);

  const fs::path broken = checkpoint("broken", tiny(), [](model::Parameters& parameters) {
    parameters.at("model.norm.weight")[5] = NAN;
  });
  const std::string nan =
      refusal([&] { export_gguf(broken, root / "broken.gguf", GgmlType::kF32); });
  EXPECT_NE(nan.find("model.norm.weight"), std::string::npos) << nan;
}

TEST_F(Gguf, DamagedWeightsAreNotExported) {
  const fs::path folder = checkpoint("model", tiny());
  std::string bytes = read_file(folder / "model.safetensors");
  bytes[bytes.size() - 9] ^= 1;
  write_file_atomic(folder / "model.safetensors", bytes);
  const std::string message =
      refusal([&] { export_gguf(folder, root / "x.gguf", GgmlType::kF32); });
  EXPECT_NE(message.find("ponder.json"), std::string::npos) << message;
}

TEST_F(Gguf, TheTokenizersOfTheKnownFamilies) {
  const auto metadata_with = [&](const std::string& tokenizer, const std::string& config_json,
                                 const std::function<void(Json&)>& edit = nullptr) {
    const fs::path folder = root / tokenizer;
    fs::remove_all(folder);
    fs::create_directories(folder);
    Json json = read_json_file(testing::source_dir() / "tests/golden/tokenizer" / tokenizer);
    if (edit) edit(json);
    write_file_atomic(folder / "tokenizer.json", dump_json(json));
    model::ModelConfig config = tiny();
    config.vocab_size = 1000;
    model::Parameters parameters(config, "test");
    model::save_checkpoint(root / "weights", config, parameters, {});
    for (const char* name : {"config.json", "model.safetensors"})
      fs::copy_file(root / "weights" / name, folder / name);
    write_file_atomic(folder / "tokenizer_config.json", config_json);
    export_gguf(folder, root / "t.gguf", GgmlType::kF32);
    return ReadFile(root / "t.gguf").metadata;
  };
  EXPECT_EQ(metadata_with("qwen2.json", "{}").at("tokenizer.ggml.pre"), "qwen2");

  const auto gpt2 = metadata_with("gpt2.json", R"({"bos_token": "<s>", "eos_token": "</s>"})");
  EXPECT_EQ(gpt2.at("tokenizer.ggml.pre"), "gpt-2");
  EXPECT_EQ(gpt2.at("tokenizer.ggml.add_bos_token"), true);
  EXPECT_EQ(gpt2.at("tokenizer.ggml.add_eos_token"), true);
  // It puts tokens around a text that are not known to be bos and eos: llama.cpp cannot.
  const std::string refused = refusal([&] { metadata_with("gpt2.json", "{}"); });
  EXPECT_NE(refused.find("post_processor"), std::string::npos) << refused;

  const auto llama = metadata_with("llama3.json", R"({"bos_token": {"content": "<|begin|>"}})");
  EXPECT_EQ(llama.at("tokenizer.ggml.pre"), "llama-bpe");
  EXPECT_EQ(llama.at("tokenizer.ggml.add_bos_token"), true);
  EXPECT_EQ(llama.at("tokenizer.ggml.bos_token_id"), 502);
  EXPECT_EQ(llama.at("tokenizer.ggml.tokens").at(502), "<|begin|>");

  // DeepSeek's distilled models: Qwen's words, other special tokens.
  const auto distilled = metadata_with("qwen2.json", "{}", [](Json& json) {
    Json token = json.at("added_tokens").back();
    token["id"] = token["id"].get<int>() + 1;
    token["content"] = "<｜begin▁of▁sentence｜>";
    token["special"] = false;  // the look of it is enough
    json["added_tokens"].push_back(token);
  });
  EXPECT_EQ(distilled.at("tokenizer.ggml.pre"), "deepseek-r1-qwen");
  const Json& tokens = distilled.at("tokenizer.ggml.tokens");
  const auto place = std::find(tokens.begin(), tokens.end(), "<｜begin▁of▁sentence｜>");
  ASSERT_NE(place, tokens.end());
  EXPECT_EQ(
      distilled.at("tokenizer.ggml.token_type").at(static_cast<size_t>(place - tokens.begin())), 3);
}

TEST_F(Gguf, EveryArchitectureIsExported) {
  for (const model::Architecture& architecture : model::architectures()) {
    model::ModelConfig config = tiny();
    config.model_type = architecture.model_type;
    const fs::path folder = checkpoint(config.model_type, config);
    const auto write = [&] { export_gguf(folder, root / "a.gguf", GgmlType::kF32); };
    const std::string name(architecture.gguf.name);
    if (name.empty()) {  // how llama.cpp wants it is not known here
      EXPECT_NE(refusal(write).find("model_type"), std::string::npos) << config.model_type;
      continue;
    }
    write();
    const ReadFile file(root / "a.gguf");
    expect_same_values(file, folder);
    EXPECT_EQ(file.metadata.at("general.architecture"), name);
    EXPECT_TRUE(file.metadata.contains(name + ".rope.freq_base"));
    EXPECT_EQ(file.tensors.contains("blk.1.attn_q_norm.weight"),
              architecture.layer.qk_norm != model::QkNorm::kNone);
    EXPECT_EQ(file.tensors.contains("blk.1.attn_q.bias"), architecture.layer.qkv_bias);
    EXPECT_FALSE(file.tensors.contains("rope_freqs.weight"));
  }
}

TEST_F(Gguf, WindowsAreRefused) {
  model::ModelConfig config = tiny();
  config.model_type = "mistral";
  config.layers.assign(static_cast<size_t>(config.num_hidden_layers), {.window = 100});
  const fs::path folder = checkpoint("windows", config);
  EXPECT_NE(
      refusal([&] { export_gguf(folder, root / "w.gguf", GgmlType::kF32); }).find("sliding_window"),
      std::string::npos);
}

TEST_F(Gguf, StretchedRotaryFrequencies) {
  model::ModelConfig config = tiny();
  config.model_type = "llama";
  config.rope_theta = 500000.0;
  config.rope_scaling.type = ops::RopeScaling::Type::kLlama3;
  config.rope_scaling.factor = 8.0;
  config.rope_scaling.original_max_position_embeddings = 8192;
  export_gguf(checkpoint("llama", config), root / "llama.gguf", GgmlType::kQ8_0);
  const ReadFile file(root / "llama.gguf");
  EXPECT_EQ(file.metadata.at("llama.rope.dimension_count"), 16);
  EXPECT_EQ(file.metadata.at("llama.vocab_size"), 520);
  const ReadTensor& factors = file.tensors.at("rope_freqs.weight");
  ASSERT_EQ(factors.ne, std::vector<uint64_t>{8});
  ASSERT_EQ(factors.type, 0u);
  // Wavelengths 2 pi 500000^(i / 8): 6.3, 32, 167, 862, 4443, … Up to 8192 / 4 nothing changes,
  // from 8192 on everything by 8; 4443 lies between: (8192 / 4443 - 1) / 3 = 0.2813 unchanged.
  const double between = 1 / ((1 - 0.28128) / 8 + 0.28128);
  const std::vector<double> expected = {1, 1, 1, 1, between, 8, 8, 8};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(file.at_index(factors, i, 0).first, expected[i], 1e-3) << i;

  config.rope_scaling = {ops::RopeScaling::Type::kLinear, 4.0};
  export_gguf(checkpoint("linear", config), root / "linear.gguf", GgmlType::kF32);
  const ReadFile linear(root / "linear.gguf");
  EXPECT_EQ(linear.metadata.at("llama.rope.scaling.type"), "linear");
  EXPECT_EQ(linear.metadata.at("llama.rope.scaling.factor"), 4.0f);
  EXPECT_FALSE(linear.tensors.contains("rope_freqs.weight"));

  config.rope_scaling = {ops::RopeScaling::Type::kYarn, 4.0, 1.0, 4.0, 512};
  config.rope_scaling.attention_factor = ops::yarn_attention_factor(4.0);
  export_gguf(checkpoint("yarn", config), root / "yarn.gguf", GgmlType::kF32);
  const ReadFile yarn(root / "yarn.gguf");
  EXPECT_EQ(yarn.metadata.at("llama.rope.scaling.type"), "yarn");
  EXPECT_EQ(yarn.metadata.at("llama.rope.scaling.factor"), 4.0f);
  EXPECT_EQ(yarn.metadata.at("llama.rope.scaling.original_context_length"), 512);
  config.rope_scaling.beta_fast = 16.0;
  const fs::path other = checkpoint("other_yarn", config);
  EXPECT_NE(
      refusal([&] { export_gguf(other, root / "y.gguf", GgmlType::kF32); }).find("rope_scaling"),
      std::string::npos);

  config.model_type = "qwen2";
  config.rope_scaling = {ops::RopeScaling::Type::kLlama3};
  const fs::path folder = checkpoint("mixed", config);
  EXPECT_NE(
      refusal([&] { export_gguf(folder, root / "m.gguf", GgmlType::kF32); }).find("rope_scaling"),
      std::string::npos);
}

TEST(GgufNames, LlamaRowsGoFromHalvesToPairs) {
  model::ModelConfig config;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 6;
  config.model_type = "llama";
  const model::GgufLayout& llama = gguf_layout(config);
  EXPECT_EQ(gguf_row_order(llama, config, model::TensorRole::kQ),
            (std::vector<int64_t>{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}));
  EXPECT_EQ(gguf_row_order(llama, config, model::TensorRole::kK),
            (std::vector<int64_t>{0, 3, 1, 4, 2, 5}));
  EXPECT_TRUE(gguf_row_order(llama, config, model::TensorRole::kV).empty());
  EXPECT_TRUE(gguf_row_order(model::find_architecture("qwen2")->gguf, config, model::TensorRole::kQ)
                  .empty());
}

TEST(GgmlTypes, Q8RoundsHalvesAwayFromZero) {
  std::vector<float> values(32, 0.0f);
  values[0] = 127;  // the scale is 1
  values[1] = 0.5f;
  values[2] = -0.5f;
  values[3] = 2.5f;
  values[4] = -3.5f;
  values[5] = 2.49f;
  std::string bytes;
  append_as(GgmlType::kQ8_0, values, "t", bytes);
  ASSERT_EQ(bytes.size(), 34u);
  EXPECT_EQ(bytes.substr(0, 2), std::string("\x00\x3c", 2));  // 1.0 as f16
  const std::vector<int> expected = {127, 1, -1, 3, -4, 2, 0};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(static_cast<int8_t>(bytes[2 + i]), expected[i]) << i;
  bytes.clear();
  append_as(GgmlType::kQ8_0, std::vector<float>(32, 0.0f), "t", bytes);
  EXPECT_EQ(bytes, std::string(34, '\0'));
  bytes.clear();
  append_as(GgmlType::kQ8_0, std::vector<float>(32, 1e-42f), "t", bytes);  // a subnormal scale
  EXPECT_EQ(bytes, std::string(34, '\0'));
  EXPECT_THROW(append_as(GgmlType::kQ8_0, std::vector<float>(32, 1e8f), "t", bytes), Error);
}

}  // namespace
}  // namespace ponder::gguf
