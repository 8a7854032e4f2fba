#include "model/decoder.h"

#include <fmt/format.h>

#include "base/error.h"
#include "model/cpu_backend.h"

namespace ponder::model {

Decoder::Decoder(const ModelConfig& config, ThreadPool& threads, tensor::Precision precision)
    : config_(config), precision_(precision) {
  if (tensor::is_former(precision))
    throw Error(ErrorKind::kInternal, "decoder", "nothing computes in an arithmetic of the past");
  if (config.head_dim % 16 != 0) {
    throw Error("config.json", fmt::format("head_dim {} is not a multiple of 16", config.head_dim));
  }
  backend_ = make_cpu_backend(config_, threads, precision);
}

Decoder::~Decoder() = default;

void Decoder::set_parameters(const Parameters& parameters) { backend_->set_parameters(parameters); }

void Decoder::pack_parameters(const Parameters& parameters, tensor::DType storage) {
  backend_->pack_parameters(parameters, storage);
}

void Decoder::load_weights(const WeightFiles& files) { backend_->load_weights(files); }

void Decoder::set_stop(const std::atomic<bool>* stop) { backend_->set_stop(stop); }

void Decoder::check_tokens(std::span<const int32_t> tokens) const {
  for (const int32_t token : tokens) {
    if (token >= 0 && token < config_.vocab_size) continue;
    throw Error("decoder",
                fmt::format("token id {} outside the vocabulary of {}", token, config_.vocab_size),
                "is this the tokenizer of this model?");
  }
}

void Decoder::check_forward(const PackedBatch& batch, std::span<const float> logprobs) const {
  if (static_cast<int64_t>(logprobs.size()) != batch.num_targets()) {
    throw Error("decoder", fmt::format("expected room for {} log-probabilities, found {}",
                                       batch.num_targets(), logprobs.size()));
  }
  check_tokens(batch.tokens);
}

void Decoder::check_backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                             Keep keep) const {
  if (keep == Keep::kNothing)
    throw Error("decoder", "backward without a forward that kept its activations");
  if (!backend_->trainable())
    throw Error("decoder", "backward with weights that were packed to sample and score only");
  if (static_cast<int64_t>(dlogprobs.size()) != batch.num_targets()) {
    throw Error("decoder", fmt::format("expected {} gradients of log-probabilities, found {}",
                                       batch.num_targets(), dlogprobs.size()));
  }
}

void Decoder::forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
                      const LogitRow& look) {
  kept_ = Keep::kNothing;
  check_forward(batch, logprobs);
  backend_->forward(batch, logprobs, keep, look);
  kept_ = keep;
}

void Decoder::backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                       Gradients& gradients) {
  check_backward(batch, dlogprobs, kept_);
  kept_ = Keep::kNothing;
  backend_->backward(batch, dlogprobs, gradients);
}

void Decoder::forward_backward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
                               std::span<const float> dlogprobs, Gradients& gradients) {
  kept_ = Keep::kNothing;
  check_forward(batch, logprobs);
  check_backward(batch, dlogprobs, keep);
  backend_->forward_backward(batch, logprobs, keep, dlogprobs, gradients);
}

void Decoder::step(const InferenceBatch& batch, KvCache& cache, std::span<float> logits) {
  int64_t tokens = 0, targets = 0;
  for (const SequenceSlice& slice : batch.slices) {
    tokens += slice.num_tokens;
    targets += slice.want_logits;
  }
  if (tokens != static_cast<int64_t>(batch.tokens.size()) ||
      targets * config_.vocab_size != static_cast<int64_t>(logits.size())) {
    throw Error("decoder",
                "an inference step whose slices, tokens and logits do not agree in number");
  }
  check_tokens(batch.tokens);
  kept_ = Keep::kNothing;
  backend_->step(batch, cache, logits);
}

KvCache Decoder::make_cache(int64_t num_pages) const {
  return KvCache(backend_->make_kv_storage(num_pages));
}

int64_t Decoder::kv_page_bytes() const { return backend_->kv_page_bytes(); }

tensor::MemoryTable Decoder::pass_memory(const PassSize& size) const {
  return backend_->pass_memory(size);
}

int64_t Decoder::parameter_copy_bytes() const { return backend_->parameter_copy_bytes(); }

tensor::MemoryTable Decoder::step_memory(int64_t num_tokens, int64_t num_targets) const {
  return backend_->step_memory(num_tokens, num_targets);
}

void Decoder::reserve(const PassSize& size) {
  kept_ = Keep::kNothing;
  backend_->reserve(size);
}

}  // namespace ponder::model
