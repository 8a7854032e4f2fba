// A decoder's weights as its passes read them: a Linear for tensors that read the same input, and
// vectors. In f32: borrowed from parameters (training), or packed in panels (sampling), from
// parameters or from a checkpoint's files, where each weight is held once: a matrix whose tensors
// are bf16 in bf16 panels, any other in f32 panels; a tied embedding in the LM head's panels alone,
// another as it is in the file. In bf16: every matrix and the embedding rounded to bf16, all of them
// or, to train, a layer's at a time; a matrix with a finite weight that would become an infinity is an
// Error that names the tensor and how many.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/linear.h"
#include "model/parameters.h"
#include "model/weight_files.h"
#include "tensor/buffer.h"
#include "tensor/precision.h"

namespace ponder::model {

// Norms that the layer does not have (see LayerSpec) are null.
struct LayerWeights {
  Linear qkv;                                                  // (C, Q + 2KV)
  Linear out;                                                  // (Q, C)
  Linear gate_up;                                              // (C, 2F)
  Linear down;                                                 // (F, C)
  const float *attention_norm = nullptr, *mlp_norm = nullptr;  // (C), of each branch
  const float *q_norm = nullptr, *k_norm = nullptr;
};

struct DecoderWeights {
  explicit DecoderWeights(const ModelConfig& config,
                          tensor::Precision precision = tensor::Precision::kF32);
  // Borrows the parameters; costs nothing. f32 only.
  void borrow(const Parameters& parameters);
  // bf16, to train: borrows the parameters. The head is rounded now, a layer's matrices whenever
  // layer() comes to it from another, into room that the layers share.
  void round_as_reached(const Parameters& parameters, ThreadPool& threads);
  bool rounds_as_reached() const { return followed_ != nullptr; }
  // Packs the matrices, in f32 into panels of `storage`; norms and the embedding are borrowed.
  void pack(const Parameters& parameters, tensor::DType storage, ThreadPool& threads);
  // The files must have passed WeightFiles::check for this config. Takes no more memory than the
  // panels and some megabytes a thread.
  void load(const ModelConfig& config, const WeightFiles& files, ThreadPool& threads);
  // x (T, C): the embeddings of tokens in [0, V).
  void embed(float* x, std::span<const int32_t> tokens, ThreadPool& threads) const;
  int64_t matrix_bytes() const;  // what a pass over all layers and the head reads

  // Valid until the next call where rounds_as_reached(), which one thread at a time may call then.
  const LayerWeights& layer(int64_t index, ThreadPool& threads);
  Linear lm_head;  // (C, V)
  const float *embedding = nullptr, *final_norm = nullptr;

 private:
  template <class Set>
  void set_layer(LayerWeights& weights, int64_t layer, const Parameters& parameters,
                 const Set& set_matrix);
  template <class Set>
  void set_others(const Parameters& parameters, const Set& set_matrix);
  void forget_followed();
  tensor::Precision precision_;
  std::vector<LayerWeights> layers_;
  // With round_as_reached: what it borrowed, and the layer that was reached last (-1: none).
  const Parameters* followed_ = nullptr;
  LayerWeights reached_;
  int64_t reached_layer_ = -1;
  std::deque<std::vector<float>> vectors_;  // norms, when loaded
  // (V, C) of table_dtype_, when loaded and not tied; in bf16 arithmetic of bf16.
  tensor::Buffer table_{"embedding table", 0};
  tensor::DType table_dtype_ = tensor::DType::kF32;
};

// What round_as_reached takes: the head and the largest layer in bf16 panels.
int64_t rounded_copy_bytes(const ModelConfig& config);

// Where the gradients of one layer's parameters go; as in LayerWeights.
struct LayerGradients {
  LayerGradients(Parameters& gradients, int64_t layer);
  LinearGradients qkv, out, gate_up, down;
  float *attention_norm, *mlp_norm, *q_norm, *k_norm;
};

// Of one matrix. `layer`: -1 for the head.
LinearGradients gradients_of(Parameters& gradients, FusedMatrix matrix, int64_t layer = -1);

}  // namespace ponder::model
