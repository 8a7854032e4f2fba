// What runs a decoder: a kind of device with its memory, its layout of weights and its arithmetic.
// The CPU's (cpu_backend.h) is the definition of the numbers; another promises the same bits from
// run to run on one kind of device. Decoder is its face: decoder.h says what the calls mean, and
// checks sizes, token ids and that a backward follows its forward before they come here.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "model/batch.h"
#include "model/gradients.h"
#include "model/kv_cache.h"
#include "model/parameters.h"
#include "model/pass_memory.h"
#include "model/weight_files.h"

namespace ponder::model {

class DecoderBackend {
 public:
  DecoderBackend() = default;
  DecoderBackend(const DecoderBackend&) = delete;
  DecoderBackend& operator=(const DecoderBackend&) = delete;
  virtual ~DecoderBackend() = default;

  // Weights.
  virtual void set_parameters(const Parameters& parameters) = 0;
  virtual void pack_parameters(const Parameters& parameters, tensor::DType storage) = 0;
  virtual void load_weights(const WeightFiles& files) = 0;
  virtual bool trainable() const = 0;  // backward is possible with the weights there are

  virtual void set_stop(const std::atomic<bool>* stop) = 0;

  // Passes. The batch of backward is that of the last forward, which kept something.
  virtual void forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
                       const LogitRow& look) = 0;
  virtual void backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                        Gradients& gradients) = 0;
  virtual void forward_backward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
                                std::span<const float> dlogprobs, Gradients& gradients) = 0;
  // The cache's storage is this backend's.
  virtual void step(const InferenceBatch& batch, KvCache& cache, std::span<float> logits) = 0;

  // Memory.
  virtual std::unique_ptr<KvStorage> make_kv_storage(int64_t num_pages) const = 0;
  virtual int64_t kv_page_bytes() const = 0;
  virtual tensor::MemoryTable pass_memory(const PassSize& size) const = 0;
  virtual int64_t parameter_copy_bytes() const = 0;
  virtual tensor::MemoryTable step_memory(int64_t num_tokens, int64_t num_targets) const = 0;
  virtual void reserve(const PassSize& size) = 0;
};

}  // namespace ponder::model
