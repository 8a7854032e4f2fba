// For the tests of this folder: a random model small enough to train in a blink, and random rows.
#pragma once

#include <string>
#include <vector>

#include "data/token_rows.h"
#include "model/checkpoint.h"
#include "train/training_state.h"

namespace ponder::train::train_test {

model::ModelConfig tiny_config();  // 300 tokens, 2 layers
model::Checkpoint tiny_model(
    uint64_t seed = 1);  // as loaded from a folder; folder "" and a made-up hash
std::vector<data::TokenRow> random_rows(int count, uint64_t seed = 7);  // 3 to 40 tokens
std::vector<data::TokenPair> random_pairs(int count, uint64_t seed = 7);
// All elements of weights or of a moment, tensor after tensor.
std::vector<float> values_of(const TrainingState& state, TrainingState::Part part);

}  // namespace ponder::train::train_test
