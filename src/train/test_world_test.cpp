#include "train/test_world.h"

#include <fmt/format.h>

#include "base/philox.h"
#include "testing/tiny_config.h"

namespace ponder::train::train_test {

model::ModelConfig tiny_config() {
  model::ModelConfig config = testing::tiny_config(300);
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.initializer_range = 0.08;
  config.eos_token_ids = {259};
  return config;
}

model::Checkpoint tiny_model(uint64_t seed) {
  model::Checkpoint checkpoint;
  checkpoint.config = tiny_config();
  checkpoint.parameters = model::Parameters(checkpoint.config, "weights");
  model::initialise(checkpoint.parameters, checkpoint.config, seed);
  checkpoint.sha256 = fmt::format("tiny model {}", seed);
  return checkpoint;
}

std::vector<data::TokenRow> random_rows(int count, uint64_t seed) {
  RandomSequence random(seed, 3);
  std::vector<data::TokenRow> rows;
  for (int i = 0; i < count; ++i) {
    data::TokenRow row;
    row.name = fmt::format("row {}", i);
    const int64_t prompt = random.between(2, 12), response = random.between(1, 28);
    for (int64_t t = 0; t < prompt + response; ++t)
      row.tokens.push_back(static_cast<int32_t>(random.below(300)));
    row.num_prompt_tokens = prompt;
    row.loss_mask.assign(row.tokens.size(), 1);
    std::fill_n(row.loss_mask.begin(), prompt, 0);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<data::TokenPair> random_pairs(int count, uint64_t seed) {
  std::vector<data::TokenPair> pairs;
  auto chosen = random_rows(count, seed), rejected = random_rows(count, seed + 1);
  for (int i = 0; i < count; ++i) {
    data::TokenPair pair;
    pair.name = fmt::format("pair {}", i);
    pair.chosen = std::move(chosen[static_cast<size_t>(i)]);
    pair.rejected = std::move(rejected[static_cast<size_t>(i)]);
    pair.chosen_aligned = pair.chosen.loss_mask;
    pair.rejected_aligned = pair.rejected.loss_mask;
    if (pair.chosen.num_loss_tokens() > 1)
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

}  // namespace ponder::train::train_test
