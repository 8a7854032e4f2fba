// The weights laid out for the kernels: every matrix packed in panels, those that read the same
// input side by side.
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/parameters.h"
#include "ops/matmul.h"

namespace ponder {

struct LayerWeights {
  PackedMatrix qkv;             // (C, q + k + v)
  PackedMatrix out;             // (q, C)
  PackedMatrix gate_up;         // (C, 2F)
  PackedMatrix down;            // (F, C)
  std::vector<float> qkv_bias;  // empty where the architecture has none
  // Borrowed from the parameters, for norms and for backward.
  const float *input_norm, *post_norm;
  const float *q_norm = nullptr, *k_norm = nullptr;  // (head_dim); null where there are none
  const float *q_weight, *k_weight, *v_weight, *o_weight, *gate_weight, *up_weight, *down_weight;
  const float* bias() const { return qkv_bias.empty() ? nullptr : qkv_bias.data(); }
};

struct DecoderWeights {
  explicit DecoderWeights(const ModelConfig& config);
  void set(const ModelConfig& config, const Parameters& parameters, ThreadPool& pool);

  std::vector<LayerWeights> layers;
  PackedMatrix lm_head;  // (C, V)
  const float *embedding = nullptr, *final_norm = nullptr, *head_weight = nullptr;
};

// Where the gradients of one layer's parameters go; names as in LayerWeights.
struct LayerGradients {
  LayerGradients(Parameters& gradients, int64_t layer, const ModelConfig& config);
  float *input_norm, *post_norm;
  float *q_norm = nullptr, *k_norm = nullptr;
  float *q_weight, *k_weight, *v_weight, *o_weight, *gate_weight, *up_weight, *down_weight;
  float *q_bias = nullptr, *k_bias = nullptr, *v_bias = nullptr;
};

}  // namespace ponder
