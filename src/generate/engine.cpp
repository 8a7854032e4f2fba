#include "generate/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/philox.h"
#include "generate/kv_scheduler.h"
#include "generate/sampler.h"
#include "rollout/stop_rule.h"
#include "tensor/buffer.h"

namespace ponder::generate {
namespace {

using Clock = std::chrono::steady_clock;
using Prompt = KvScheduler::Prompt;

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

}  // namespace

struct Engine::Impl {
  // An open request and what has been sampled of it.
  struct OpenRequest : KvScheduler::Sequence {
    OpenRequest(rollout::CompletionRequest r, const rollout::RepetitionRule& repetition,
                const tokenizer::Tokenizer* tokenizer)
        : request(std::move(r)),
          name_hash(stable_hash64(request.seed_key.name)),
          stop(request, repetition, tokenizer) {
      max_tokens = request.sampling.max_tokens;
    }
    // Takes the next token, sampled now or earlier. The reason if the completion ends with it.
    std::optional<data::FinishReason> push(int32_t id, float logprob) {
      token_ids.push_back(id);
      logprobs.push_back(logprob);
      return stop.push(token_ids);
    }
    // Takes what was sampled earlier.
    std::optional<data::FinishReason> push(const data::Partial& begun) {
      std::optional<data::FinishReason> reason;
      for (size_t i = 0; i < begun.token_ids.size() && !reason; ++i)
        reason = push(begun.token_ids[i], begun.logprobs[i]);
      return reason;
    }
    rollout::CompletionRequest request;  // less prompt_ids, which the scheduler keeps
    uint64_t name_hash;
    std::vector<float> logprobs;
    rollout::StopRule stop;
  };
  static OpenRequest& open_request(KvScheduler::Sequence* sequence) {
    return static_cast<OpenRequest&>(*sequence);
  }

  Impl(model::Decoder& d, const tokenizer::Tokenizer* t, ThreadPool& threads, EngineOptions o)
      : decoder(d),
        tokenizer(t),
        options(std::move(o)),
        vocab_size(d.config().vocab_size),
        sampler(vocab_size, t ? std::min<int64_t>(vocab_size, t->vocab_size()) : vocab_size,
                threads),
        scheduler(d, options.max_batch, options.kv_cache_bytes) {}

  void check(const rollout::CompletionRequest& request) const {
    check_sampling(request.sampling, request.id);
    if (request.prompt_ids.empty()) throw Error(request.id, "has an empty prompt");
    check_ids(request.id, "its prompt", request.prompt_ids);
    check_ids(request.id, "what was sampled of it", request.begun.token_ids);
    if (request.begun.logprobs.size() != request.begun.token_ids.size())
      throw Error(request.id, "has begun without a log-probability for each token");
    (void)rollout::StopRule(request, options.repetition, tokenizer);  // throws where it is wrong
    scheduler.check(static_cast<int64_t>(request.prompt_ids.size()), request.sampling.max_tokens,
                    request.id);
  }

  void check_ids(const std::string& where, const char* what, std::span<const int32_t> ids) const {
    for (const int32_t id : ids) {
      if (id >= 0 && id < vocab_size) continue;
      throw Error(where, fmt::format("{} has token {}, outside the vocabulary of {}", what, id,
                                     vocab_size));
    }
  }

  // Fills free slots. A new sequence's first token is drawn from the prompt's logits at once; it
  // may already end the sequence and so free its slot again.
  void start_sequences() {
    do {
      draws.clear();
      drawing.clear();
      while (scheduler.start_next()) {
        OpenRequest& open = open_request(scheduler.running().back());
        if (!open.token_ids.empty()) continue;  // goes on where it was
        drawing.push_back(&open);
        add_draw(open, open.prompt->logits.data());
      }
      sample_and_settle();
    } while (!draws.empty());
  }

  // One step of the model: the next token of every running sequence, and a share of what waits to
  // be prefilled: prompts, and sequences that had been preempted.
  void step() {
    batch.tokens.clear();
    batch.slices.clear();
    draws.clear();
    drawing.clear();
    int64_t budget = std::max<int64_t>(1, options.prefill_tokens);
    // Making room for one sequence may preempt those behind it, never one before it.
    for (size_t i = 0; i < scheduler.running().size(); ++i) {
      OpenRequest& open = open_request(scheduler.running()[i]);
      const int64_t pending = open.num_pending();
      const int64_t count = pending == 1 ? 1 : std::min(pending, budget);
      if (count == 0) continue;
      const size_t before = batch.tokens.size();
      open.append_pending(count, batch.tokens);
      if (!scheduler.extend(i, count)) {
        batch.tokens.resize(before);
        break;
      }
      batch.slices.push_back({&open.pages, count, count == pending});
      if (count == pending) drawing.push_back(&open);
      if (pending > 1) {
        prompt_tokens += count;
        budget -= count;
      }
    }
    std::vector<Prompt*> prefilled;
    scheduler.begin_prefill();
    int64_t count = 0;
    while (budget > 0) {
      Prompt* prompt = scheduler.extend_prompt(budget, count);
      if (!prompt) break;
      const std::vector<int32_t>& ids = *prompt->token_ids;
      const int64_t end = prompt->pages.length();
      const bool whole = end == static_cast<int64_t>(ids.size());
      batch.tokens.insert(batch.tokens.end(), ids.begin() + (end - count), ids.begin() + end);
      batch.slices.push_back({&prompt->pages, count, whole});
      if (whole) prefilled.push_back(prompt);
      prompt_tokens += count;
      budget -= count;
    }
    if (batch.slices.empty()) return;

    const size_t rows = drawing.size() + prefilled.size();
    logits.reserve(static_cast<int64_t>(rows) * vocab_size);
    {
      const Timer timer(report.model_seconds);
      decoder.step(batch, scheduler.cache(),
                   logits.slice(0, static_cast<int64_t>(rows) * vocab_size));
    }
    ++report.steps;
    sequence_steps += static_cast<int64_t>(scheduler.running().size());

    for (size_t i = 0; i < prefilled.size(); ++i) {
      const float* row = logits_row(drawing.size() + i);
      prefilled[i]->logits.assign(row, row + vocab_size);
    }
    for (size_t i = 0; i < drawing.size(); ++i) add_draw(*drawing[i], logits_row(i));
    sample_and_settle();
  }

  const float* logits_row(size_t row) const {
    return logits.data() + static_cast<int64_t>(row) * vocab_size;
  }

  void add_draw(const OpenRequest& open, const float* row) {
    const rollout::SeedKey& key = open.request.seed_key;
    draws.push_back({row, &open.request.sampling,
                     rollout_uniform(key.seed, open.name_hash, key.index,
                                     static_cast<int64_t>(open.token_ids.size()))});
  }

  // One draw for each sequence of `drawing`; takes out what has ended.
  void sample_and_settle() {
    sampled.resize(draws.size());
    {
      const Timer timer(report.sampler_seconds);
      sampler.sample(draws, sampled);
    }
    sampled_tokens += static_cast<int64_t>(sampled.size());
    bool any_ended = false;
    for (size_t i = 0; i < sampled.size(); ++i) {
      OpenRequest& open = *drawing[i];
      const int32_t id = sampled[i].id;
      const std::optional<data::FinishReason> reason = open.push(id, sampled[i].logprob);
      if (open.request.want_tokens && !open.stop.is_stop_id(id)) {
        events.push_back({open.request.id, rollout::TokenSampled{id, open.stop.take_text()}});
      }
      if (!reason) continue;
      any_ended = true;
      scheduler.finish(open);
      complete(open, *reason);
      ended.push_back(open.request.id);
    }
    if (!any_ended) return;
    scheduler.remove_ended();
    for (const std::string& id : ended) requests.erase(id);
    ended.clear();
  }

  void complete(OpenRequest& open, data::FinishReason reason) {
    data::Completion completion;
    {
      const Timer timer(report.text_seconds);
      completion.text = open.stop.text(open.token_ids);
    }
    completion.finish_reason = reason;
    completion.usage = {static_cast<int64_t>(open.prompt->token_ids->size()),
                        static_cast<int64_t>(open.token_ids.size())};
    completion.model_sha256 = options.model_sha256;
    completion.precision = decoder.precision();
    completion.token_ids = std::move(open.token_ids);
    if (open.request.want_logprobs) {
      completion.logprobs = std::move(open.logprobs);
      completion.logprob_source = data::LogprobSource::kEngine;
    }
    events.push_back({open.request.id, std::move(completion)});
  }

  model::Decoder& decoder;
  const tokenizer::Tokenizer* tokenizer;
  EngineOptions options;
  int64_t vocab_size;
  Sampler sampler;
  KvScheduler scheduler;
  std::map<std::string, std::unique_ptr<OpenRequest>, std::less<>> requests;
  std::vector<rollout::GeneratorEvent> events;  // of this poll
  std::vector<std::string> ended;
  model::InferenceBatch batch;
  tensor::Buffer logits;
  std::vector<Draw> draws;
  std::vector<OpenRequest*> drawing;  // one per draw
  std::vector<SampledToken> sampled;
  EngineReport report;
  int64_t sampled_tokens = 0, prompt_tokens = 0, sequence_steps = 0;
};

Engine::Engine(model::Decoder& decoder, const tokenizer::Tokenizer* tokenizer, ThreadPool& threads,
               EngineOptions options)
    : impl_(std::make_unique<Impl>(decoder, tokenizer, threads, std::move(options))) {}

Engine::~Engine() = default;

void Engine::announce(const rollout::CompletionRequest& request, int64_t count) {
  impl_->check(request);
  impl_->scheduler.announce(static_cast<int64_t>(request.prompt_ids.size()),
                            request.sampling.max_tokens, count);
}

void Engine::submit(rollout::CompletionRequest request) {
  impl_->check(request);
  if (impl_->requests.contains(request.id)) {
    throw Error(request.id, "is the id of an open request", "give every request an id of its own");
  }
  std::vector<int32_t> prompt_ids = std::move(request.prompt_ids);
  const data::Partial begun = std::exchange(request.begun, {});
  auto open = std::make_unique<Impl::OpenRequest>(std::move(request), impl_->options.repetition,
                                                  impl_->tokenizer);
  const std::optional<data::FinishReason> reason = open->push(begun);
  impl_->scheduler.submit(*open, std::move(prompt_ids), open->request.expected_tokens,
                          open->request.prompt_returns);
  if (reason) {  // it was whole
    impl_->scheduler.remove(*open);
    impl_->complete(*open, *reason);
    return;
  }
  const std::string& id = open->request.id;
  impl_->requests.emplace(id, std::move(open));
}

void Engine::cancel(std::string_view id) {
  const auto found = impl_->requests.find(id);
  if (found == impl_->requests.end()) return;
  impl_->scheduler.remove(*found->second);
  impl_->requests.erase(found);
}

data::Partial Engine::sampled(std::string_view id, int64_t first) const {
  const auto found = impl_->requests.find(id);
  if (found == impl_->requests.end()) return {};
  return data::partial_of(found->second->token_ids, found->second->logprobs, first);
}

std::vector<rollout::GeneratorEvent> Engine::poll(std::chrono::milliseconds) {
  impl_->scheduler.prepare();
  if (!impl_->scheduler.idle()) {
    impl_->start_sequences();
    impl_->step();
  }
  return std::exchange(impl_->events, {});
}

int64_t Engine::room() const { return impl_->scheduler.room(); }

rollout::GeneratorLoad Engine::load() const {
  rollout::GeneratorLoad load;
  load.running = static_cast<int64_t>(impl_->scheduler.running().size());
  load.sampled_tokens = impl_->sampled_tokens;
  load.prompt_tokens = impl_->prompt_tokens;
  for (const auto& [id, open] : impl_->requests) {
    load.unfinished.push_back(static_cast<int64_t>(open->token_ids.size()));
  }
  return load;
}

EngineReport Engine::report() const {
  EngineReport report = impl_->report;
  report.preemptions = impl_->scheduler.num_preemptions();
  if (report.steps > 0) {
    report.mean_running =
        static_cast<double>(impl_->sequence_steps) / static_cast<double>(report.steps);
  }
  return report;
}

}  // namespace ponder::generate
