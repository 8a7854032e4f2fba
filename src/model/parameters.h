// All weights of a model (or a gradient, or an optimiser moment) in one flat f32 buffer, with the
// names and shapes of the Hugging Face checkpoint.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/tensor_table.h"
#include "tensor/buffer.h"

namespace ponder::model {

// A row of the table of tensors with its place in the flat buffer.
struct ParameterInfo : TensorSpec {
  int64_t offset = 0;  // of its first element; a multiple of 16
  int64_t size = 0;    // in elements
};

// Order: that of tensor_table. Padding between parameters is zero and stays zero.
class ParameterLayout {
 public:
  explicit ParameterLayout(const ModelConfig& config);
  const std::vector<ParameterInfo>& entries() const { return entries_; }
  int64_t total() const { return total_; }  // elements of the flat buffer, padding included
  const ParameterInfo& at(const std::string& name) const;  // throws Error naming it
  // nullptr where the model has none. `layer`: -1 for tensors of the whole model.
  const ParameterInfo* find(TensorRole role, int64_t layer = -1) const;
  // The weights of a fused matrix, from its first row on, or the biases of its outputs.
  std::vector<const ParameterInfo*> weights_of(FusedMatrix matrix, int64_t layer = -1) const {
    return parts_of(matrix, layer, true);
  }
  std::vector<const ParameterInfo*> biases_of(FusedMatrix matrix, int64_t layer = -1) const {
    return parts_of(matrix, layer, false);
  }

 private:
  std::vector<const ParameterInfo*> parts_of(FusedMatrix matrix, int64_t layer,
                                             bool matrices) const;

  std::vector<ParameterInfo> entries_;
  std::unordered_map<std::string, size_t> index_;  // name -> place in entries_
  std::vector<std::vector<size_t>> of_layer_;      // places: of the whole model, then of each layer
  int64_t total_ = 0;
};

class Parameters {
 public:
  Parameters() = default;
  Parameters(const ModelConfig& config, std::string buffer_name);  // zeros
  const ParameterLayout& layout() const { return layout_; }
  std::span<float> flat() { return buffer_.span(); }
  std::span<const float> flat() const { return buffer_.span(); }
  std::span<float> at(const std::string& name);
  std::span<const float> at(const std::string& name) const;
  // Of an entry of the layout.
  std::span<float> at(const ParameterInfo& info) { return buffer_.slice(info.offset, info.size); }
  std::span<const float> at(const ParameterInfo& info) const {
    return buffer_.slice(info.offset, info.size);
  }
  // nullptr where the model has none.
  float* find(TensorRole role, int64_t layer = -1);
  const float* find(TensorRole role, int64_t layer = -1) const;
  void zero() { buffer_.zero(); }

 private:
  ParameterLayout layout_{ModelConfig{}};
  tensor::Buffer buffer_;
};

// As the table says, which is as transformers does it; from Philox keyed by the seed and the
// parameter's name, so threads (may be null) change only the time it takes.
void initialise(Parameters& parameters, const ModelConfig& config, uint64_t seed,
                ThreadPool* threads = nullptr);

}  // namespace ponder::model
