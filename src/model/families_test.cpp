// What the families' files read from config.json: one for each that has keys of its own.
#include <gtest/gtest.h>

#include <functional>

#include "model/config.h"
#include "testing/error_text.h"

namespace ponder::model {
namespace {

Json tiny(const char* model_type) {
  Json json = {{"model_type", model_type}, {"vocab_size", 60},       {"hidden_size", 64},
               {"intermediate_size", 40},  {"num_hidden_layers", 8}, {"num_attention_heads", 4},
               {"num_key_value_heads", 2}};
  return json;
}

ModelConfig read(const Json& json) { return ModelConfig::from_json(json, "tiny"); }

// One letter a layer: w where it has a window, r or n where it rotates or not.
std::string letters(const ModelConfig& config, char yes, char no,
                    const std::function<bool(const LayerSpec&)>& is) {
  std::string text;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) text += is(config.layer(i)) ? yes : no;
  return text;
}
std::string windows(const ModelConfig& config) {
  return letters(config, 'w', '-', [](const LayerSpec& layer) { return layer.window > 0; });
}
std::string rotations(const ModelConfig& config) {
  return letters(config, 'r', '-', [](const LayerSpec& layer) { return layer.rotates; });
}
std::string stretched(const ModelConfig& config) {
  return letters(config, 's', '-', [](const LayerSpec& layer) { return layer.scales_rope; });
}

void expect_refused(Json json, const std::string& key, const Json& value,
                    const std::string& named = "") {
  json[key] = value;
  const std::string text = testing::error_text([&] { read(json); });
  EXPECT_NE(text.find(named.empty() ? key : named), std::string::npos) << text;
}

// What is written reads back the same.
void expect_written(const ModelConfig& config) {
  const ModelConfig again = read(config.to_json());
  EXPECT_EQ(again.to_json(), config.to_json());
  EXPECT_EQ(again.layers, config.layers);
  EXPECT_EQ(again.rope_theta, config.rope_theta);
  EXPECT_EQ(again.rope_scaling, config.rope_scaling);
  EXPECT_EQ(again.tie_word_embeddings, config.tie_word_embeddings);
}

TEST(Families, SmolLm3RotatesAllLayersButSome) {
  Json json = tiny("smollm3");
  EXPECT_EQ(rotations(read(json)), "rrr-rrr-");
  EXPECT_TRUE(read(json).tie_word_embeddings);
  EXPECT_EQ(read(json).rope_theta, 2000000.0);
  EXPECT_EQ(windows(read(json)), "--------");
  json["no_rope_layer_interval"] = 3;
  EXPECT_EQ(rotations(read(json)), "rr-rr-rr");
  json["no_rope_layers"] = nullptr;
  EXPECT_EQ(rotations(read(json)), "rr-rr-rr");
  json["no_rope_layers"] = {0, 1, 1, 0, 1, 1, 1, 0, 0};  // may be longer
  EXPECT_EQ(rotations(read(json)), "-rr-rrr-");
  json["tie_word_embeddings"] = false;
  EXPECT_FALSE(read(json).tie_word_embeddings);
  expect_written(read(json));
  expect_refused(json, "no_rope_layers", {1, 1, 1});
  expect_refused(json, "no_rope_layers", {1, 1, 1, 2, 1, 1, 1, 1});
  expect_refused(json, "no_rope_layers", 4);
  expect_refused(json, "no_rope_layer_interval", 0);
  expect_refused(json, "use_sliding_window", true);
  expect_refused(json, "attention_bias", true);
}

TEST(Families, MistralHasAWindowUnlessItIsNull) {
  Json json = tiny("mistral");
  EXPECT_EQ(read(json).layer(7).window, 4096);  // transformers' default
  json["sliding_window"] = 100;
  EXPECT_EQ(windows(read(json)), "wwwwwwww");
  EXPECT_EQ(read(json).layer(0).window, 100);
  expect_written(read(json));
  json["sliding_window"] = nullptr;
  EXPECT_EQ(windows(read(json)), "--------");
  expect_written(read(json));
  expect_refused(json, "sliding_window", 0);
  expect_refused(json, "layer_types", {"full_attention"});
  expect_refused(json, "attention_bias", true);
}

TEST(Families, Olmo3NormsWhatBranchesGiveAndSlidesInThreeOfFour) {
  Json json = tiny("olmo3");
  const ModelConfig plain = read(json);
  EXPECT_EQ(windows(plain), "www-www-");
  EXPECT_EQ(stretched(plain), "---s---s");
  EXPECT_EQ(plain.layer(0).window, 4096);
  EXPECT_EQ(plain.rms_norm_eps, 1e-5);
  EXPECT_EQ(plain.rope_theta, 500000.0);
  EXPECT_EQ(plain.layer(0).branch_norm, BranchNorm::kOutput);
  EXPECT_EQ(plain.layer(3).qk_norm, QkNorm::kWhole);
  const Json yarn = {{"rope_type", "yarn"},
                     {"factor", 8.0},
                     {"original_max_position_embeddings", 8192},
                     {"attention_factor", 1.2079441541679836}};
  json["layer_types"] = {"full_attention",    "sliding_attention", "full_attention",
                         "full_attention",    "full_attention",    "full_attention",
                         "sliding_attention", "full_attention"};
  json["sliding_window"] = 100;
  json["rope_theta"] = 500000;
  json["rope_scaling"] = yarn;
  const ModelConfig older = read(json);
  EXPECT_EQ(windows(older), "-w----w-");
  EXPECT_EQ(stretched(older), "s-ssss-s");
  EXPECT_EQ(older.rope_scaling.type, ops::RopeScaling::Type::kYarn);
  expect_written(older);
  expect_refused(json, "rope_theta", 10000);
  expect_refused(json, "layer_types", {"full_attention"});
  expect_refused(json, "sliding_window", nullptr);
  // As transformers 5 writes it.
  json.erase("rope_scaling");
  json.erase("rope_theta");
  Json full = yarn;
  full["rope_theta"] = 10000.0;
  json["rope_parameters"] = {
      {"full_attention", full},
      {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 1e4}}}};
  const ModelConfig newer = read(json);
  EXPECT_EQ(newer.rope_scaling, older.rope_scaling);
  EXPECT_EQ(newer.rope_theta, 10000.0);
  expect_written(newer);
  json["rope_parameters"]["sliding_attention"] = full;
  expect_refused(json, "sliding_window", 100, "sliding_attention");
  json["rope_parameters"] = {{"rope_type", "default"}};
  expect_refused(json, "sliding_window", 100, "rope_parameters");
}

}  // namespace
}  // namespace ponder::model
