#include "model/pass_memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/json.h"
#include "testing/folders.h"

namespace ponder::model {
namespace {

ModelConfig config_of(const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return ModelConfig::from_json(parse_json(text, path), path);
}

int64_t planned(const ModelConfig& config, int64_t tokens, int64_t targets, Keep keep,
                tensor::Precision precision = tensor::Precision::kF32) {
  const PassSize size{tokens, targets, (tokens + 63) / 64, tokens, keep};
  PassMemory memory;
  return tensor::total_bytes(tensor::Arena::plan(
      [&](tensor::Arena& a) { memory.lay_out(a, config, size, 2, precision); }));
}

TEST(PassMemory, LogProbabilitiesTakeLessThan256MiBAtAnyLength) {
  const ModelConfig config = config_of(testing::source_dir() / "bench/shapes/Q.json");
  ASSERT_EQ(config.vocab_size, 151936);
  for (const Keep keep : {Keep::kNothing, Keep::kCheckpoints, Keep::kActivations}) {
    const auto head = [&](int64_t tokens) {
      return planned(config, tokens, tokens - 1, keep) - planned(config, tokens, 0, keep);
    };
    EXPECT_LT(head(32768), int64_t{256} << 20);
    // Beside chunks only a log-sum-exp for each target.
    EXPECT_EQ(head(32768) - head(16384), 4 * 16384);
  }
}

TEST(PassMemory, InBf16AChunkOfLogitsIsSmall) {
  const ModelConfig config = config_of(testing::source_dir() / "bench/shapes/SmolLM2.json");
  const auto head = [&](Keep keep) {
    return (planned(config, 2048, 2044, keep, tensor::Precision::kBf16) -
            planned(config, 2048, 0, keep, tensor::Precision::kBf16)) >>
           20;
  };
  EXPECT_LT(head(Keep::kNothing), 32 + 8);
  EXPECT_LT(head(Keep::kActivations), 64 + 8);
}

// Logits and what belongs to them lie where layers compute: a pass takes the larger of the two, beside a log-sum-exp for each
// target.
TEST(PassMemory, TheHeadComputesWhereTheLayersDo) {
  const ModelConfig config = config_of(testing::source_dir() / "bench/shapes/SmolLM2.json");
  const int64_t C = config.hidden_size, V = config.vocab_size, T = 2048;
  for (const auto precision : {tensor::Precision::kF32, tensor::Precision::kBf16}) {
    for (const Keep keep : {Keep::kNothing, Keep::kCheckpoints, Keep::kActivations}) {
      const int64_t few = 8, gradients = keep == Keep::kNothing ? 0 : C;
      EXPECT_EQ(planned(config, T, few, keep, precision) - planned(config, T, 0, keep, precision),
                64)
          << "a line of log-sum-exps: 8 rows of logits are less than a layer's products";
      const auto layers = [&](int64_t vocab_size) {
        ModelConfig other = config;
        other.vocab_size = vocab_size;
        return planned(other, T, few, keep, precision);
      };
      // 8 rows of so many logits are more.
      EXPECT_EQ(layers(150 * V) - layers(100 * V), 4 * few * 50 * V);
      EXPECT_LT(layers(100 * V),
                planned(config, T, 0, keep, precision) + 4 * few * (100 * V + C + gradients));
    }
  }
}

// What a layer more takes. In bf16 the residual stream after attention is not kept, and all but the
// layer's input and statistics lies in two bytes.
TEST(PassMemory, ALayerKeepsOfATokenWhatBackwardCannotMakeAgain) {
  const ModelConfig config = config_of(testing::source_dir() / "bench/shapes/SmolLM2.json");
  ModelConfig more = config;
  ++more.num_hidden_layers;
  const int64_t C = config.hidden_size, F = config.intermediate_size, Q = config.q_size(),
                KV = config.kv_size(), statistics = 4 * (config.num_attention_heads + 2);
  const auto kept = [&](Keep keep, tensor::Precision precision) {
    constexpr int64_t kTokens = 2048;
    return (planned(more, kTokens, kTokens, keep, precision) -
            planned(config, kTokens, kTokens, keep, precision)) /
           kTokens;
  };
  const int64_t products = Q + 2 * KV + Q + 2 * F;
  EXPECT_EQ(kept(Keep::kActivations, tensor::Precision::kF32), 4 * (2 * C + products) + statistics);
  EXPECT_EQ(kept(Keep::kActivations, tensor::Precision::kBf16), 4 * C + 2 * products + statistics);
  for (const auto precision : {tensor::Precision::kF32, tensor::Precision::kBf16})
    EXPECT_EQ(kept(Keep::kCheckpoints, precision), 4 * C);
}

// In bf16 a chunk ends where a block does: blocks of 32 of a row's targets, from its first.
TEST(PassMemory, ChunksOfTheHeadAreWholeBlocks) {
  PackedBatch batch;
  for (const size_t length : {71u, 1u, 41u, 3u}) {  // 70, 0, 40 and 2 targets
    batch.append(std::vector<int32_t>(length, 1), std::vector<uint8_t>(length, 1));
  }
  const auto text = [&](int64_t rows, tensor::Precision precision) {
    std::string all;
    for (const HeadChunk& chunk : head_chunks(batch, rows, precision)) {
      all += std::to_string(chunk.begin) + "+" + std::to_string(chunk.rows) + ":";
      for (const ops::Bf16Run& block : chunk.blocks)
        all += " " + std::to_string(block.begin) + "+" + std::to_string(block.count);
      all += "\n";
    }
    return all;
  };
  EXPECT_EQ(text(50, tensor::Precision::kF32), "0+50:\n50+50:\n100+12:\n");
  EXPECT_EQ(text(112, tensor::Precision::kBf16), "0+112: 0+32 32+32 64+6 70+32 102+8 110+2\n");
  EXPECT_EQ(text(50, tensor::Precision::kBf16), "0+64: 0+32 32+32\n64+48: 0+6 6+32 38+8 46+2\n");
  EXPECT_EQ(text(1, tensor::Precision::kBf16),
            "0+32: 0+32\n32+32: 0+32\n64+6: 0+6\n70+32: 0+32\n102+8: 0+8\n110+2: 0+2\n");
  for (const int64_t rows : {1, 7, 33, 50, 80}) {
    for (const HeadChunk& chunk : head_chunks(batch, rows, tensor::Precision::kBf16))
      EXPECT_LE(chunk.rows, rows + 31);
  }
}

}  // namespace
}  // namespace ponder::model
