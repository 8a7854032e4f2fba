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
#include "tensor/buffer.h"

namespace ponder {

struct ParameterInfo {
  std::string name;            // "model.layers.0.self_attn.q_proj.weight"
  std::vector<int64_t> shape;  // (out, in) for matrices, (n) for vectors
  int64_t offset = 0;          // of its first element in the flat buffer; a multiple of 16
  int64_t size = 0;
  bool is_matrix() const { return shape.size() == 2; }
};

// Order: embed_tokens, then per layer input_layernorm, q/k/v weight and bias, q_norm, k_norm,
// o_proj, (biases and the norms of heads where the architecture has them) post_attention_layernorm,
// gate_proj, up_proj, down_proj; then norm; then lm_head unless tied. Padding between parameters is
// zero and stays zero.
class ParameterLayout {
 public:
  explicit ParameterLayout(const ModelConfig& config);
  const std::vector<ParameterInfo>& entries() const { return entries_; }
  int64_t total() const { return total_; }  // elements of the flat buffer, padding included
  const ParameterInfo& at(const std::string& name) const;  // throws Error naming it

 private:
  void add(std::string name, std::vector<int64_t> shape);

  std::vector<ParameterInfo> entries_;
  std::unordered_map<std::string, size_t> index_;  // name -> place in entries_
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
  void zero() { buffer_.zero(); }

 private:
  ParameterLayout layout_{ModelConfig{}};
  Buffer buffer_;
};

// Normal(0, initializer_range) for matrices, ones for norms, zeros for biases, as transformers
// does; from Philox keyed by the seed and the parameter's name, so the pool (may be null) changes
// only the time it takes.
void initialise(Parameters& parameters, const ModelConfig& config, uint64_t seed,
                ThreadPool* pool = nullptr);

}  // namespace ponder
