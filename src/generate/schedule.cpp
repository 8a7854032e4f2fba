#include "generate/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "base/philox.h"
#include "generate/sampler.h"

namespace ponder {
namespace {

// Prompts are prefilled this many samples ahead, so that a slot that comes free is filled at once.
int64_t lookahead(const EngineOptions& options) { return 1 + options.max_batch / 8; }

std::string name_of(const RolloutRequest& request) {
  return fmt::format("problem {}", excerpt(request.problem_id));
}

// Positions one rollout fills at most: the last token sampled is never fed.
int64_t worst_positions(const RolloutRequest& request) {
  return static_cast<int64_t>(request.prompt_ids.size()) + request.sampling.max_tokens - 1;
}

bool delivered_before(const RolloutRequest& request, int sample) {
  return std::any_of(request.done.begin(), request.done.end(),
                     [&](const Trajectory& done) { return done.sample == sample; });
}

void check_request(const RolloutRequest& request, const EngineOptions& options,
                   const ModelConfig& config) {
  const std::string name = name_of(request);
  check_sampling(request.sampling, name);
  if (request.prompt_ids.empty()) throw Error(name, "has an empty prompt");
  if (request.num_samples < 1) {
    throw Error(name, fmt::format("asks for {} samples, expected at least 1", request.num_samples));
  }
  const int64_t prompt = static_cast<int64_t>(request.prompt_ids.size());
  const int64_t tokens = prompt + request.sampling.max_tokens;
  if (config.max_position_embeddings > 0 && tokens > config.max_position_embeddings) {
    throw Error(name,
                fmt::format("its prompt of {} tokens and a completion of up to {} exceed the "
                            "model's {} positions",
                            prompt, request.sampling.max_tokens, config.max_position_embeddings),
                prompt < config.max_position_embeddings
                    ? fmt::format("lower --max-tokens to at most {}",
                                  config.max_position_embeddings - prompt)
                    : std::string("leave the problem out"));
  }
  const int64_t page = KvCache::page_bytes(config);
  // The page the prompt ends in may be needed twice: by the prompt and as a sample's own copy.
  const int64_t needed = (KvCache::pages_for(worst_positions(request)) + 1) * page;
  if (needed > options.kv_cache_bytes) {
    throw Error(
        name,
        fmt::format("one rollout of it can need {} bytes of key-value cache, the budget is {}",
                    needed, options.kv_cache_bytes),
        fmt::format("raise --kv-cache-bytes to at least {}, or lower --max-tokens", needed));
  }
}

// No more pages than the budget has, or than the requests can ever use at once.
int64_t pages_to_take(std::span<const RolloutRequest> requests, const EngineOptions& options,
                      const ModelConfig& config) {
  if (options.max_batch < 1) {
    throw Error("--max-batch", fmt::format("is {}, expected at least 1", options.max_batch));
  }
  int64_t all = 0, largest = 0, largest_prompt = 0;
  for (const RolloutRequest& request : requests) {
    check_request(request, options, config);
    const int64_t pages = KvCache::pages_for(worst_positions(request)) + 1;
    all += pages * request.num_samples;
    largest = std::max(largest, pages);
    largest_prompt = std::max(largest_prompt,
                              KvCache::pages_for(static_cast<int64_t>(request.prompt_ids.size())));
  }
  const int64_t at_once = options.max_batch + lookahead(options);
  const int64_t budget = options.kv_cache_bytes / KvCache::page_bytes(config);
  return std::max<int64_t>(1, std::min({budget, all, (largest + largest_prompt) * at_once}));
}

}  // namespace

RolloutSchedule::RolloutSchedule(std::span<const RolloutRequest> requests,
                                 const EngineOptions& options, const EngineHooks& hooks,
                                 const ModelConfig& config)
    : options_(&options), hooks_(&hooks), cache_(config, pages_to_take(requests, options, config)) {
  std::set<std::string_view> ids;
  for (const RolloutRequest& request : requests) {
    if (!ids.insert(request.problem_id).second) {
      throw Error(name_of(request), "is there twice", "give every problem an id of its own");
    }
    Problem& problem = problems_.emplace_back();
    problem.request = &request;
    problem.hash = stable_hash64(request.problem_id);
    problem.end = request.num_samples;
    std::vector<bool> done(static_cast<size_t>(request.num_samples), false);
    for (const Trajectory& trajectory : request.done) {
      if (trajectory.sample < 0 || trajectory.sample >= request.num_samples) continue;
      done[static_cast<size_t>(trajectory.sample)] = true;
      if (hooks.enough) problem.out_of_order.emplace(trajectory.sample, trajectory);
    }
    for (int sample = 0; sample < request.num_samples; ++sample) {
      if (!done[static_cast<size_t>(sample)]) problem.todo.push_back(sample);
    }
    num_total_ += static_cast<int64_t>(problem.todo.size());
    settle(problem);

    const int64_t prompt = static_cast<int64_t>(request.prompt_ids.size());
    const int64_t worst = KvCache::pages_for(worst_positions(request));
    problem.prompt_pages = KvCache::pages_for(prompt);
    // A lone sample goes on in the prompt's own pages. Others share the full ones among them.
    const int64_t full_pages =
        problem.prompt_pages - (KvCache::pages_for(prompt + 1) == problem.prompt_pages);
    problem.own_pages = worst - (problem.todo.size() == 1 ? problem.prompt_pages : full_pages);
  }
}

bool RolloutSchedule::reserve(int64_t pages) {
  if (reserved_pages_ + pages > cache_.num_pages()) return false;
  reserved_pages_ += pages;
  return true;
}

bool RolloutSchedule::can_start(const Problem& problem) const {
  if (problem.next == problem.todo.size()) return false;
  return !hooks_->enough || problem.running == 0 ||
         problem.todo[problem.next] < problem.settled + options_->samples_ahead;
}

void RolloutSchedule::open_problems(int64_t running) {
  int64_t startable = 0;
  for (const Problem* problem : open_) {
    if (!can_start(*problem)) continue;
    // One that waits for pages comes before any new one.
    if (!problem->spare && reserved_pages_ + problem->own_pages > cache_.num_pages()) return;
    const auto left = static_cast<int64_t>(problem->todo.size() - problem->next);
    startable += hooks_->enough ? std::min<int64_t>(left, options_->samples_ahead) : left;
  }
  while (next_problem_ < problems_.size() &&
         running + startable < options_->max_batch + lookahead(*options_)) {
    Problem& problem = problems_[next_problem_];
    if (!problem.todo.empty()) {
      if (!reserve(problem.prompt_pages + problem.own_pages)) return;
      problem.spare = true;
      const auto& ids = problem.request->prompt_ids;
      problem.prompt_sha256 =
          sha256_hex({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(ids.front())});
      open_.push_back(&problem);
      const auto left = static_cast<int64_t>(problem.todo.size());
      startable += hooks_->enough ? std::min<int64_t>(left, options_->samples_ahead) : left;
    }
    ++next_problem_;
  }
}

std::vector<RolloutSchedule::Problem*> RolloutSchedule::to_prefill() {
  std::vector<Problem*> problems;
  for (Problem* problem : open_) {
    if (problem->logits.empty()) problems.push_back(problem);
  }
  return problems;
}

RolloutSchedule::Start RolloutSchedule::start_next() {
  for (Problem* problem : open_) {
    if (problem->logits.empty() || !can_start(*problem)) continue;
    if (problem->spare) {
      problem->spare = false;
    } else if (!reserve(problem->own_pages)) {
      continue;
    }
    Start start;
    start.problem = problem;
    start.sample = problem->todo[problem->next++];
    if (problem->next == problem->todo.size()) {
      start.sequence = std::move(problem->prompt);
      problem->prompt = KvSequence();
    } else {
      start.sequence = cache_.fork(problem->prompt);
    }
    ++problem->running;
    return start;
  }
  return {};
}

void RolloutSchedule::finish(Problem& problem, KvSequence& sequence, Trajectory&& trajectory) {
  cache_.release(sequence);
  reserved_pages_ -= problem.own_pages;
  --problem.running;
  if (hooks_->judge) hooks_->judge(trajectory);
  if (hooks_->enough) {
    problem.out_of_order.emplace(trajectory.sample, std::move(trajectory));
    settle(problem);
  } else {
    ++num_finished_;
    hooks_->deliver(trajectory);
  }
  close_if_done(problem);
}

void RolloutSchedule::drop(Problem& problem, KvSequence& sequence) {
  cache_.release(sequence);
  reserved_pages_ -= problem.own_pages;
  --problem.running;
  ++num_discarded_;
  close_if_done(problem);
}

// Shows `enough` the samples that now follow one another without a gap.
void RolloutSchedule::settle(Problem& problem) {
  while (problem.settled < problem.end) {
    const auto next = problem.out_of_order.find(problem.settled);
    if (next == problem.out_of_order.end()) return;
    problem.prefix.push_back(std::move(next->second));
    problem.out_of_order.erase(next);
    ++problem.settled;
    if (!delivered_before(*problem.request, problem.prefix.back().sample)) {
      ++num_finished_;
      hooks_->deliver(problem.prefix.back());
    }
    if (hooks_->enough(problem.prefix)) cut(problem);
  }
}

void RolloutSchedule::cut(Problem& problem) {
  problem.end = problem.settled;
  num_discarded_ += static_cast<int64_t>(problem.todo.size() - problem.next);
  problem.todo.resize(problem.next);
  for (const auto& [sample, trajectory] : problem.out_of_order) {
    if (!delivered_before(*problem.request, sample)) ++num_discarded_;
  }
  problem.out_of_order.clear();
}

void RolloutSchedule::close_if_done(Problem& problem) {
  if (problem.running > 0 || problem.next < problem.todo.size()) return;
  cache_.release(problem.prompt);
  reserved_pages_ -= problem.prompt_pages + (problem.spare ? problem.own_pages : 0);
  problem.spare = false;
  problem.logits = {};
  problem.prefix = {};
  std::erase(open_, &problem);
}

}  // namespace ponder
