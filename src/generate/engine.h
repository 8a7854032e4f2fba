// The continuous-batching engine: many rollouts at once, finished ones replaced from one queue. The
// prompt of a problem is prefilled once, in chunks mixed with decoding, and shared by its samples
// (pages are copied on write). A rollout is a function of (model, prompt, sampling settings, seed,
// problem id, sample index): batch size, memory budget, threads and order of arrival change only
// the speed.
//
// When the cache is full, samples are set aside and computed again later; the ones expected to be
// long run first (see schedule.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "data/rows.h"
#include "generate/repetition.h"
#include "model/decoder.h"
#include "tokenizer/tokenizer.h"

namespace ponder {

// The samples wanted of one problem.
struct RolloutRequest {
  std::string problem_id;           // not twice in one run
  std::vector<int32_t> prompt_ids;  // at least one token
  int num_samples = 1;              // sample indices 0 .. num_samples - 1
  SamplingSettings sampling;
  uint64_t seed = 1;
  int64_t expected_tokens = 0;  // length of a completion, if known: long ones are begun first
  // Samples that an earlier run delivered. They are not made again, but `enough` sees them.
  std::vector<Trajectory> done;
};

struct EngineOptions {
  int max_batch = 64;  // sequences at once
  int64_t kv_cache_bytes = int64_t{2}
                           << 30;  // upper limit; no more is taken than the requests can use
  int64_t prefill_tokens = 512;    // prompt tokens per step, at most
  // With EngineHooks::enough: samples of one problem that may run ahead of the last one it has
  // seen.
  int samples_ahead = 4;
  std::vector<int32_t> stop_ids;  // end tokens; sampled ones belong to token_ids
  RepetitionRule repetition;
  std::string model_sha256, template_sha256;  // provenance, copied into every trajectory
  // What the prompts end with of the response ("<think>\n"): a trajectory's text begins with it,
  // its token ids do not hold it.
  std::string opened_thought;
};

struct EngineProgress {
  int64_t finished = 0, total = 0;  // samples; `total` shrinks when some are discarded
  int64_t running = 0;
  int64_t sampled_tokens = 0, prompt_tokens = 0;  // computed so far
  // What the samples not finished may still take, by the mean length so far; -1 until one has
  // finished.
  int64_t expected_tokens_left = -1;
  double seconds = 0;
  double tokens_per_second() const {
    return seconds > 0 ? static_cast<double>(sampled_tokens) / seconds : 0;
  }
  // At the speed so far; negative when there is nothing to tell by.
  double seconds_left() const {
    return expected_tokens_left < 0 || sampled_tokens == 0
               ? -1
               : static_cast<double>(expected_tokens_left) / tokens_per_second();
  }
};
// "5210 tokens/s, 64 running, about 3 min left": for people.
std::string to_text(const EngineProgress& progress);

// All are called on the thread that called run; all may be empty, `deliver` excepted.
struct EngineHooks {
  // Once for each finished sample, as it finishes: e.g. judges it.
  std::function<void(Trajectory&)> judge;
  // A stopping rule of the caller's: whether the completion ends with its last token, beside stop
  // tokens, length and loops; it then counts as stopped. Asked after every token; must be a pure
  // function of the trajectory so far (problem, sample, token ids).
  std::function<bool(const Trajectory&)> ends;
  // Early stop. Given a problem's samples 0 .. i in order, says whether they are enough. It is
  // asked for i = 0, 1, …; samples behind the first i that is enough are discarded, whether or not
  // they have run by then, so the samples kept are the same in any batch. Must be a pure function
  // of what it is given.
  std::function<bool(std::span<const Trajectory> samples)> enough;
  // Each kept sample, once: as it finishes, or with `enough` as soon as it is known to be kept.
  std::function<void(const Trajectory&)> deliver;
  std::function<void(const EngineProgress&)> progress;  // several times a second, and at the end
  // Each token of each sample as it is sampled, for somebody who watches: token_ids.back() of an
  // unfinished trajectory. Not for the end token. With `enough`, also of samples that are
  // discarded.
  std::function<void(const Trajectory&)> token;
};

struct EngineReport {
  EngineProgress progress;
  int64_t discarded = 0;     // samples, begun or not
  int64_t set_aside = 0;     // times a running sample had to give its memory back
  bool interrupted = false;  // the stop flag was set: what was running is lost
  int64_t steps = 0;
  double mean_running = 0;  // sequences per step
  // Of progress.seconds: the model's steps, the drawing of tokens, the text of finished samples
  // (tokenizer, thought and solution), and the hooks judge, enough and deliver. The rest is the
  // engine's own: the schedule and the batches.
  double model_seconds = 0, sampler_seconds = 0, text_seconds = 0, hook_seconds = 0;
};

class Engine {
 public:
  // Borrows everything for its life. `tokenizer` may be null: then text, thought and solution stay
  // empty and every id of the model can be sampled; otherwise only ids the tokenizer has.
  Engine(Decoder& decoder, const Tokenizer* tokenizer, ThreadPool& pool, EngineOptions options);
  ~Engine();

  // Throws Error, before anything is sampled, for a request that can never fit (cache budget, the
  // model's positions), an empty prompt, a repeated problem id or settings out of range. Stops soon
  // after *stop becomes true.
  EngineReport run(std::span<const RolloutRequest> requests, const EngineHooks& hooks,
                   const std::atomic<bool>* stop = nullptr);

  // The same, collected in the order of requests and samples; `hooks.deliver` may be empty.
  std::vector<Trajectory> run_all(std::span<const RolloutRequest> requests, EngineHooks hooks = {},
                                  const std::atomic<bool>* stop = nullptr,
                                  EngineReport* report = nullptr);

 private:
  Decoder* decoder_;
  const Tokenizer* tokenizer_;
  ThreadPool* pool_;
  EngineOptions options_;
};

}  // namespace ponder
