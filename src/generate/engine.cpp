#include "generate/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "base/error.h"
#include "generate/sampler.h"
#include "generate/schedule.h"
#include "tensor/buffer.h"
#include "tokenizer/thought_format.h"

namespace ponder {
namespace {

using Clock = std::chrono::steady_clock;

// A sequence that is being sampled.
struct Running {
  RolloutSchedule::Problem* problem;
  KvSequence sequence;
  Trajectory trajectory;
};

// One call of Engine::run.
class EngineRun {
 public:
  EngineRun(Decoder& decoder, const Tokenizer* tokenizer, ThreadPool& pool,
            const EngineOptions& options, std::span<const RolloutRequest> requests,
            const EngineHooks& hooks)
      : decoder_(decoder),
        tokenizer_(tokenizer),
        options_(options),
        hooks_(hooks),
        vocab_size_(decoder.config().vocab_size),
        sampler_(vocab_size_,
                 tokenizer ? std::min<int64_t>(vocab_size_, tokenizer->vocab_size()) : vocab_size_,
                 pool),
        schedule_(requests, options, hooks, decoder.config()) {}

  EngineReport run(const std::atomic<bool>* stop) {
    while (!schedule_.finished()) {
      if (stop && stop->load(std::memory_order_relaxed)) {
        report_.interrupted = true;
        break;
      }
      start_samples();
      schedule_.open_problems(static_cast<int64_t>(running_.size()));
      step();
      if (!schedule_.finished()) report_progress(false);
    }
    report_progress(true);
    report_.discarded = schedule_.num_discarded();
    if (report_.steps > 0) report_.mean_running /= static_cast<double>(report_.steps);
    return report_;
  }

 private:
  // Fills free slots. A first token is drawn from the prompt's logits at once; it may already end
  // the sample and so free its slot again.
  void start_samples() {
    for (;;) {
      const size_t first = running_.size();
      draws_.clear();
      while (running_.size() < static_cast<size_t>(options_.max_batch)) {
        RolloutSchedule::Start start = schedule_.start_next();
        if (!start.problem) break;
        const RolloutRequest& request = *start.problem->request;
        Running& sample =
            running_.emplace_back(Running{start.problem, std::move(start.sequence), {}});
        Trajectory& trajectory = sample.trajectory;
        trajectory.problem_id = request.problem_id;
        trajectory.sample = start.sample;
        trajectory.seed = request.seed;
        trajectory.sampling = request.sampling;
        trajectory.model_sha256 = options_.model_sha256;
        trajectory.template_sha256 = options_.template_sha256;
        trajectory.prompt_sha256 = start.problem->prompt_sha256;
        trajectory.prompt_ids = request.prompt_ids;
        add_draw(sample, start.problem->logits.data());
      }
      if (running_.size() == first) return;
      sample_and_settle(first);
    }
  }

  // One step of the model: the last token of every running sequence, and a share of waiting
  // prompts.
  void step() {
    batch_.tokens.clear();
    batch_.runs.clear();
    for (Running& sample : running_) {
      extend(sample.sequence, 1);
      batch_.tokens.push_back(sample.trajectory.token_ids.back());
      batch_.runs.push_back({&sample.sequence, 1, true});
    }
    std::vector<RolloutSchedule::Problem*> prefilled;
    int64_t budget = std::max<int64_t>(1, options_.prefill_tokens);
    for (RolloutSchedule::Problem* problem : schedule_.to_prefill()) {
      const auto& prompt = problem->request->prompt_ids;
      const int64_t done = problem->prompt.length();
      const int64_t count = std::min(budget, static_cast<int64_t>(prompt.size()) - done);
      const bool whole = done + count == static_cast<int64_t>(prompt.size());
      extend(problem->prompt, count);
      batch_.tokens.insert(batch_.tokens.end(), prompt.begin() + done,
                           prompt.begin() + done + count);
      batch_.runs.push_back({&problem->prompt, count, whole});
      if (whole) prefilled.push_back(problem);
      report_.progress.prompt_tokens += count;
      budget -= count;
      if (budget == 0) break;
    }
    if (batch_.runs.empty()) return;

    const size_t rows = running_.size() + prefilled.size();
    logits_.reserve(static_cast<int64_t>(rows) * vocab_size_);
    decoder_.step(batch_, schedule_.cache(),
                  logits_.slice(0, static_cast<int64_t>(rows) * vocab_size_));
    ++report_.steps;
    report_.mean_running += static_cast<double>(running_.size());

    for (size_t i = 0; i < prefilled.size(); ++i) {
      const float* row = logits_row(running_.size() + i);
      prefilled[i]->logits.assign(row, row + vocab_size_);
    }
    draws_.clear();
    for (size_t i = 0; i < running_.size(); ++i) add_draw(running_[i], logits_row(i));
    sample_and_settle(0);
  }

  const float* logits_row(size_t row) const {
    return logits_.data() + static_cast<int64_t>(row) * vocab_size_;
  }

  void extend(KvSequence& sequence, int64_t count) {
    if (!schedule_.cache().extend(sequence, count)) {
      throw Error("key-value cache", "ran out of pages that had been reserved",
                  "this is a defect of ponder: please report it");
    }
  }

  void add_draw(const Running& sample, const float* logits) {
    const Trajectory& trajectory = sample.trajectory;
    draws_.push_back({logits, &sample.problem->request->sampling,
                      rollout_uniform(trajectory.seed, sample.problem->hash, trajectory.sample,
                                      static_cast<int64_t>(trajectory.token_ids.size()))});
  }

  // Draws for running_[first, end), one draw each, and takes out what has finished.
  void sample_and_settle(size_t first) {
    sampled_.resize(draws_.size());
    sampler_.sample(draws_, sampled_);
    report_.progress.sampled_tokens += static_cast<int64_t>(sampled_.size());
    bool any_finished = false;
    for (size_t i = 0; i < sampled_.size(); ++i) {
      Running& sample = running_[first + i];
      if (sample.trajectory.sample >= sample.problem->end) continue;  // cut a moment ago
      sample.trajectory.token_ids.push_back(sampled_[i].id);
      sample.trajectory.logprobs.push_back(sampled_[i].logprob);
      if (!has_ended(sample.trajectory)) continue;
      any_finished = true;
      complete(sample.trajectory);
      schedule_.finish(*sample.problem, sample.sequence, std::move(sample.trajectory));
      sample.problem = nullptr;
    }
    if (!any_finished) return;
    for (Running& sample : running_) {
      if (sample.problem && sample.trajectory.sample >= sample.problem->end) {
        schedule_.drop(*sample.problem, sample.sequence);
        sample.problem = nullptr;
      }
    }
    std::erase_if(running_, [](const Running& sample) { return sample.problem == nullptr; });
  }

  // Sets the reason when the completion ends with its last token.
  bool has_ended(Trajectory& trajectory) const {
    const auto& ids = trajectory.token_ids;
    const auto& stop = options_.stop_ids;
    if (std::find(stop.begin(), stop.end(), ids.back()) != stop.end()) {
      trajectory.finish_reason = FinishReason::kStop;
    } else if (static_cast<int>(ids.size()) >= trajectory.sampling.max_tokens) {
      trajectory.finish_reason = FinishReason::kLength;
    } else if (is_repetition(ids, options_.repetition)) {
      trajectory.finish_reason = FinishReason::kRepetition;
    } else {
      return false;
    }
    return true;
  }

  // Everything about a finished completion but its verdict.
  void complete(Trajectory& trajectory) const {
    trajectory.logprob = 0;
    for (const float logprob : trajectory.logprobs) trajectory.logprob += logprob;
    if (!tokenizer_) return;
    std::span<const int32_t> ids = trajectory.token_ids;
    if (trajectory.finish_reason == FinishReason::kStop) ids = ids.first(ids.size() - 1);
    trajectory.text = tokenizer_->decode(ids);
    ThoughtParts parts = parse_thought(trajectory.text);
    trajectory.thought = std::move(parts.thought);
    trajectory.solution = std::move(parts.solution);
  }

  void report_progress(bool last) {
    const auto now = Clock::now();
    if (!hooks_.progress && !last) return;
    if (!last && now - last_report_ < std::chrono::milliseconds(250)) return;
    last_report_ = now;
    EngineProgress& progress = report_.progress;
    progress.finished = schedule_.num_finished();
    progress.total = schedule_.num_total();
    progress.running = static_cast<int64_t>(running_.size());
    progress.seconds = std::chrono::duration<double>(now - start_).count();
    if (hooks_.progress) hooks_.progress(progress);
  }

  Decoder& decoder_;
  const Tokenizer* tokenizer_;
  const EngineOptions& options_;
  const EngineHooks& hooks_;
  int64_t vocab_size_;
  Sampler sampler_;
  RolloutSchedule schedule_;
  std::vector<Running> running_;
  StepBatch batch_;
  Buffer logits_;
  std::vector<Draw> draws_;
  std::vector<SampledToken> sampled_;
  EngineReport report_;
  Clock::time_point start_ = Clock::now(), last_report_ = start_;
};

}  // namespace

Engine::Engine(Decoder& decoder, const Tokenizer* tokenizer, ThreadPool& pool,
               EngineOptions options)
    : decoder_(&decoder), tokenizer_(tokenizer), pool_(&pool), options_(std::move(options)) {}

Engine::~Engine() = default;

EngineReport Engine::run(std::span<const RolloutRequest> requests, const EngineHooks& hooks,
                         const std::atomic<bool>* stop) {
  return EngineRun(*decoder_, tokenizer_, *pool_, options_, requests, hooks).run(stop);
}

std::vector<Trajectory> Engine::run_all(std::span<const RolloutRequest> requests, EngineHooks hooks,
                                        const std::atomic<bool>* stop, EngineReport* report) {
  std::map<std::string, size_t> place;
  for (size_t i = 0; i < requests.size(); ++i) place.emplace(requests[i].problem_id, i);
  std::vector<std::pair<size_t, Trajectory>> collected;
  hooks.deliver = [&, inner = std::move(hooks.deliver)](const Trajectory& trajectory) {
    if (inner) inner(trajectory);
    collected.emplace_back(place.at(trajectory.problem_id), trajectory);
  };
  const EngineReport done = run(requests, hooks, stop);
  if (report) *report = done;
  std::sort(collected.begin(), collected.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.second.sample) < std::pair(b.first, b.second.sample);
  });
  std::vector<Trajectory> trajectories;
  trajectories.reserve(collected.size());
  for (auto& [request, trajectory] : collected) trajectories.push_back(std::move(trajectory));
  return trajectories;
}

}  // namespace ponder
