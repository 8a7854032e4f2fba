// Test-only: tiny models of every architecture, with random weights and rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/philox.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/parameters.h"
#include "testing/tiny_config.h"

namespace ponder::model {

inline ModelConfig tiny(bool tied) {
  ModelConfig c = testing::tiny_config(70);
  c.initializer_range = 0.2;  // large, so that no gradient is negligible
  c.tie_word_embeddings = tied;
  return c;
}

// Heads wider than hidden_size / num_attention_heads, as in Qwen3-0.6B.
inline ModelConfig tiny_qwen3(bool tied) {
  ModelConfig c = tiny(tied);
  c.model_type = "qwen3";
  c.head_dim = 32;
  return c;
}

// Of the eight frequencies one is unchanged, two are blended and five are divided by the factor.
inline ModelConfig tiny_llama(bool tied) {
  ModelConfig c = tiny(tied);
  c.model_type = "llama";
  c.rope_scaling = {ops::RopeScaling::Type::kLlama3, 8.0, 1.0, 4.0, 64};
  return c;
}

// Layers of two kinds, with what no family above has: norms of the branches' outputs, of all of
// queries and keys, no rotation, and a window.
inline ModelConfig tiny_mixed(bool tied) {
  ModelConfig c = tiny(tied);
  c.model_type = "llama";
  c.layers = {{.branch_norm = BranchNorm::kOutput, .qk_norm = QkNorm::kWhole, .rotates = false},
              {.qk_norm = QkNorm::kHead, .qkv_bias = true, .window = 40}};
  return c;
}

inline std::vector<ModelConfig> every_architecture() {
  std::vector<ModelConfig> configs;
  for (const bool tied : {true, false}) {
    configs.insert(configs.end(),
                   {tiny(tied), tiny_qwen3(tied), tiny_llama(tied), tiny_mixed(tied)});
  }
  return configs;
}

inline std::string name_of(const ModelConfig& config) {
  return config.model_type + (config.layers.empty() ? "" : ", mixed layers") +
         (config.tie_word_embeddings ? ", tied" : ", untied");
}

inline std::vector<int32_t> random_row(int64_t length, uint64_t stream, int64_t vocab) {
  RandomSequence random(7, stream);
  std::vector<int32_t> row;
  for (int64_t i = 0; i < length; ++i)
    row.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab))));
  return row;
}

inline PackedBatch batch_of(const std::vector<std::vector<int32_t>>& rows) {
  PackedBatch batch;
  for (const auto& row : rows) {
    std::vector<uint8_t> trained(row.size(), 1);
    for (size_t i = 0; i < row.size() / 4; ++i) trained[i] = 0;
    batch.append(row, trained);
  }
  return batch;
}

inline Parameters random_parameters(const ModelConfig& config) {
  Parameters parameters(config, "weights");
  initialise(parameters, config, 3);
  // Biases and norms away from their trivial values, so that a missing term shows.
  for (const auto& entry : parameters.layout().entries()) {
    if (entry.is_matrix()) continue;
    RandomSequence random(11, stable_hash64(entry.name));
    for (float& x : parameters.at(entry.name)) x += static_cast<float>(0.3 * random.normal());
  }
  return parameters;
}

inline const std::vector<std::vector<int32_t>> kRows = {
    random_row(90, 1, 70), random_row(5, 2, 70), random_row(131, 3, 70), random_row(64, 4, 70),
    random_row(1, 5, 70)};

}  // namespace ponder::model
