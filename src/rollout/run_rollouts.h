// Rollouts of a closed set of problems by any generator, from the first request to the last kept
// sample.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/monitor.h"
#include "rollout/groups.h"

namespace ponder::rollout {

struct RolloutProgress {
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
std::string to_text(const RolloutProgress& progress);
Json to_json(const RolloutProgress& progress);

// Tokens of a sample that has not been handed over, sampled since the last save.
struct NewTokens {
  std::string problem_id;
  int sample = 0;
  int64_t first = 0;  // how many there are before; what was saved behind these is no more
  data::Partial tokens;
};

// All are called on the thread that called run_rollouts; all may be empty. See GroupRules.
struct RolloutHooks {
  std::function<void(data::Rollout&)> judge;
  std::function<bool(std::span<const data::Rollout> samples)> group_complete;
  std::function<bool(std::string_view problem_id, int sample, std::span<const int32_t> token_ids)>
      stop_condition;
  // Each kept sample, once.
  std::function<void(const data::Rollout&)> on_completion;
  // Every options.save_every, and when told to stop: what was handed over, and these tokens, should
  // become durable. RolloutRequest::begun takes them in a later run.
  std::function<void(std::span<const NewTokens>)> save;
  // Each token of each sample as it is sampled, for somebody who watches. With group_complete, also
  // of samples that are discarded.
  std::function<void(std::string_view problem_id, int sample, const TokenSampled&)> token;
};

struct RolloutOptions {
  int samples_ahead = 4;
  bool in_order = false;  // on_completion: in the order of requests and samples
  std::chrono::milliseconds save_every{10'000};
  // Told of the progress several times a second, and at the end; null: nobody watches.
  Monitor* monitor = nullptr;
  std::string task = "rollouts";  // what the progress is of
  std::string unit = {};          // what is counted, where the task does not say it
};

struct RolloutReport {
  RolloutProgress progress;
  int64_t discarded = 0;     // samples, asked for or not
  bool interrupted = false;  // the stop flag was set
  double hook_seconds = 0;   // of progress.seconds: judging, group_complete and on_completion
};

// Throws Error before anything is sampled for a request that can never be served (its length, the
// generator's memory, settings out of range), an empty prompt or a repeated problem id; and at the
// end, when all that can come has come, for samples that failed. Returns soon after *stop becomes
// true: what was kept until then has been handed over, and save called. The generator must have no other requests.
RolloutReport run_rollouts(Generator& generator, std::span<const RolloutRequest> requests,
                           const RolloutHooks& hooks, const RolloutOptions& options = {},
                           const std::atomic<bool>* stop = nullptr);

// The same, collected in the order of requests and samples.
std::vector<data::Rollout> collect_rollouts(Generator& generator,
                                            std::span<const RolloutRequest> requests,
                                            RolloutHooks hooks = {}, RolloutOptions options = {},
                                            const std::atomic<bool>* stop = nullptr,
                                            RolloutReport* report = nullptr);

}  // namespace ponder::rollout
