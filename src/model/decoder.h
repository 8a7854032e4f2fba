// The decoder: one forward for training, scoring and sampling. Source: Qwen2 (arXiv 2407.10671),
// Qwen3 (arXiv 2505.09388) and Llama 3 (arXiv 2407.21783), weights and conventions of transformers'
// classes for them; what differs stands in architecture.h. The arithmetic, f32 or bf16, is that of
// the definitions in the headers of src/ops and docs/arithmetic.md, so a token's log-probability does
// not depend, in any bit, on what else is in the batch, on threads, or on whether it was computed in
// training, in prefill or token by token.
//
// T tokens in the batch, N targets, C hidden_size, V vocab_size, S sequences.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/gradients.h"
#include "model/kv_cache.h"
#include "model/parameters.h"
#include "model/pass_memory.h"
#include "tensor/precision.h"

namespace ponder::model {

class DecoderBackend;
class WeightFiles;

// Thrown by a pass that was told to stop (Decoder::set_stop).
struct Interrupted {};

// Checks what it is given; what then runs is a backend (decoder_backend.h), the CPU's.
class Decoder {
 public:
  // Borrows the threads for its life.
  Decoder(const ModelConfig& config, ThreadPool& threads,
          tensor::Precision precision = tensor::Precision::kF32);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  const ModelConfig& config() const { return config_; }
  tensor::Precision precision() const { return precision_; }
  // In bf16 precision all three round the matrices and the embedding; Error where a finite weight
  // would become an infinity.
  //
  // Borrows the parameters, until the next call of one of these three or the decoder's end, and
  // reads them where they lie (in bf16 a rounded copy of the matrices): to train. Call again after
  // every change of them (it costs nothing, in bf16 little).
  void set_parameters(const Parameters& parameters);
  // Packs the matrices into panels of `storage` (kF32 or kBF16, rounded), which is what few rows at
  // a time want: to sample. Norms and the embedding are borrowed. Backward is an Error.
  void pack_parameters(const Parameters& parameters, tensor::DType storage = tensor::DType::kF32);
  // Or reads the weights of a checkpoint (OpenCheckpoint::weights) straight into their layout, each
  // held once: bf16 tensors in two bytes an element, f32 and f16 tensors in four (in bf16 precision
  // all in two). Log-probabilities
  // are those of the same values set as parameters, bit for bit; backward is an Error.
  void load_weights(const WeightFiles& files);

  // From now on forward and backward look at `stop` (null: at nothing) between layers and between
  // parts of the head; once it is true they throw Interrupted. What a backward had added to the
  // gradients by then is no gradient of anything.
  void set_stop(const std::atomic<bool>* stop);

  // logprobs (N): log softmax of the target's logit at each target position. Token ids outside [0,
  // V) are an Error.
  // `look` (may be empty) sees each target's logits on the way.
  void forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
               const LogitRow& look = {});
  // Gradient of the loss with respect to logprobs (N) -> gradients, accumulated by continuing the
  // chains: calling forward/backward on two batches in turn gives the bits of one call on both
  // together. Must follow a forward of the same batch with Keep other than kNothing.
  void backward(const PackedBatch& batch, std::span<const float> dlogprobs, Gradients& gradients);

  // Both, to the same bits, for an objective whose dlogprobs do not depend on logprobs, as those of
  // SFT: the head's gradient follows each chunk of logits (logits_rows) at once, where backward
  // computes the logits of all chunks a second time. Keep other than kNothing.
  void forward_backward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
                        std::span<const float> dlogprobs, Gradients& gradients);

  // Runs the step's tokens through the layers, filling in their keys and values. logits (num
  // want_logits, V), in the order of slices.
  void step(const InferenceBatch& batch, KvCache& cache, std::span<float> logits);

  // Pages for the keys and values of sequences, in this decoder's memory; throws Error when it is
  // short.
  KvCache make_cache(int64_t num_pages) const;
  int64_t kv_page_bytes() const;  // of each of them

  // What forward and backward of a batch, or an inference step, take by purpose; an inference
  // step's logits are the caller's. All of it is one arena that grows to the largest pass so far.
  tensor::MemoryTable pass_memory(const PassSize& size) const;
  int64_t parameter_copy_bytes() const;  // what set_parameters takes: in f32 nothing
  tensor::MemoryTable step_memory(int64_t num_tokens, int64_t num_targets) const;
  // Makes the arena large enough for such a pass before the first one.
  void reserve(const PassSize& size);

 private:
  void check_tokens(std::span<const int32_t> tokens) const;
  void check_forward(const PackedBatch& batch, std::span<const float> logprobs) const;
  void check_backward(const PackedBatch& batch, std::span<const float> dlogprobs, Keep keep) const;

  const ModelConfig config_;
  const tensor::Precision precision_;
  std::unique_ptr<DecoderBackend> backend_;
  Keep kept_ = Keep::kNothing;  // by the last forward, for backward
};

}  // namespace ponder::model
