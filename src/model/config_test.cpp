#include "model/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "base/error.h"
#include "base/json.h"
#include "model/checkpoint.h"
#include "model/parameters.h"
#include "testing/folders.h"

namespace ponder::model {
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

Json tiny_qwen3() {
  Json json = tiny();
  json["architectures"] = {"Qwen3ForCausalLM"};
  json["model_type"] = "qwen3";
  json["head_dim"] = 32;
  return json;
}

Json tiny_llama() {
  Json json = tiny();
  json["architectures"] = {"LlamaForCausalLM"};
  json["model_type"] = "llama";
  json["rope_scaling"] = {{"factor", 8.0},
                          {"high_freq_factor", 4.0},
                          {"low_freq_factor", 1.0},
                          {"original_max_position_embeddings", 8192},
                          {"rope_type", "llama3"}};
  return json;
}

fs::path shared_config(const std::string& model) {
  return testing::shared_data() / "configs" / (model + ".config.json");
}

TEST(ModelConfig, ReadsTheTinyOne) {
  const ModelConfig config = ModelConfig::from_json(tiny(), "tiny");
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.q_size(), 64);
  EXPECT_EQ(config.kv_size(), 32);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_EQ(config.dtype, tensor::DType::kBF16);
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
  EXPECT_EQ(config.dtype, tensor::DType::kF16);
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
  Json linear = tiny_qwen3();
  linear["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 3.5}};
  Json yarn = tiny();
  yarn["rope_scaling"] = {{"type", "yarn"},          {"factor", 4.0},
                          {"beta_fast", 16},         {"beta_slow", 2},
                          {"attention_factor", 1.3}, {"truncate", false},
                          {"mscale", nullptr},       {"original_max_position_embeddings", 64}};
  for (const Json& other : {tiny_qwen3(), tiny_llama(), linear, yarn}) {
    const ModelConfig first = ModelConfig::from_json(other, "tiny");
    const ModelConfig second = ModelConfig::from_json(first.to_json(), "written");
    EXPECT_EQ(first.to_json(), second.to_json());
    EXPECT_EQ(second.model_type, other.at("model_type").get<std::string>());
    EXPECT_EQ(second.rope_scaling, first.rope_scaling);
    EXPECT_EQ(second.head_dim, first.head_dim);
  }
}

// As transformers: what is given counts, then mscale over mscale_all_dim, then the factor's own.
TEST(ModelConfig, YarnsAttentionFactor) {
  Json json = tiny();
  Json& scaling = json["rope_scaling"];
  scaling = {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
  const auto read = [&] { return ModelConfig::from_json(json, "yarn").rope_scaling; };
  EXPECT_EQ(read().type, ops::RopeScaling::Type::kYarn);
  EXPECT_EQ(read().beta_fast, 32.0);
  EXPECT_EQ(read().beta_slow, 1.0);
  EXPECT_NEAR(read().attention_factor, 1.138629436111989, 1e-14);
  scaling["mscale"] = 0.7;
  EXPECT_NEAR(read().attention_factor, 1.138629436111989, 1e-14);
  scaling["mscale_all_dim"] = 2.0;
  EXPECT_NEAR(read().attention_factor, 1.0970406052783923 / 1.2772588722239781, 1e-14);
  scaling["attention_factor"] = 1.0;
  EXPECT_EQ(read().attention_factor, 1.0);
  json["rope_theta"] = 1.0;
  EXPECT_THROW(read(), Error);
}

TEST(ModelConfig, EachArchitectureHasItsOwnParts) {
  const ModelConfig qwen2 = ModelConfig::from_json(tiny(), "tiny");
  EXPECT_TRUE(qwen2.layer(0).qkv_bias);
  EXPECT_EQ(qwen2.layer(0).qk_norm, QkNorm::kNone);
  const ModelConfig qwen3 = ModelConfig::from_json(tiny_qwen3(), "tiny");
  EXPECT_FALSE(qwen3.layer(0).qkv_bias);
  EXPECT_EQ(qwen3.layer(0).qk_norm, QkNorm::kHead);
  EXPECT_EQ(qwen3.head_dim, 32);
  const ModelConfig llama = ModelConfig::from_json(tiny_llama(), "tiny");
  EXPECT_FALSE(llama.layer(0).qkv_bias);
  EXPECT_EQ(llama.layer(0).qk_norm, QkNorm::kNone);
  EXPECT_EQ(llama.rope_scaling.type, ops::RopeScaling::Type::kLlama3);
  EXPECT_EQ(llama.rope_scaling.factor, 8.0);
  EXPECT_EQ(llama.rope_scaling.low_freq_factor, 1.0);
  EXPECT_EQ(llama.rope_scaling.high_freq_factor, 4.0);
  EXPECT_EQ(llama.rope_scaling.original_max_position_embeddings, 8192);
}

// transformers' documented defaults, which are not the same for all.
TEST(ModelConfig, AbsentKeysTakeTheArchitecturesDefaults) {
  struct Expected {
    Json json;
    int64_t kv_heads_absent, kv_heads_null, head_dim, positions;
  };
  for (const Expected& expected :
       {Expected{tiny(), 32, 64, 2, 32768}, Expected{tiny_qwen3(), 32, 64, 128, 32768},
        Expected{tiny_llama(), 64, 64, 2, 2048}}) {
    Json json = expected.json;
    json["hidden_size"] = 128;
    json["num_attention_heads"] = 64;
    for (const char* key : {"num_key_value_heads", "max_position_embeddings", "rms_norm_eps",
                            "rope_theta", "rope_scaling", "tie_word_embeddings", "torch_dtype",
                            "eos_token_id", "architectures", "hidden_act", "head_dim"}) {
      json.erase(key);
    }
    ModelConfig config = ModelConfig::from_json(json, "bare");
    EXPECT_EQ(config.num_key_value_heads, expected.kv_heads_absent) << config.model_type;
    EXPECT_EQ(config.head_dim, expected.head_dim) << config.model_type;
    EXPECT_EQ(config.max_position_embeddings, expected.positions) << config.model_type;
    EXPECT_EQ(config.rope_theta, 10000.0);
    EXPECT_EQ(config.rope_scaling, ops::RopeScaling());
    EXPECT_EQ(config.rms_norm_eps, 1e-6);
    EXPECT_FALSE(config.tie_word_embeddings);
    EXPECT_EQ(config.dtype, tensor::DType::kF32);
    json["num_key_value_heads"] = nullptr;
    json["head_dim"] = nullptr;
    config = ModelConfig::from_json(json, "bare");
    EXPECT_EQ(config.num_key_value_heads, expected.kv_heads_null) << config.model_type;
    EXPECT_EQ(config.head_dim, expected.head_dim) << config.model_type;
  }
}

TEST(ModelConfig, BothSpellingsOfRopeScaling) {
  Json json = tiny_llama();
  const ModelConfig older = ModelConfig::from_json(json, "older");
  Json nested = json["rope_scaling"];
  nested["rope_theta"] = 1000000.0;
  json["rope_parameters"] = nested;
  EXPECT_EQ(ModelConfig::from_json(json, "both").rope_scaling, older.rope_scaling);
  json.erase("rope_scaling");
  json.erase("rope_theta");
  const ModelConfig newer = ModelConfig::from_json(json, "newer");
  EXPECT_EQ(newer.rope_scaling, older.rope_scaling);
  EXPECT_EQ(newer.rope_theta, older.rope_theta);
  json["rope_scaling"] = {{"type", "linear"}, {"factor", 2}};
  EXPECT_THROW(ModelConfig::from_json(json, "disagree"), Error);
  json.erase("rope_parameters");
  const ModelConfig linear = ModelConfig::from_json(json, "linear");
  EXPECT_EQ(linear.rope_scaling.type, ops::RopeScaling::Type::kLinear);
  EXPECT_EQ(linear.rope_scaling.factor, 2.0);
}

TEST(ModelConfig, PublishedModelsHaveTheirParameterCounts) {
  if (!fs::exists(shared_config("Qwen2.5-0.5B-Instruct"))) GTEST_SKIP() << "no shared data";
  // The layout names every tensor with its shape; no weight is allocated.
  const auto count = [](const std::string& name) {
    const fs::path path = shared_config(name);
    const ModelConfig config = ModelConfig::from_json(read_json_file(path), path.string());
    int64_t total = 0;
    const ParameterLayout layout(config);
    for (const ParameterInfo& info : layout.entries()) total += info.size;
    EXPECT_EQ(total, config.num_parameters()) << name;
    return total;
  };
  EXPECT_EQ(count("Qwen2.5-0.5B-Instruct"), 494032768);
  EXPECT_EQ(count("Qwen2.5-1.5B-Instruct"), 1543714304);
  EXPECT_EQ(count("Qwen2.5-7B-Instruct"), 7615616512);
  EXPECT_EQ(count("Qwen2.5-32B-Instruct"), 32763876352);
  EXPECT_EQ(count("DeepSeek-R1-Distill-Qwen-1.5B"), 1777088000);
  EXPECT_EQ(count("Qwen3-0.6B"), 596049920);
  EXPECT_EQ(count("Llama-3.2-1B"), 1235814400);
}

TEST(ModelConfig, UsualPrecisionIsBf16AboveAHundredMillionParameters) {
  EXPECT_EQ(usual_precision(load_config(testing::source_dir() / "bench/shapes/SmolLM2.json")),
            tensor::Precision::kBf16);
  ModelConfig config = load_config(testing::source_dir() / "bench/shapes/S.json");
  EXPECT_EQ(usual_precision(config), tensor::Precision::kF32);
  ASSERT_TRUE(config.tie_word_embeddings);
  const int64_t others = config.num_parameters() - config.vocab_size * config.hidden_size;
  config.vocab_size = (100'000'000 - others) / config.hidden_size;
  EXPECT_EQ(usual_precision(config), tensor::Precision::kF32) << config.num_parameters();
  ++config.vocab_size;
  EXPECT_EQ(usual_precision(config), tensor::Precision::kBf16) << config.num_parameters();
}

TEST(ModelConfig, EverySharedConfigIsReadAndWrittenBack) {
  const fs::path folder = shared_config("x").parent_path();
  if (!fs::exists(folder)) GTEST_SKIP() << "no shared data";
  int configs = 0;
  for (const auto& file : fs::directory_iterator(folder)) {
    const std::string name = file.path().filename().string();
    if (!name.ends_with(".config.json")) continue;
    const ModelConfig config = ModelConfig::from_json(read_json_file(file.path()), name);
    EXPECT_EQ(ModelConfig::from_json(config.to_json(), name).to_json(), config.to_json()) << name;
    EXPECT_EQ(config.head_dim % 16, 0) << name;
    ++configs;
  }
  EXPECT_GE(configs, 7);
}

// The keys of the published config.json of DeepSeek-R1-Distill-Llama-8B.
TEST(ModelConfig, DeepSeekR1DistillLlama) {
  const Json json = parse_json(
      R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "bos_token_id": 128000, "eos_token_id": 128001, "head_dim": 128, "hidden_act": "silu", "hidden_size": 4096,
    "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 131072, "mlp_bias": false,
    "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
    "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "rope_theta": 500000.0,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 128256})",
      "distill");
  const ModelConfig config = ModelConfig::from_json(json, "distill");
  EXPECT_EQ(config.num_parameters(), 8030261248);
  EXPECT_EQ(config.rope_scaling.factor, 8.0);
}

TEST(ModelConfig, OtherArchitecturesAreRefusedByName) {
  for (const char* type : {"qwen3_moe", "mixtral", "qwen2_moe", "ministral", "gemma3", "qwen"}) {
    Json json = tiny();
    json["model_type"] = type;
    try {
      ModelConfig::from_json(json, "other");
      FAIL() << type << " was accepted";
    } catch (const Error& error) {
      EXPECT_NE(error.where().find("model_type"), std::string::npos);
      EXPECT_NE(error.problem().find(type), std::string::npos);
      for (const Architecture& known : architectures()) {
        EXPECT_NE(error.advice().find(known.model_type), std::string::npos);
      }
    }
  }
}

TEST(ModelConfig, ForwardFlopsCountMatricesHeadAndAttention) {
  const ModelConfig config = ModelConfig::from_json(tiny(), "tiny");
  const double layer = 64 * (64 + 32 + 32 + 64) + 3 * 64 * 160;
  const double per_token = 2 * (2 * layer + 64 * 320) + 2 * 4 * 64 * 100 / 2.0;
  EXPECT_EQ(config.forward_flops(300, 100), 300 * per_token);
}

// Every impossible value is refused with an Error that names its key; one within rope_scaling or
// rope_parameters is named with both ("rope_scaling/factor").
struct BadConfig {
  std::string key;
  std::function<void(Json&)> spoil;
};

void expect_refused(const std::vector<BadConfig>& cases, const Json& good) {
  ASSERT_NO_THROW(ModelConfig::from_json(good, "good"));
  for (const BadConfig& bad : cases) {
    Json json = good;
    bad.spoil(json);
    try {
      ModelConfig::from_json(json, "bad/config.json");
      ADD_FAILURE() << "accepted: " << dump_json(json);
    } catch (const Error& error) {
      const size_t slash = bad.key.find('/');
      const std::string outer = bad.key.substr(0, slash);
      std::string where = "bad/config.json: " + outer;
      if (slash != std::string::npos) where += "." + bad.key.substr(slash + 1);
      EXPECT_EQ(error.where(), where) << error.what();
      EXPECT_FALSE(error.problem().empty());
    }
  }
}

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
      set("rope_scaling", {{"rope_type", "longrope"}, {"factor", 4.0}}, "rope_scaling/rope_type"),
      set("rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}},
          "rope_scaling/original_max_position_embeddings"),
      set("rope_scaling",
          {{"type", "yarn"},
           {"factor", 4.0},
           {"original_max_position_embeddings", 64},
           {"beta_fast", 0.5}},
          "rope_scaling/beta_fast"),
      set("rope_scaling",
          {{"type", "yarn"},
           {"factor", 4.0},
           {"original_max_position_embeddings", 64},
           {"attention_factor", 0}},
          "rope_scaling/attention_factor"),
      set("rope_scaling", {{"type", "dynamic"}, {"factor", 4.0}}, "rope_scaling/type"),
      set("rope_scaling", {{"type", "mrope"}, {"rope_type", "default"}}, "rope_scaling/rope_type"),
      set("rope_scaling", {{"factor", 4.0}}, "rope_scaling/rope_type"),
      set("rope_scaling", {{"type", "linear"}}, "rope_scaling/factor"),
      set("rope_scaling", {{"type", "linear"}, {"factor", 0.5}}, "rope_scaling/factor"),
      set("rope_scaling", {{"type", "default"}, {"mrope_section", {16, 24, 24}}},
          "rope_scaling/mrope_section"),
      set("rope_scaling", 4),
      set("rope_parameters", {{"rope_type", "llama3"}}, "rope_parameters/factor"),
      set("rope_parameters", {{"rope_type", "longrope"}, {"factor", 2}},
          "rope_parameters/rope_type"),
      set("rope_parameters", {{"full_attention", {{"rope_type", "default"}}}},
          "rope_parameters/full_attention"),
      set("rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}},
          "rope_parameters/partial_rotary_factor"),
      set("rope_parameters", {{"rope_theta", 5.0}}, "rope_theta"),
      set("hidden_act", "gelu"),
      set("tie_word_embeddings", "yes"),
      set("torch_dtype", "int8"),
      set("dtype", "float32"),
      set("quantization_config", {{"bits", 4}}),
      set("layer_types", {"full_attention", "sliding_attention"}),
      set("use_mrope", true),
      set("use_sliding_window", true),
      set("mlp_bias", true),
      set("num_experts", 8),
      set("num_local_experts", 8),
      set("n_routed_experts", 8),
      set("architectures", {"Qwen3ForCausalLM"}),
      set("architectures", "Qwen2ForCausalLM"),
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
  expect_refused(cases, tiny());
  EXPECT_THROW(ModelConfig::from_json(Json::array(), "bad/config.json"), Error);
}

TEST(ModelConfig, ImpossibleValuesOfQwen3AndLlamaNameTheirKey) {
  const auto set = [](const char* key, Json value) {
    return BadConfig{key, [key, value](Json& json) { json[key] = value; }};
  };
  expect_refused({set("attention_bias", true), set("attention_bias", "no"), set("head_dim", 33),
                  set("use_sliding_window", true), set("num_experts", 128),
                  set("architectures", {"Qwen3ForSequenceClassification"})},
                 tiny_qwen3());
  std::vector<BadConfig> cases = {set("attention_bias", true),
                                  set("mlp_bias", true),
                                  set("hidden_act", "gelu"),
                                  set("num_local_experts", 8),
                                  set("use_sliding_window", true),
                                  set("sliding_window", 4096),
                                  set("quantization_config", {{"quant_method", "awq"}})};
  const auto rope = [&](const char* key, Json value) {
    cases.push_back({std::string("rope_scaling/") + key,
                     [key, value](Json& json) { json["rope_scaling"][key] = value; }});
  };
  rope("factor", nullptr);
  rope("factor", 0.5);
  rope("factor", "8");
  rope("factor", 1e300);
  rope("low_freq_factor", nullptr);
  rope("low_freq_factor", 0);
  rope("high_freq_factor", nullptr);
  rope("high_freq_factor", 1.0);  // not above low_freq_factor
  rope("original_max_position_embeddings", nullptr);
  rope("original_max_position_embeddings", 0);
  rope("original_max_position_embeddings", 8192.5);
  rope("rope_type", "llama4");
  rope("beta_fast", 32);
  expect_refused(cases, tiny_llama());
}

TEST(ModelConfig, SlidingWindowThatIsNotInUseIsAccepted) {
  Json json = tiny();
  json["use_sliding_window"] = false;
  json["sliding_window"] = 32768;
  json["rope_scaling"] = nullptr;
  EXPECT_NO_THROW(ModelConfig::from_json(json, "tiny"));
}

}  // namespace
}  // namespace ponder::model
