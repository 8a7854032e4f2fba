#include "model/cpu_backend.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "model/cpu_kv_storage.h"
#include "model/decoder.h"
#include "model/decoder_weights.h"
#include "model/head_rows.h"
#include "model/layer.h"
#include "ops/rms_norm.h"
#include "ops/softmax.h"

namespace ponder::model {
namespace {

// Runs of an inference step that go through the layers together, and their scratch.
struct StepPart {
  std::span<const SequenceSlice> slices;
  int64_t first_token = 0, tokens = 0, first_target = 0, targets = 0;
  StepMemory memory;
};

// Each thread then reads all weights: measured to gain where they stay in L3 (18 MB of 32).
constexpr int64_t kSharedWeightsBytes = int64_t{24} << 20;
constexpr int64_t kSequencesPerThread = 16;

KeyValueBlocks blocks_of(KvCache& cache, std::span<const SequenceSlice> slices) {
  auto* storage = dynamic_cast<CpuKvStorage*>(&cache.storage());
  if (!storage) throw Error("decoder", "a key-value cache of another backend");
  return storage->blocks(cache, slices);
}

class CpuBackend : public DecoderBackend {
 public:
  CpuBackend(const ModelConfig& config, ThreadPool& threads, tensor::Precision precision)
      : config_(config),
        threads_(threads),
        precision_(precision),
        weights_(config, precision),
        rope_(config) {}

  void set_parameters(const Parameters& parameters) override {
    trainable_ = true;
    precision_ == tensor::Precision::kBf16 ? weights_.round_as_reached(parameters, threads_)
                                           : weights_.borrow(parameters);
  }
  void pack_parameters(const Parameters& parameters, tensor::DType storage) override {
    trainable_ = false;
    weights_.pack(parameters, storage, threads_);
  }
  void load_weights(const WeightFiles& files) override {
    trainable_ = false;
    weights_.load(config_, files, threads_);
  }
  bool trainable() const override { return trainable_; }
  void set_stop(const std::atomic<bool>* stop) override { stop_ = stop; }

  void forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
               const LogitRow& look) override {
    run_forward(batch, logprobs, keep, look, {}, nullptr);
  }
  void backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                Gradients& gradients) override;
  void forward_backward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
                        std::span<const float> dlogprobs, Gradients& gradients) override {
    run_forward(batch, logprobs, keep, {}, dlogprobs, &gradients);
    layers_backward(batch, gradients);
  }
  void step(const InferenceBatch& batch, KvCache& cache, std::span<float> logits) override;

  std::unique_ptr<KvStorage> make_kv_storage(int64_t num_pages) const override {
    return std::make_unique<CpuKvStorage>(config_, precision_, num_pages);
  }
  int64_t kv_page_bytes() const override { return CpuKvStorage::page_bytes(config_, precision_); }
  tensor::MemoryTable pass_memory(const PassSize& size) const override {
    PassMemory memory;
    return tensor::Arena::plan([&](tensor::Arena& a) {
      memory.lay_out(a, config_, size, threads_.num_threads(), precision_);
    });
  }
  int64_t parameter_copy_bytes() const override {
    return precision_ == tensor::Precision::kBf16 ? rounded_copy_bytes(config_) : 0;
  }
  tensor::MemoryTable step_memory(int64_t num_tokens, int64_t num_targets) const override {
    StepMemory memory;
    return tensor::Arena::plan(
        [&](tensor::Arena& a) { memory.lay_out(a, config_, num_tokens, num_targets); });
  }
  void reserve(const PassSize& size) override {
    arena_.lay_out([&](tensor::Arena& a) {
      memory_.lay_out(a, config_, size, threads_.num_threads(), precision_);
    });
  }

 private:
  // With `gradients` the head's backward follows each chunk of logits at once.
  void run_forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
                   const LogitRow& look, std::span<const float> dlogprobs, Gradients* gradients);
  void gather_hidden(const PackedBatch& batch, int64_t begin, int64_t rows);
  std::vector<HeadChunk> chunks_of(const PackedBatch& batch) const {
    const int64_t rows = head_rows(config_.vocab_size, batch.num_targets(), kept_, precision_);
    return head_chunks(batch, rows, precision_);
  }
  void head_backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                     const HeadChunk& chunk, Gradients& gradients);
  void layers_backward(const PackedBatch& batch, Gradients& gradients);
  void step_part(const StepPart& part, std::span<const int32_t> tokens, KvCache& cache,
                 float* logits, ThreadPool& threads);
  void look_for_stop() const {
    if (stop_ && stop_->load(std::memory_order_relaxed)) throw Interrupted();
  }
  float eps() const { return static_cast<float>(config_.rms_norm_eps); }

  const ModelConfig& config_;
  ThreadPool& threads_;
  const tensor::Precision precision_;
  DecoderWeights weights_;
  bool trainable_ = false;
  LayerRope rope_;
  tensor::Arena arena_{"activations"};
  // Of the last forward.
  PassMemory memory_;
  std::optional<LayerPass> pass_;
  Keep kept_ = Keep::kNothing;
  const std::atomic<bool>* stop_ = nullptr;
};

// memory_.hidden = the normed hidden states of `rows` targets from `begin` on.
void CpuBackend::gather_hidden(const PackedBatch& batch, int64_t begin, int64_t rows) {
  const int64_t C = config_.hidden_size;
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(memory_.hidden + r * C,
                memory_.h + batch.target_index[static_cast<size_t>(begin + r)] * C,
                static_cast<size_t>(C) * sizeof(float));
  }
}

void CpuBackend::run_forward(const PackedBatch& batch, std::span<float> logprobs, Keep keep,
                             const LogitRow& look, std::span<const float> dlogprobs,
                             Gradients* gradients) {
  const int64_t C = config_.hidden_size, V = config_.vocab_size, T = batch.num_tokens();
  kept_ = keep;
  reserve(size_of(batch, keep));
  PassTokens tokens(batch);
  rope_.extend(tokens.longest());
  KeyValueBlocks blocks = blocks_of_rows(tokens, config_, precision_, memory_.keys);
  pass_.emplace(config_, precision_, rope_, std::move(tokens), std::move(blocks), threads_);

  weights_.embed(memory_.x, batch.tokens, threads_);
  const float *x = memory_.x, *delta = nullptr;
  for (size_t i = 0; i < memory_.layers.size(); ++i) {
    look_for_stop();
    const auto layer = static_cast<int64_t>(i);
    pass_->forward(layer, weights_.layer(layer, threads_), x, delta, memory_.layers[i], memory_);
    x = memory_.layers[i].x_mid;
    delta = memory_.delta;
  }
  ops::add_rms_norm(memory_.h, memory_.inv_rms, {memory_.x, x, delta}, weights_.final_norm, {T, C},
                    eps(), threads_);

  if (gradients) std::memset(memory_.dh, 0, static_cast<size_t>(T * C) * sizeof(float));
  for (const HeadChunk& chunk : chunks_of(batch)) {
    const int64_t begin = chunk.begin, rows = chunk.rows;
    look_for_stop();
    gather_hidden(batch, begin, rows);
    weights_.lm_head.forward(memory_.logits, memory_.hidden, rows, threads_);
    threads_.parallel_for(rows, 1, [&](int64_t r0, int64_t r1) {
      for (int64_t r = r0; r < r1; ++r) {
        const float* z = memory_.logits + r * V;
        memory_.lse[begin + r] = ops::log_sum_exp(z, V);
        const auto i = static_cast<size_t>(begin + r);
        logprobs[i] = z[batch.target_token[i]] - memory_.lse[begin + r];
        if (look) look(begin + r, {z, static_cast<size_t>(V)}, memory_.lse[begin + r]);
      }
    });
    if (gradients) head_backward(batch, dlogprobs, chunk, *gradients);
  }
}

// Of the targets whose logits lie in memory, which their gradients replace.
void CpuBackend::head_backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                               const HeadChunk& chunk, Gradients& gradients) {
  const int64_t C = config_.hidden_size, V = config_.vocab_size, begin = chunk.begin,
                rows = chunk.rows;
  threads_.parallel_for(rows, 1, [&](int64_t r0, int64_t r1) {
    for (int64_t r = r0; r < r1; ++r) {
      const auto i = static_cast<size_t>(begin + r);
      ops::log_softmax_backward(memory_.logits + r * V, V, batch.target_token[i],
                                memory_.lse[begin + r], dlogprobs[i]);
    }
  });
  weights_.lm_head.weight_gradient(gradients_of(gradients.parameters(), FusedMatrix::kHead),
                                   memory_.logits, memory_.hidden,
                                   {rows, chunk.blocks, memory_.operand}, threads_);
  weights_.lm_head.input_gradient(memory_.dhidden, memory_.logits, rows, threads_);
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(memory_.dh + batch.target_index[static_cast<size_t>(begin + r)] * C,
                memory_.dhidden + r * C, static_cast<size_t>(C) * sizeof(float));
  }
}

void CpuBackend::backward(const PackedBatch& batch, std::span<const float> dlogprobs,
                          Gradients& gradients) {
  const int64_t C = config_.hidden_size, T = batch.num_tokens();
  std::memset(memory_.dh, 0, static_cast<size_t>(T * C) * sizeof(float));
  const std::vector<HeadChunk> chunks = chunks_of(batch);
  for (const HeadChunk& chunk : chunks) {
    look_for_stop();
    if (chunks.size() > 1) {  // a single chunk's logits are still there from forward
      gather_hidden(batch, chunk.begin, chunk.rows);
      weights_.lm_head.forward(memory_.logits, memory_.hidden, chunk.rows, threads_);
    }
    head_backward(batch, dlogprobs, chunk, gradients);
  }
  layers_backward(batch, gradients);
}

void CpuBackend::layers_backward(const PackedBatch& batch, Gradients& gradients) {
  const int64_t C = config_.hidden_size, T = batch.num_tokens();
  Parameters& all = gradients.parameters();
  std::memset(memory_.dx, 0, static_cast<size_t>(T * C) * sizeof(float));
  ops::rms_norm_backward(memory_.dx, all.find(TensorRole::kFinalNorm), memory_.dh,
                         {memory_.x, memory_.inv_rms, weights_.final_norm}, {T, C}, threads_);
  for (size_t i = memory_.layers.size(); i-- > 0;) {
    look_for_stop();
    const LayerActivations& a = memory_.layers[i];
    const auto layer = static_cast<int64_t>(i);
    const LayerWeights& weights = weights_.layer(layer, threads_);
    if (kept_ == Keep::kCheckpoints) pass_->restore(layer, weights, a, memory_);
    pass_->backward(layer, weights, a, memory_, LayerGradients(all, layer));
  }
  gradients.add_embedding(batch.tokens, memory_.dx, threads_);
}

void CpuBackend::step(const InferenceBatch& batch, KvCache& cache, std::span<float> logits) {
  const auto num_slices = static_cast<int64_t>(batch.slices.size());
  // Sequences of a small model are shared out: each thread takes its own through all layers, and
  // one multiplies while another waits for keys and values.
  const bool by_sequence = !weights_.rounds_as_reached() &&
                           weights_.matrix_bytes() <= kSharedWeightsBytes &&
                           static_cast<int64_t>(batch.tokens.size()) == num_slices &&
                           num_slices >= kSequencesPerThread * threads_.num_threads();
  const int64_t parts = by_sequence ? threads_.num_threads() : 1;
  std::vector<StepPart> all(static_cast<size_t>(parts));
  int64_t tokens = 0, targets = 0, longest = 0, r = 0;
  for (int64_t p = 0; p < parts; ++p) {
    StepPart& part = all[static_cast<size_t>(p)];
    part.first_token = tokens;
    part.first_target = targets;
    part.slices =
        std::span(batch.slices)
            .subspan(static_cast<size_t>(r), static_cast<size_t>(num_slices * (p + 1) / parts - r));
    r = num_slices * (p + 1) / parts;
    for (const SequenceSlice& slice : part.slices) {
      tokens += slice.num_tokens;
      targets += slice.want_logits;
      longest = std::max(longest, slice.sequence->length());
    }
    part.tokens = tokens - part.first_token;
    part.targets = targets - part.first_target;
  }
  rope_.extend(longest);
  arena_.lay_out([&](tensor::Arena& arena) {
    for (StepPart& part : all) part.memory.lay_out(arena, config_, part.tokens, part.targets);
  });
  const auto run_part = [&](const StepPart& part, ThreadPool& threads) {
    step_part(part,
              std::span(batch.tokens)
                  .subspan(static_cast<size_t>(part.first_token), static_cast<size_t>(part.tokens)),
              cache, logits.data() + part.first_target * config_.vocab_size, threads);
  };
  if (parts == 1) return run_part(all[0], threads_);
  threads_.run([&](int p) {
    ThreadPool own(1);
    run_part(all[static_cast<size_t>(p)], own);
  });
}

void CpuBackend::step_part(const StepPart& part, std::span<const int32_t> tokens, KvCache& cache,
                           float* logits, ThreadPool& threads) {
  const int64_t C = config_.hidden_size, S = part.targets;
  const StepMemory& memory = part.memory;
  const LayerActivations& layer = memory.layer;
  LayerPass pass(config_, precision_, rope_, PassTokens(part.slices), blocks_of(cache, part.slices),
                 threads);
  weights_.embed(layer.x_in, tokens, threads);
  const float* delta = nullptr;
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
    pass.forward(i, weights_.layer(i, threads), layer.x_in, delta, layer, memory);
    delta = memory.delta;
  }
  if (S == 0) return;
  float *x = memory.hidden, *d = memory.hidden_delta;
  int64_t last = -1, row = 0;
  for (const SequenceSlice& slice : part.slices) {
    last += slice.num_tokens;
    if (!slice.want_logits) continue;
    const size_t bytes = static_cast<size_t>(C) * sizeof(float);
    std::memcpy(x + row * C, layer.x_mid + last * C, bytes);
    std::memcpy(d + row * C, delta + last * C, bytes);
    ++row;
  }
  ops::add_rms_norm(memory.h, memory.inv_rms, {x, x, d}, weights_.final_norm, {S, C}, eps(),
                    threads);
  weights_.lm_head.forward(logits, memory.h, S, threads);
}

}  // namespace

std::unique_ptr<DecoderBackend> make_cpu_backend(const ModelConfig& config, ThreadPool& threads,
                                                 tensor::Precision precision) {
  return std::make_unique<CpuBackend>(config, threads, precision);
}

}  // namespace ponder::model
