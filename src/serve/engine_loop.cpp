#include "serve/engine_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <variant>

namespace ponder::serve {
namespace {

// Of whatever a job threw: what is not an Error is a mistake of ours, or memory that ran out, and ends
// that job alone.
Error error_of(const std::exception& thrown) {
  if (const auto* error = dynamic_cast<const Error*>(&thrown)) return *error;
  return {ErrorKind::kInternal, "server", "failed at this request"};
}

}  // namespace

EngineLoop::EngineLoop(rollout::Generator& generator, Score score, int64_t max_open)
    : generator_(generator), score_(std::move(score)), max_open_(max_open) {
  thread_ = std::thread([this] { work(); });
}

EngineLoop::~EngineLoop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool EngineLoop::submit(std::shared_ptr<EngineJob> job, int64_t num_completions) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || load_.open >= max_open_) return false;
    load_.open += num_completions;
    new_jobs_.emplace_back(std::move(job), num_completions);
  }
  changed_.notify_all();
  return true;
}

void EngineLoop::cancel(const std::shared_ptr<EngineJob>& job) {
  {
    const std::lock_guard lock(mutex_);
    cancelled_.push_back(job);
  }
  changed_.notify_all();
}

void EngineLoop::fail_all(const std::string& problem) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = problem;
  }
  changed_.notify_all();
}

EngineLoop::Load EngineLoop::load() const {
  const std::lock_guard lock(mutex_);
  return load_;
}

void EngineLoop::work() {
  while (take_orders()) step();
}

bool EngineLoop::take_orders() {
  std::vector<std::pair<std::shared_ptr<EngineJob>, int64_t>> jobs;
  std::vector<std::shared_ptr<EngineJob>> cancelled;
  std::string failure;
  bool ending = false;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return !open_.empty() || !new_jobs_.empty() || !cancelled_.empty() || !failure_.empty() ||
             ending_;
    });
    jobs.swap(new_jobs_);
    cancelled.swap(cancelled_);
    failure.swap(failure_);
    ending = ending_;
  }
  for (const auto& [job, count] : jobs) start(job, count);
  for (const std::shared_ptr<EngineJob>& job : cancelled)
    if (const auto found = number_of_.find(job.get()); found != number_of_.end())
      give_up(found->second);
  if (!cancelled.empty()) update_load();
  if (ending && failure.empty()) failure = "the server ends";
  if (!failure.empty())
    while (!open_.empty()) fail(open_.begin()->first, Error(ErrorKind::kBusy, "server", failure));
  return !ending;
}

void EngineLoop::start(const std::shared_ptr<EngineJob>& job, int64_t num_completions) {
  const uint64_t number = next_number_++;
  Open& open = open_[number];
  open.job = job;
  open.counted = num_completions;
  number_of_[job.get()] = number;
  try {
    std::vector<rollout::CompletionRequest> requests = job->requests();
    for (size_t i = 0; i < requests.size(); ++i) {
      rollout::CompletionRequest& request = requests[i];
      request.id = fmt::format("{}#{}", number, i);
      // Samples of one prompt share its prefill.
      request.prompt_returns =
          i + 1 < requests.size() && requests[i + 1].prompt_ids == request.prompt_ids;
      open.ids.push_back(request.id);
      open.seen.push_back(request.begun.size());
      place_of_[request.id] = {number, i};
      generator_.submit(std::move(request));
      ++open.left;
    }
  } catch (const std::exception& thrown) {
    return fail(number, error_of(thrown));
  }
  if (open.left == 0) end(number);
}

void EngineLoop::step() {
  if (open_.empty()) return;
  std::vector<rollout::GeneratorEvent> events;
  try {
    events = generator_.poll(std::chrono::milliseconds(100));
  } catch (const std::exception& thrown) {
    while (!open_.empty()) fail(open_.begin()->first, error_of(thrown));
    return;
  }
  update_load();
  // The tokens of a step together.
  std::map<std::pair<uint64_t, size_t>, std::string> texts;
  for (rollout::GeneratorEvent& event : events) {
    const auto found = place_of_.find(event.request_id);
    if (found == place_of_.end()) continue;
    const auto [number, index] = found->second;
    if (const auto* token = std::get_if<rollout::TokenSampled>(&event.what)) {
      texts[{number, index}] += token->text;
    } else if (auto* completion = std::get_if<data::Completion>(&event.what)) {
      texts.erase({number, index});
      place_of_.erase(found);
      take(number, index, std::move(*completion));
    } else {
      fail(number,
           Error(ErrorKind::kBusy, "engine", std::get<rollout::Failure>(event.what).message));
    }
  }
  for (const auto& [place, text] : texts) {
    const auto found = open_.find(place.first);
    if (found == open_.end()) continue;
    Open& open = found->second;
    try {
      const data::Partial fresh =
          generator_.sampled(open.ids[place.second], open.seen[place.second]);
      open.seen[place.second] += fresh.size();
      open.job->on_tokens(place.second, text, fresh);
    } catch (const std::exception& thrown) {
      fail(place.first, error_of(thrown));
    }
  }
}

void EngineLoop::take(uint64_t number, size_t index, data::Completion completion) {
  Open& open = open_.at(number);
  try {
    open.job->on_completion(index, std::move(completion));
  } catch (const std::exception& thrown) {
    return fail(number, error_of(thrown));
  }
  if (--open.left == 0) end(number);
}

void EngineLoop::update_load() {
  const rollout::GeneratorLoad load = generator_.load();
  const std::lock_guard lock(mutex_);
  load_.running = load.running;
  load_.sampled_tokens = load.sampled_tokens;
  load_.prompt_tokens = load.prompt_tokens;
}

void EngineLoop::give_up(uint64_t number) {
  const Open& open = open_.at(number);
  for (const std::string& id : open.ids) generator_.cancel(id);
  {
    const std::lock_guard lock(mutex_);
    load_.cancelled += static_cast<int64_t>(open.left);
  }
  forget(number);
}

void EngineLoop::end(uint64_t number) {
  const std::shared_ptr<EngineJob> job = open_.at(number).job;
  try {
    std::vector<generate::ScoreRow> rows = job->rows_to_score();
    std::vector<generate::Score> scores;
    if (!rows.empty()) scores = score_(std::move(rows), job->num_likeliest());
    forget(number);
    job->on_end(std::move(scores));
  } catch (const std::exception& thrown) {
    fail(number, error_of(thrown));
  }
}

void EngineLoop::fail(uint64_t number, const Error& error) {
  const auto found = open_.find(number);
  if (found == open_.end()) return;
  const std::shared_ptr<EngineJob> job = found->second.job;
  for (const std::string& id : found->second.ids) generator_.cancel(id);
  forget(number);
  job->on_failure(error);
}

void EngineLoop::forget(uint64_t number) {
  const Open& open = open_.at(number);
  number_of_.erase(open.job.get());
  for (const std::string& id : open.ids) place_of_.erase(id);
  const std::lock_guard lock(mutex_);
  load_.open -= open.counted;
  open_.erase(number);
}

}  // namespace ponder::serve
