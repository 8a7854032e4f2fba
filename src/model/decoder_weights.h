// The weights laid out for the kernels: every matrix packed in panels, those that read the same
// input side by side. Set from f32 parameters (training: backward reads those too), or loaded from
// a checkpoint's files, where each weight is held once: a matrix whose tensors are bf16 in bf16
// panels, any other in f32 panels; a tied embedding in the LM head's panels alone, another as it is
// in the file.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/parameters.h"
#include "model/weight_files.h"
#include "ops/matmul.h"
#include "tensor/buffer.h"

namespace ponder {

struct LayerWeights {
  PackedMatrix qkv;             // (C, q + k + v)
  PackedMatrix out;             // (q, C)
  PackedMatrix gate_up;         // (C, 2F)
  PackedMatrix down;            // (F, C)
  std::vector<float> qkv_bias;  // empty where the architecture has none
  // Borrowed, for norms and for backward (matrices: null when loaded).
  const float *input_norm, *post_norm;
  const float *q_norm = nullptr, *k_norm = nullptr;  // (head_dim); null where there are none
  const float *q_weight = nullptr, *k_weight = nullptr, *v_weight = nullptr, *o_weight = nullptr;
  const float *gate_weight = nullptr, *up_weight = nullptr, *down_weight = nullptr;
  const float* bias() const { return qkv_bias.empty() ? nullptr : qkv_bias.data(); }
};

struct DecoderWeights {
  explicit DecoderWeights(const ModelConfig& config);
  // Borrows the parameters.
  void set(const ModelConfig& config, const Parameters& parameters, ThreadPool& pool);
  // The files must have passed WeightFiles::check for this config. Takes no more memory than the
  // panels and some megabytes a thread.
  void load(const ModelConfig& config, const WeightFiles& files, ThreadPool& pool);
  // x (T, C): the embeddings of tokens in [0, V).
  void embed(float* x, std::span<const int32_t> tokens, ThreadPool& pool) const;
  bool has_parameters() const { return embedding != nullptr; }

  std::vector<LayerWeights> layers;
  PackedMatrix lm_head;  // (C, V)
  const float *embedding = nullptr, *final_norm = nullptr, *head_weight = nullptr;

 private:
  std::deque<std::vector<float>> vectors_;  // norms, when loaded
  Buffer table_{"embedding table", 0};      // (V, C) of table_dtype_, when loaded and not tied
  DType table_dtype_ = DType::kF32;
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
