#include "model/parameters.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "testing/tiny_config.h"

namespace ponder::model {
namespace {

ModelConfig tiny(bool tied) {
  ModelConfig config = testing::tiny_config(300);
  config.hidden_size = 36;  // not a multiple of 16: padding appears
  config.intermediate_size = 50;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 6;
  config.head_dim = 6;
  config.tie_word_embeddings = tied;
  return config;
}

TEST(Parameters, LayoutCountsEveryParameterOnce) {
  for (const bool tied : {true, false}) {
    const ModelConfig config = tiny(tied);
    const ParameterLayout layout(config);
    int64_t total = 0, end = 0;
    std::set<std::string> names;
    for (const ParameterInfo& info : layout.entries()) {
      total += info.size;
      EXPECT_EQ(info.offset % 16, 0);
      EXPECT_GE(info.offset, end);
      end = info.offset + info.size;
      EXPECT_TRUE(names.insert(info.name).second) << info.name;
    }
    EXPECT_EQ(total, config.num_parameters());
    EXPECT_LE(end, layout.total());
    EXPECT_EQ(layout.entries().size(), tied ? 2u + 3 * 12 : 3u + 3 * 12);
    EXPECT_EQ(layout.entries().front().name, "model.embed_tokens.weight");
    EXPECT_EQ(layout.entries().back().name, tied ? "model.norm.weight" : "lm_head.weight");
  }
}

TEST(Parameters, NamesAndShapesAreTransformers) {
  const ParameterLayout layout(tiny(true));
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(layout.at("model.layers.2.self_attn.k_proj.weight").shape, (Shape{12, 36}));
  EXPECT_EQ(layout.at("model.layers.2.self_attn.k_proj.bias").shape, (Shape{12}));
  EXPECT_EQ(layout.at("model.layers.0.self_attn.o_proj.weight").shape, (Shape{36, 36}));
  EXPECT_EQ(layout.at("model.layers.1.mlp.down_proj.weight").shape, (Shape{36, 50}));
  EXPECT_EQ(layout.at("model.layers.1.mlp.up_proj.weight").shape, (Shape{50, 36}));
  EXPECT_THROW(layout.at("lm_head.weight"), Error);
  EXPECT_THROW(layout.at("model.layers.3.mlp.up_proj.weight"), Error);
}

TEST(Parameters, EachArchitectureHasItsOwnTensors) {
  using Shape = std::vector<int64_t>;
  ModelConfig config = tiny(true);
  config.model_type = "qwen3";
  config.head_dim = 16;
  const ParameterLayout qwen3(config);
  EXPECT_EQ(qwen3.entries().size(), 2u + 3 * 11);
  EXPECT_EQ(qwen3.at("model.layers.2.self_attn.q_norm.weight").shape, (Shape{16}));
  EXPECT_EQ(qwen3.at("model.layers.0.self_attn.k_norm.weight").shape, (Shape{16}));
  EXPECT_EQ(qwen3.at("model.layers.0.self_attn.q_proj.weight").shape, (Shape{96, 36}));
  EXPECT_EQ(qwen3.at("model.layers.0.self_attn.o_proj.weight").shape, (Shape{36, 96}));
  EXPECT_THROW(qwen3.at("model.layers.0.self_attn.q_proj.bias"), Error);
  Parameters parameters(config, "qwen3");
  initialise(parameters, config, 1);
  for (const float x : parameters.at("model.layers.1.self_attn.q_norm.weight")) EXPECT_EQ(x, 1.0f);
  config.model_type = "llama";
  const ParameterLayout llama(config);
  EXPECT_EQ(llama.entries().size(), 2u + 3 * 9);
  EXPECT_THROW(llama.at("model.layers.0.self_attn.k_norm.weight"), Error);
  EXPECT_THROW(llama.at("model.layers.0.self_attn.k_proj.bias"), Error);
}

TEST(Parameters, InitialiseIsAFunctionOfSeedAndName) {
  const ModelConfig config = tiny(false);
  Parameters a(config, "a"), b(config, "b"), c(config, "c");
  ThreadPool pool(3);
  initialise(a, config, 5);
  initialise(b, config, 5, &pool);
  initialise(c, config, 6);
  EXPECT_TRUE(std::equal(a.flat().begin(), a.flat().end(), b.flat().begin()));
  EXPECT_FALSE(std::equal(a.flat().begin(), a.flat().end(), c.flat().begin()));

  const auto gate = a.at("model.layers.0.mlp.gate_proj.weight"),
             up = a.at("model.layers.0.mlp.up_proj.weight");
  EXPECT_FALSE(std::equal(gate.begin(), gate.end(), up.begin()));
  double sum = 0, squares = 0;
  const auto embedding = a.at("model.embed_tokens.weight");
  for (const float x : embedding) {
    sum += x;
    squares += double{x} * x;
  }
  const double n = static_cast<double>(embedding.size());
  EXPECT_NEAR(sum / n, 0.0, 4 * 0.02 / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(squares / n), 0.02, 0.02 * 4 / std::sqrt(2 * n));
  for (const float x : a.at("model.norm.weight")) EXPECT_EQ(x, 1.0f);
  for (const float x : a.at("model.layers.1.self_attn.q_proj.bias")) EXPECT_EQ(x, 0.0f);
}

TEST(Parameters, PaddingIsZero) {
  const ModelConfig config = tiny(true);
  Parameters parameters(config, "p");
  initialise(parameters, config, 1);
  std::vector<bool> used(static_cast<size_t>(parameters.layout().total()));
  for (const ParameterInfo& info : parameters.layout().entries()) {
    for (int64_t i = 0; i < info.size; ++i) used[static_cast<size_t>(info.offset + i)] = true;
  }
  int64_t padding = 0;
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    ++padding;
    EXPECT_EQ(parameters.flat()[i], 0.0f);
  }
  EXPECT_GT(padding, 0);
}

}  // namespace
}  // namespace ponder::model
