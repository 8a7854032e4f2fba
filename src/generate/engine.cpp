#include "generate/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
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
using Sample = RolloutSchedule::Sample;

// Adds the time it lives to a sum of seconds.
class Timer {
 public:
  explicit Timer(double& seconds) : seconds_(seconds) {}
  ~Timer() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  double& seconds_;
  Clock::time_point start_ = Clock::now();
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
      schedule_.open_problems();
      step();
      if (!schedule_.finished()) report_progress(false);
    }
    report_progress(true);
    report_.discarded = schedule_.num_discarded();
    report_.set_aside = schedule_.num_set_aside();
    if (report_.steps > 0) report_.mean_running /= static_cast<double>(report_.steps);
    return report_;
  }

 private:
  // Fills free slots. A new sample's first token is drawn from the prompt's logits at once; it may
  // already end the sample and so free its slot again.
  void start_samples() {
    do {
      draws_.clear();
      drawing_.clear();
      while (schedule_.start_next()) {
        const Sample& sample = schedule_.running().back();
        if (!sample.trajectory.token_ids.empty()) continue;  // goes on where it was set aside
        drawing_.push_back(schedule_.running().size() - 1);
        add_draw(sample, sample.problem->logits.data());
      }
      sample_and_settle();
    } while (!draws_.empty());
  }

  // One step of the model: the next token of every running sequence, and a share of what waits to
  // be prefilled: prompts, and sequences that had been set aside.
  void step() {
    std::vector<Sample>& running = schedule_.running();
    batch_.tokens.clear();
    batch_.runs.clear();
    draws_.clear();
    drawing_.clear();
    int64_t budget = std::max<int64_t>(1, options_.prefill_tokens);
    // Making room for one sample may set those behind it aside, never one before it.
    for (size_t i = 0; i < running.size(); ++i) {
      Sample& sample = running[i];
      const int64_t pending = sample.num_pending();
      const int64_t count = pending == 1 ? 1 : std::min(pending, budget);
      if (count == 0) continue;
      const size_t before = batch_.tokens.size();
      sample.append_pending(count, batch_.tokens);
      if (!schedule_.extend(i, count)) {
        batch_.tokens.resize(before);
        break;
      }
      batch_.runs.push_back({&sample.sequence, count, count == pending});
      if (count == pending) drawing_.push_back(i);
      if (pending > 1) {
        report_.progress.prompt_tokens += count;
        budget -= count;
      }
    }
    std::vector<RolloutSchedule::Problem*> prefilled;
    schedule_.begin_prefill();
    int64_t count = 0;
    while (budget > 0) {
      RolloutSchedule::Problem* problem = schedule_.extend_prompt(budget, count);
      if (!problem) break;
      const auto& prompt = problem->request->prompt_ids;
      const int64_t end = problem->prompt.length();
      const bool whole = end == static_cast<int64_t>(prompt.size());
      batch_.tokens.insert(batch_.tokens.end(), prompt.begin() + (end - count),
                           prompt.begin() + end);
      batch_.runs.push_back({&problem->prompt, count, whole});
      if (whole) prefilled.push_back(problem);
      report_.progress.prompt_tokens += count;
      budget -= count;
    }
    if (batch_.runs.empty()) return;

    const size_t rows = drawing_.size() + prefilled.size();
    logits_.reserve(static_cast<int64_t>(rows) * vocab_size_);
    {
      const Timer timer(report_.model_seconds);
      decoder_.step(batch_, schedule_.cache(),
                    logits_.slice(0, static_cast<int64_t>(rows) * vocab_size_));
    }
    ++report_.steps;
    report_.mean_running += static_cast<double>(running.size());

    for (size_t i = 0; i < prefilled.size(); ++i) {
      const float* row = logits_row(drawing_.size() + i);
      prefilled[i]->logits.assign(row, row + vocab_size_);
    }
    for (size_t i = 0; i < drawing_.size(); ++i) add_draw(running[drawing_[i]], logits_row(i));
    sample_and_settle();
  }

  const float* logits_row(size_t row) const {
    return logits_.data() + static_cast<int64_t>(row) * vocab_size_;
  }

  void add_draw(const Sample& sample, const float* logits) {
    const Trajectory& trajectory = sample.trajectory;
    draws_.push_back({logits, &sample.problem->request->sampling,
                      rollout_uniform(trajectory.seed, sample.problem->hash, trajectory.sample,
                                      static_cast<int64_t>(trajectory.token_ids.size()))});
  }

  // One draw for each running sample of drawing_; takes out what has finished.
  void sample_and_settle() {
    sampled_.resize(draws_.size());
    {
      const Timer timer(report_.sampler_seconds);
      sampler_.sample(draws_, sampled_);
    }
    report_.progress.sampled_tokens += static_cast<int64_t>(sampled_.size());
    for (size_t i = 0; i < sampled_.size(); ++i) {
      Sample& sample = schedule_.running()[drawing_[i]];
      if (sample.ended) continue;  // its problem had enough a moment ago
      Trajectory& trajectory = sample.trajectory;
      trajectory.token_ids.push_back(sampled_[i].id);
      trajectory.logprobs.push_back(sampled_[i].logprob);
      const bool ended = has_ended(trajectory);
      if (hooks_.token && !is_stop(sampled_[i].id)) hooks_.token(trajectory);
      if (!ended) continue;
      {
        const Timer timer(report_.text_seconds);
        complete(trajectory);
      }
      const Timer timer(report_.hook_seconds);
      schedule_.finish(sample);
    }
    schedule_.remove_ended();
  }

  bool is_stop(int32_t id) const {
    const auto& stop = options_.stop_ids;
    return std::find(stop.begin(), stop.end(), id) != stop.end();
  }

  // Sets the reason when the completion ends with its last token.
  bool has_ended(Trajectory& trajectory) const {
    const auto& ids = trajectory.token_ids;
    if (is_stop(ids.back())) {
      trajectory.finish_reason = FinishReason::kStop;
    } else if (hooks_.ends && hooks_.ends(trajectory)) {
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
    if (is_stop(ids.back())) ids = ids.first(ids.size() - 1);
    trajectory.text = options_.opened_thought + tokenizer_->decode(ids);
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
    progress.running = static_cast<int64_t>(schedule_.running().size());
    progress.expected_tokens_left = schedule_.expected_tokens_left();
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
  StepBatch batch_;
  Buffer logits_;
  std::vector<Draw> draws_;
  std::vector<size_t> drawing_;  // of running(), one per draw
  std::vector<SampledToken> sampled_;
  EngineReport report_;
  Clock::time_point start_ = Clock::now(), last_report_ = start_;
};

}  // namespace

std::string to_text(const EngineProgress& progress) {
  std::string text =
      fmt::format("{:.0f} tokens/s, {} running", progress.tokens_per_second(), progress.running);
  const double left = progress.seconds_left();
  if (left < 0 || progress.finished == progress.total) return text;
  if (left < 60) return text + fmt::format(", about {:.0f} s left", std::ceil(left));
  if (left < 5400) return text + fmt::format(", about {:.0f} min left", left / 60);
  return text + fmt::format(", about {:.1f} h left", left / 3600);
}

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
