// The model that tests make: two layers, more query heads than key-value heads, done in an instant.
// A test changes what it is about.
#pragma once

#include "model/config.h"

namespace ponder::testing {

inline model::ModelConfig tiny_config(int64_t vocab_size) {
  model::ModelConfig config;
  config.vocab_size = vocab_size;
  config.hidden_size = 48;
  config.intermediate_size = 80;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.max_position_embeddings = 512;
  config.tie_word_embeddings = true;
  return config;
}

}  // namespace ponder::testing
