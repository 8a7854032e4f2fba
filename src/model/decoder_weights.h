// The weights as the kernels read them, those that read the same input side by side. Borrowed from
// f32 parameters (training), or packed in panels (sampling): from parameters, or from a
// checkpoint's files, where each weight is held once: a matrix whose tensors are bf16 in bf16
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

// B (K, N) of weights W_i (N_i, K) over one input.
struct Projection {
  PackedMatrix panels;                  // empty where the weights are borrowed
  std::vector<MatrixView::Part> parts;  // empty where they are packed
  int64_t K = 0;

  MatrixB forward() const {
    return parts.empty() ? MatrixB(panels) : MatrixB(MatrixView::weights(parts, K));
  }
  int64_t size_bytes() const {
    return parts.empty() ? panels.size_bytes() : forward().N() * K * int64_t{sizeof(float)};
  }
  // What a gradient of the outputs is multiplied by; borrowed weights only.
  MatrixView backward() const { return MatrixView::rows(parts, K); }
};

struct LayerWeights {
  Projection qkv;               // (C, q + k + v)
  Projection out;               // (q, C)
  Projection gate_up;           // (C, 2F)
  Projection down;              // (F, C)
  std::vector<float> qkv_bias;  // empty where the architecture has none
  const float *input_norm = nullptr, *post_norm = nullptr;
  const float *q_norm = nullptr, *k_norm = nullptr;  // (head_dim); null where there are none
  const float* bias() const { return qkv_bias.empty() ? nullptr : qkv_bias.data(); }
};

struct DecoderWeights {
  explicit DecoderWeights(const ModelConfig& config);
  // Borrows the parameters; costs nothing.
  void borrow(const Parameters& parameters);
  // Packs the matrices; norms and the embedding are borrowed.
  void pack(const Parameters& parameters, DType storage, ThreadPool& pool);
  // The files must have passed WeightFiles::check for this config. Takes no more memory than the
  // panels and some megabytes a thread.
  void load(const ModelConfig& config, const WeightFiles& files, ThreadPool& pool);
  // x (T, C): the embeddings of tokens in [0, V).
  void embed(float* x, std::span<const int32_t> tokens, ThreadPool& pool) const;
  int64_t matrix_bytes() const;  // what a pass over all layers and the head reads
  bool trainable() const { return !lm_head.parts.empty(); }

  std::vector<LayerWeights> layers;
  Projection lm_head;  // (C, V)
  const float *embedding = nullptr, *final_norm = nullptr;

 private:
  void borrow_vectors(const Parameters& parameters);

  std::deque<std::vector<float>> vectors_;  // norms, when loaded
  Buffer table_{"embedding table", 0};      // (V, C) of table_dtype_, when loaded and not tied
  DType table_dtype_ = DType::kF32;
};

// Where the gradients of one layer's parameters go; names as in LayerWeights. Null for what the
// architecture does not have.
struct LayerGradients {
  LayerGradients(Parameters& gradients, int64_t layer);
  float *input_norm, *post_norm, *q_norm, *k_norm;
  float *q_weight, *k_weight, *v_weight, *o_weight, *gate_weight, *up_weight, *down_weight;
  float *q_bias, *k_bias, *v_bias;
};

}  // namespace ponder
