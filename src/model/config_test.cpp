#include "model/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "base/error.h"
#include "base/json.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

Json tiny() {
  return parse_json(
      R"({"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu",
    "vocab_size": 320, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "eos_token_id": 3})",
      "tiny");
}

fs::path shared_config(const std::string& model) {
  return fs::path(PONDER_SHARED_DATA) / "configs" / (model + ".config.json");
}

TEST(ModelConfig, ReadsTheTinyOne) {
  const ModelConfig config = ModelConfig::from_json(tiny(), "tiny");
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.q_size(), 64);
  EXPECT_EQ(config.kv_size(), 32);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_EQ(config.dtype, DType::kBF16);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.eos_token_ids, std::vector<int32_t>{3});
}

TEST(ModelConfig, BothSpellings) {
  Json json = tiny();
  json.erase("torch_dtype");
  json.erase("rope_theta");
  json["dtype"] = "float16";
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 250000}};
  json["eos_token_id"] = {7, 9};
  const ModelConfig config = ModelConfig::from_json(json, "tiny");
  EXPECT_EQ(config.dtype, DType::kF16);
  EXPECT_EQ(config.rope_theta, 250000.0);
  EXPECT_EQ(config.eos_token_ids, (std::vector<int32_t>{7, 9}));
}

TEST(ModelConfig, WrittenConfigReadsBackTheSame) {
  Json json = tiny();
  json["head_dim"] = 24;
  json["eos_token_id"] = {7, 9};
  const ModelConfig config = ModelConfig::from_json(json, "tiny");
  const ModelConfig again = ModelConfig::from_json(config.to_json(), "written");
  EXPECT_EQ(config.to_json(), again.to_json());
  EXPECT_EQ(again.head_dim, 24);
  EXPECT_EQ(again.num_parameters(), config.num_parameters());
}

TEST(ModelConfig, PublishedModelsHaveTheirParameterCounts) {
  if (!fs::exists(shared_config("Qwen2.5-0.5B-Instruct"))) GTEST_SKIP() << "no shared data";
  const auto count = [](const std::string& name) {
    const fs::path path = shared_config(name);
    return ModelConfig::from_json(read_json_file(path), path.string()).num_parameters();
  };
  EXPECT_EQ(count("Qwen2.5-0.5B-Instruct"), 494032768);
  EXPECT_EQ(count("Qwen2.5-1.5B-Instruct"), 1543714304);
  EXPECT_EQ(count("Qwen2.5-7B-Instruct"), 7615616512);
  EXPECT_EQ(count("Qwen2.5-32B-Instruct"), 32763876352);
  EXPECT_EQ(count("DeepSeek-R1-Distill-Qwen-1.5B"), 1777088000);
}

TEST(ModelConfig, OtherArchitecturesAreRefusedByName) {
  if (!fs::exists(shared_config("Qwen3-0.6B"))) GTEST_SKIP() << "no shared data";
  for (const auto& [name, type] :
       {std::pair{"Qwen3-0.6B", "qwen3"}, std::pair{"Llama-3.2-1B", "llama"}}) {
    const fs::path path = shared_config(name);
    try {
      ModelConfig::from_json(read_json_file(path), path.string());
      FAIL() << name << " was accepted";
    } catch (const Error& error) {
      EXPECT_NE(error.where().find("model_type"), std::string::npos);
      EXPECT_NE(error.problem().find(type), std::string::npos);
      EXPECT_NE(error.advice().find("qwen2"), std::string::npos);
    }
  }
}

TEST(ModelConfig, ForwardFlopsCountMatricesHeadAndAttention) {
  const ModelConfig config = ModelConfig::from_json(tiny(), "tiny");
  const double layer = 64 * (64 + 32 + 32 + 64) + 3 * 64 * 160;
  const double per_token = 2 * (2 * layer + 64 * 320) + 2 * 4 * 64 * 100 / 2.0;
  EXPECT_EQ(config.forward_flops(300, 100), 300 * per_token);
}

// Every impossible value is refused with an Error that names its key.
struct BadConfig {
  const char* key;
  std::function<void(Json&)> spoil;
};

TEST(ModelConfig, ImpossibleValuesNameTheirKey) {
  const auto set = [](const char* key, Json value, const char* named = nullptr) {
    return BadConfig{named ? named : key, [key, value](Json& json) { json[key] = value; }};
  };
  const auto drop = [](const char* key) {
    return BadConfig{key, [key](Json& json) { json.erase(key); }};
  };
  const std::vector<BadConfig> cases = {
      drop("model_type"),
      set("model_type", "gpt2"),
      set("model_type", 7),
      set("architectures", {"Qwen2ForSequenceClassification"}),
      drop("vocab_size"),
      set("vocab_size", 0),
      set("vocab_size", -5),
      set("vocab_size", 18446744073709551615u),
      set("vocab_size", "many"),
      set("hidden_size", 64.5),
      set("hidden_size", int64_t{1} << 40),
      set("hidden_size", 66, "num_attention_heads"),
      set("hidden_size", 60, "num_attention_heads"),
      set("head_dim", 15),
      set("head_dim", 0),
      set("intermediate_size", nullptr),
      set("num_hidden_layers", 0),
      set("num_hidden_layers", 1000000000),
      set("num_attention_heads", Json::array()),
      set("num_key_value_heads", 3),
      set("num_key_value_heads", 8),
      set("max_position_embeddings", 0),
      set("rms_norm_eps", -1.0),
      set("rms_norm_eps", "1e-6"),
      set("rope_theta", 0),
      set("rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}}),
      set("rope_scaling", {{"type", "linear"}, {"factor", 4.0}}),
      set("rope_scaling", 4),
      set("rope_parameters", {{"rope_type", "llama3"}}),
      set("rope_parameters", {{"rope_theta", 5.0}}, "rope_theta"),
      set("hidden_act", "gelu"),
      set("tie_word_embeddings", "yes"),
      set("torch_dtype", "int8"),
      set("dtype", "float32"),
      set("quantization_config", {{"bits", 4}}),
      set("layer_types", {"full_attention", "sliding_attention"}),
      set("use_mrope", true),
      set("partial_rotary_factor", 0.5),
      set("eos_token_id", 320),
      set("eos_token_id", {1, -1}),
      set("eos_token_id", "</s>"),
      BadConfig{"use_sliding_window",
                [](Json& json) {
                  json["use_sliding_window"] = true;
                  json["sliding_window"] = 128;
                }},
  };
  for (const BadConfig& bad : cases) {
    Json json = tiny();
    bad.spoil(json);
    try {
      ModelConfig::from_json(json, "bad/config.json");
      ADD_FAILURE() << "accepted: " << dump_json(json);
    } catch (const Error& error) {
      EXPECT_EQ(error.where(), std::string("bad/config.json, key \"") + bad.key + "\"")
          << error.what();
      EXPECT_FALSE(error.problem().empty());
    }
  }
  EXPECT_THROW(ModelConfig::from_json(Json::array(), "bad/config.json"), Error);
}

TEST(ModelConfig, SlidingWindowThatIsNotInUseIsAccepted) {
  Json json = tiny();
  json["use_sliding_window"] = false;
  json["sliding_window"] = 32768;
  json["rope_scaling"] = nullptr;
  EXPECT_NO_THROW(ModelConfig::from_json(json, "tiny"));
}

}  // namespace
}  // namespace ponder
