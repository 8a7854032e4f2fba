// The continuous-batching engine, the generator of this process: many completions at once, finished
// ones replaced from one queue. A prompt is prefilled once, in chunks mixed with decoding, and
// shared by the requests that have it (pages are copied on write). A completion is a function of
// (model, prompt, sampling settings, seed key): batch size, memory budget, threads and order of
// arrival change only the speed.
//
// When the cache is full, sequences are preempted and computed again later; the ones expected to be
// long run first (see kv_scheduler.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "model/decoder.h"
#include "rollout/generator.h"
#include "rollout/repetition.h"
#include "tokenizer/tokenizer.h"

namespace ponder::generate {

struct EngineOptions {
  int max_batch = 64;  // sequences at once
  // Upper limit; no more is taken than the requests announced can use.
  int64_t kv_cache_bytes = int64_t{2} << 30;
  int64_t prefill_tokens = 512;  // prompt tokens per step, at most
  rollout::RepetitionRule repetition;
  std::string model_sha256;  // provenance, copied into every completion
};

struct EngineReport {
  int64_t preemptions = 0;  // times a running sequence had to give its memory back
  int64_t steps = 0;
  double mean_running = 0;  // sequences per step
  // Time of the model's steps, the drawing of tokens, the text of finished completions. The rest is
  // the engine's own: the schedule and the batches.
  double model_seconds = 0, sampler_seconds = 0, text_seconds = 0;
};

class Engine : public rollout::Generator {
 public:
  // Borrows everything for its life. `tokenizer` may be null: then texts stay empty and every id of
  // the model can be sampled; otherwise only ids the tokenizer has.
  Engine(model::Decoder& decoder, const tokenizer::Tokenizer* tokenizer, ThreadPool& threads,
         EngineOptions options);
  ~Engine() override;

  // Throws Error for what can never fit (cache budget, the model's positions), an empty prompt or
  // one without tokens, ids outside the vocabulary, settings and stop strings out of range, what was
  // begun without a log-probability for each token.
  void announce(const rollout::CompletionRequest& request, int64_t count) override;
  void submit(rollout::CompletionRequest request) override;
  void cancel(std::string_view id) override;
  data::Partial sampled(std::string_view id, int64_t first) const override;
  // One step of the model, if there is work; it does not wait.
  std::vector<rollout::GeneratorEvent> poll(std::chrono::milliseconds timeout) override;
  int64_t room() const override;
  rollout::GeneratorLoad load() const override;

  EngineReport report() const;  // since it was made

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ponder::generate
