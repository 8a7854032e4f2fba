// Every tensor of a model, one row each: the only place that knows their names and shapes. What
// lays out, reads, checks, trains, initialises, counts or exports weights reads it here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "model/tensor_role.h"

namespace ponder::model {

// The matrices that a forward multiplies by: tensors that read the same input, stacked.
enum class FusedMatrix { kNone, kQkv, kAttentionOut, kGateUp, kMlpDown, kHead };

enum class TensorInit {
  kNormal,  // Normal(0, initializer_range)
  kOnes,
  kZeros,
};

struct TensorSpec {
  TensorRole role;
  int64_t layer;               // -1: of the whole model
  std::string name;            // in a Hugging Face checkpoint
  std::string gguf_name;       // in llama.cpp's files
  std::vector<int64_t> shape;  // (out, in) for matrices, (n) for vectors
  TensorInit init;             // how it begins
  bool decays;                 // whether AdamW's weight decay acts on it
  // The matrix it is part of (a bias: of whose outputs), and the first of its rows there. A tied
  // embedding is the head too; an untied one is looked up only: kNone.
  FusedMatrix fused;
  int64_t fused_row;

  bool is_matrix() const { return shape.size() == 2; }
  int64_t num_elements() const;
};

// In the order of the flat buffer of parameters: embedding, layers, final norm, head unless tied.
std::vector<TensorSpec> tensor_table(const ModelConfig& config);

// The Hugging Face name of the embedding, the final norm or the head, which all families share.
std::string_view tensor_name(TensorRole role);

}  // namespace ponder::model
