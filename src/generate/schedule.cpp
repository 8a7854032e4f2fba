#include "generate/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "base/philox.h"
#include "generate/sampler.h"
#include "ops/attention.h"

namespace ponder {
namespace {

// Prompts are prefilled this many samples ahead, so that a slot that comes free is filled at once.
int64_t lookahead(const EngineOptions& options) { return 1 + options.max_batch / 8; }

// Problems that are open at once, each with its prompt's pages and logits: as many as slots ask for
// anyway, and beyond that some more, to see early which ones are long.
int64_t max_open_problems(const EngineOptions& options, const ModelConfig& config) {
  const int64_t logits_bytes = config.vocab_size * static_cast<int64_t>(sizeof(float));
  return options.max_batch +
         std::max(lookahead(options),
                  std::min<int64_t>(7 * int64_t{options.max_batch}, (64 << 20) / logits_bytes));
}

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
  const int64_t budget = options.kv_cache_bytes / KvCache::page_bytes(config);
  const int64_t at_once =
      largest * options.max_batch + largest_prompt * max_open_problems(options, config);
  return std::max<int64_t>(1, std::min({budget, all, at_once}));
}

}  // namespace

int64_t RolloutSchedule::Sample::num_pending() const {
  return static_cast<int64_t>(trajectory.prompt_ids.size() + trajectory.token_ids.size()) -
         sequence.length();
}

void RolloutSchedule::Sample::append_pending(int64_t count, std::vector<int32_t>& tokens) const {
  const auto prompt = static_cast<int64_t>(trajectory.prompt_ids.size());
  for (int64_t i = sequence.length(); i < sequence.length() + count; ++i) {
    tokens.push_back(i < prompt ? trajectory.prompt_ids[static_cast<size_t>(i)]
                                : trajectory.token_ids[static_cast<size_t>(i - prompt)]);
  }
}

RolloutSchedule::RolloutSchedule(std::span<const RolloutRequest> requests,
                                 const EngineOptions& options, const EngineHooks& hooks,
                                 const ModelConfig& config)
    : options_(&options),
      hooks_(&hooks),
      max_open_(max_open_problems(options, config)),
      cache_(config, pages_to_take(requests, options, config)) {
  std::set<std::string_view> ids;
  for (const RolloutRequest& request : requests) {
    if (!ids.insert(request.problem_id).second) {
      throw Error(name_of(request), "is there twice", "give every problem an id of its own");
    }
    Problem& problem = problems_.emplace_back();
    problem.request = &request;
    problem.hash = stable_hash64(request.problem_id);
    problem.end = request.num_samples;
    problem.longest = request.expected_tokens;
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
    if (!problem.todo.empty()) order_.push_back(&problem);
  }
  std::stable_sort(order_.begin(), order_.end(),
                   [](const Problem* a, const Problem* b) { return a->longest > b->longest; });
}

bool RolloutSchedule::can_start(const Problem& problem) const {
  if (problem.next == problem.todo.size()) return false;
  return !hooks_->enough || problem.begun == 0 ||
         problem.todo[problem.next] < problem.settled + options_->samples_ahead;
}

int64_t RolloutSchedule::startable(const Problem& problem) const {
  if (!can_start(problem)) return 0;
  const auto left = static_cast<int64_t>(problem.todo.size() - problem.next);
  return hooks_->enough ? std::min<int64_t>(left, options_->samples_ahead) : left;
}

void RolloutSchedule::open_problems() {
  auto waiting = static_cast<int64_t>(running_.size() + set_aside_.size());
  int64_t prompt_pages = 0;
  for (const Problem* problem : open_) {
    waiting += startable(*problem);
    prompt_pages += KvCache::pages_for(static_cast<int64_t>(problem->request->prompt_ids.size()));
  }
  for (; next_problem_ < order_.size(); ++next_problem_) {
    Problem& problem = *order_[next_problem_];
    const auto& ids = problem.request->prompt_ids;
    prompt_pages += KvCache::pages_for(static_cast<int64_t>(ids.size()));
    const bool slots_ask = waiting < options_->max_batch + lookahead(*options_);
    const bool room_to_look = static_cast<int64_t>(open_.size()) < max_open_ &&
                              prompt_pages <= cache_.num_pages() / 4 && set_aside_.empty();
    if (!slots_ask && !room_to_look) return;
    problem.prompt_sha256 =
        sha256_hex({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(ids.front())});
    open_.push_back(&problem);
    waiting += startable(problem);
  }
}

// What the running samples may still take: to the mean length so far, and half a page beyond what
// they have.
int64_t RolloutSchedule::pages_expected() const {
  const int64_t mean = num_completions_ > 0 ? completion_tokens_ / num_completions_ : 0;
  int64_t pages = 0;
  for (const Sample& sample : running_) {
    const Trajectory& trajectory = sample.trajectory;
    const auto length = static_cast<int64_t>(trajectory.token_ids.size());
    const int64_t expected =
        std::min<int64_t>(std::max(mean, length + kKeyBlock / 2), trajectory.sampling.max_tokens);
    pages += KvCache::pages_for(static_cast<int64_t>(trajectory.prompt_ids.size()) + expected - 1) -
             static_cast<int64_t>(cache_.pages(sample.sequence).size());
  }
  return pages;
}

int64_t RolloutSchedule::expected_tokens_left() const {
  if (num_completions_ == 0) return -1;
  const int64_t mean = std::max<int64_t>(1, completion_tokens_ / num_completions_);
  int64_t left = 0;
  const auto add = [&](const Sample& sample) {
    left += std::max<int64_t>(0, mean - static_cast<int64_t>(sample.trajectory.token_ids.size()));
  };
  std::for_each(running_.begin(), running_.end(), add);
  std::for_each(set_aside_.begin(), set_aside_.end(), add);
  for (const Problem& problem : problems_) {
    left += mean * static_cast<int64_t>(problem.todo.size() - problem.next);
  }
  return left;
}

// Of the prefilled problems: one that has not begun a sample and is not known to be short, else the
// one with the longest sample so far.
RolloutSchedule::Problem* RolloutSchedule::choose() {
  Problem* best = nullptr;
  for (Problem* problem : open_) {
    if (!prefilled(*problem) || !can_start(*problem)) continue;
    if (problem->longest == 0) return problem;
    if (!best || problem->longest > best->longest) best = problem;
  }
  return best;
}

bool RolloutSchedule::resume() {
  Sample& sample = set_aside_.front();
  Problem& problem = *sample.problem;
  const auto length = static_cast<int64_t>(sample.trajectory.prompt_ids.size() +
                                           sample.trajectory.token_ids.size());
  if (!running_.empty() &&
      cache_.num_free_pages() < KvCache::pages_for(length) + 1 + pages_expected()) {
    return false;
  }
  const auto prompt = static_cast<int64_t>(problem.request->prompt_ids.size());
  if (prefilled(problem) && problem.prompt.length() == prompt) {
    sample.sequence = cache_.fork(problem.prompt);
  }
  ++problem.running;
  running_.push_back(std::move(sample));
  set_aside_.pop_front();
  return true;
}

bool RolloutSchedule::start_next() {
  if (running_.size() >= static_cast<size_t>(options_->max_batch)) return false;
  if (!set_aside_.empty()) return resume();
  Problem* problem = choose();
  if (!problem) return false;
  // A page for what follows the prompt, and perhaps one for the copy of the page the prompt ends
  // in.
  if (!running_.empty() && cache_.num_free_pages() < 2 + pages_expected()) return false;
  const RolloutRequest& request = *problem->request;
  Sample& sample = running_.emplace_back();
  sample.problem = problem;
  sample.trajectory.problem_id = request.problem_id;
  sample.trajectory.sample = problem->todo[problem->next++];
  sample.trajectory.seed = request.seed;
  sample.trajectory.sampling = request.sampling;
  sample.trajectory.model_sha256 = options_->model_sha256;
  sample.trajectory.template_sha256 = options_->template_sha256;
  sample.trajectory.prompt_sha256 = problem->prompt_sha256;
  sample.trajectory.prompt_ids = request.prompt_ids;
  ++problem->begun;
  ++problem->running;
  problem->longest = std::max<int64_t>(problem->longest, 1);
  if (problem->next == problem->todo.size()) {  // the last one goes on in the prompt's own pages
    sample.sequence = std::move(problem->prompt);
    problem->prompt = KvSequence();
  } else {
    sample.sequence = cache_.fork(problem->prompt);
  }
  return true;
}

bool RolloutSchedule::extend(size_t index, int64_t count) {
  while (!cache_.extend(running_[index].sequence, count)) {
    if (drop_a_prompt(0)) continue;
    if (running_.size() == 1) {
      throw Error("key-value cache", "one sequence alone ran out of pages",
                  "this is a defect of ponder: please report it");
    }
    set_last_aside();
    if (index == running_.size()) return false;
  }
  Problem& problem = *running_[index].problem;
  problem.longest = std::max(problem.longest,
                             static_cast<int64_t>(running_[index].trajectory.token_ids.size()) + 1);
  return true;
}

RolloutSchedule::Problem* RolloutSchedule::extend_prompt(int64_t count, int64_t& tokens) {
  while (next_prefill_ < open_.size()) {
    Problem& problem = *open_[next_prefill_++];
    if (prefilled(problem) || problem.next == problem.todo.size()) continue;
    const int64_t left =
        static_cast<int64_t>(problem.request->prompt_ids.size()) - problem.prompt.length();
    // A prompt must not take what the running samples are about to need; with none of them, and
    // none set aside, it takes what other prompts hold.
    const bool alone = running_.empty() && set_aside_.empty();
    const int64_t needed = KvCache::pages_for(problem.prompt.length() + left) -
                           static_cast<int64_t>(cache_.pages(problem.prompt).size());
    if (!alone && cache_.num_free_pages() < needed + 1 + pages_expected()) return nullptr;
    tokens = std::min(count, left);
    while (!cache_.extend(problem.prompt, tokens)) {
      if (!drop_a_prompt(next_prefill_)) return nullptr;
    }
    return &problem;
  }
  return nullptr;
}

// Of open_[first, …), the prompt of the problem opened last that no running sample shares.
bool RolloutSchedule::drop_a_prompt(size_t first) {
  for (size_t i = open_.size(); i-- > first;) {
    Problem& problem = *open_[i];
    if (problem.running > 0 || problem.prompt.length() == 0) continue;
    cache_.release(problem.prompt);
    problem.logits = {};
    return true;
  }
  return false;
}

void RolloutSchedule::set_last_aside() {
  Sample& sample = running_.back();
  cache_.release(sample.sequence);
  --sample.problem->running;
  set_aside_.push_front(std::move(sample));
  running_.pop_back();
  ++num_set_aside_;
}

void RolloutSchedule::finish(Sample& sample) {
  Problem& problem = *sample.problem;
  cache_.release(sample.sequence);
  sample.ended = true;
  --problem.begun;
  --problem.running;
  ++num_completions_;
  completion_tokens_ += static_cast<int64_t>(sample.trajectory.token_ids.size());
  if (hooks_->judge) hooks_->judge(sample.trajectory);
  if (hooks_->enough) {
    problem.out_of_order.emplace(sample.trajectory.sample, std::move(sample.trajectory));
    settle(problem);
  } else {
    ++num_finished_;
    hooks_->deliver(sample.trajectory);
  }
  close_if_done(problem);
}

void RolloutSchedule::discard(Sample& sample) {
  cache_.release(sample.sequence);
  sample.ended = true;
  --sample.problem->begun;
  ++num_discarded_;
}

void RolloutSchedule::remove_ended() {
  std::erase_if(running_, [](const Sample& sample) { return sample.ended; });
  std::erase_if(set_aside_, [](const Sample& sample) { return sample.ended; });
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
  for (Sample& sample : running_) {
    if (sample.problem != &problem || sample.ended || sample.trajectory.sample < problem.end)
      continue;
    --problem.running;
    discard(sample);
  }
  for (Sample& sample : set_aside_) {
    if (sample.problem == &problem && sample.trajectory.sample >= problem.end) discard(sample);
  }
}

void RolloutSchedule::close_if_done(Problem& problem) {
  if (problem.begun > 0 || problem.next < problem.todo.size()) return;
  cache_.release(problem.prompt);
  problem.logits = {};
  problem.prefix = {};
  std::erase(open_, &problem);
}

}  // namespace ponder
