#include "rollout/run_rollouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"

namespace ponder::rollout {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kProgressEvery{250};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

GroupRules rules_of(const RolloutHooks& hooks, const RolloutOptions& options) {
  GroupRules rules;
  rules.judge = hooks.judge;
  rules.group_complete = hooks.group_complete;
  rules.stop_condition = hooks.stop_condition;
  rules.want_tokens = static_cast<bool>(hooks.token);
  rules.samples_ahead = options.samples_ahead;
  rules.in_order = options.in_order;
  return rules;
}

// One call of run_rollouts.
class RolloutRun {
 public:
  RolloutRun(Generator& generator, std::span<const RolloutRequest> requests,
             const RolloutHooks& hooks, const RolloutOptions& options)
      : generator_(generator),
        hooks_(hooks),
        options_(options),
        groups_(requests, rules_of(hooks, options)) {
    for (const RolloutRequest& request : requests) {
      for (const auto& [sample, begun] : request.begun)
        saved_[{request.problem_id, sample}] = begun.size();
    }
    for (const auto& [request, count] : groups_.announcements()) {
      generator_.announce(request, count);
    }
    const GeneratorLoad before = generator_.load();
    sampled_before_ = before.sampled_tokens;
    prompt_before_ = before.prompt_tokens;
  }

  RolloutReport run(const std::atomic<bool>* stop) {
    while (!groups_.finished()) {
      if (stop && stop->load(std::memory_order_relaxed)) {
        report_.interrupted = true;
        save();
        for (const std::string& id : groups_.open_requests()) generator_.cancel(id);
        break;
      }
      while (auto request = groups_.next(generator_.room() > 0, Clock::now())) {
        generator_.submit(*std::move(request));
      }
      for (GeneratorEvent& event : poll()) take(event);
      if (!dropped_.empty()) save();  // what was saved of these must not be gone on with
      hand_over();
      if (Clock::now() - last_save_ >= options_.save_every) save();
      if (!groups_.finished()) report_progress(false);
    }
    report_progress(true);
    report_.discarded = groups_.num_discarded();
    if (!report_.interrupted) refuse_failures();
    return report_;
  }

 private:
  using Place = std::pair<std::string, int>;  // problem and sample

  // What there is of every sample is kept where the generator comes to an end before its time.
  std::vector<GeneratorEvent> poll() {
    try {
      return generator_.poll(kProgressEvery);
    } catch (const Error&) {
      save();
      throw;
    }
  }

  void take(GeneratorEvent& event) {
    if (const auto* token = std::get_if<TokenSampled>(&event.what)) {
      int sample = 0;
      const RolloutRequest* request = groups_.find(event.request_id, sample);
      if (request && hooks_.token) hooks_.token(request->problem_id, sample, *token);
    } else if (const auto* dropped = std::get_if<TokensDropped>(&event.what)) {
      int sample = 0;
      if (const RolloutRequest* request = groups_.find(event.request_id, sample))
        drop({request->problem_id, sample}, dropped->left);
    } else if (auto* completion = std::get_if<data::Completion>(&event.what)) {
      const auto start = Clock::now();
      groups_.answered(event.request_id, std::move(*completion));
      report_.hook_seconds += seconds_since(start);
    } else {
      groups_.failed(event.request_id, std::get<Failure>(event.what), Clock::now());
    }
  }

  void drop(const Place& place, int64_t left) {
    const auto saved = saved_.find(place);
    if (saved == saved_.end() || saved->second <= left) return;
    saved->second = left;
    dropped_.insert(place);
  }

  void hand_over() {
    for (const std::string& id : groups_.take_cancelled()) generator_.cancel(id);
    const std::vector<data::Rollout> kept = groups_.take_kept();
    if (kept.empty() || !hooks_.on_completion) return;
    const auto start = Clock::now();
    for (const data::Rollout& rollout : kept) hooks_.on_completion(rollout);
    report_.hook_seconds += seconds_since(start);
  }

  void save() {
    last_save_ = Clock::now();
    if (!hooks_.save) return;
    std::vector<NewTokens> all;
    const auto add = [&](const std::string& problem_id, int sample, const auto& tokens_from) {
      const int64_t first = saved_[{problem_id, sample}];
      data::Partial tokens = tokens_from(first);
      const bool is_cut = dropped_.erase({problem_id, sample}) > 0;
      if (is_cut || !tokens.empty()) all.push_back({problem_id, sample, first, std::move(tokens)});
    };
    for (const std::string& id : groups_.open_requests()) {
      int sample = 0;
      const RolloutRequest* request = groups_.find(id, sample);
      add(request->problem_id, sample,
          [&](int64_t first) { return generator_.sampled(id, first); });
    }
    for (const data::Rollout* rollout : groups_.held()) {
      const data::Completion& made = rollout->completion;
      if (!made.token_ids) continue;
      const auto logprobs = made.logprobs ? std::span(*made.logprobs) : std::span<const float>();
      add(rollout->problem_id, rollout->sample,
          [&](int64_t first) { return data::partial_of(*made.token_ids, logprobs, first); });
    }
    for (const Place& place : std::exchange(dropped_, {}))  // of requests that are gone
      all.push_back({place.first, place.second, saved_[place], {}});
    hooks_.save(all);
    for (const NewTokens& part : all)
      saved_[{part.problem_id, part.sample}] = part.first + part.tokens.size();
  }

  void report_progress(bool last) {
    const auto now = Clock::now();
    if (!options_.monitor && !last) return;
    if (!last && now - last_progress_ < kProgressEvery) return;
    last_progress_ = now;
    const GeneratorLoad load = generator_.load();
    RolloutProgress& progress = report_.progress;
    progress.finished = groups_.num_kept();
    progress.total = groups_.num_total();
    progress.running = load.running;
    progress.sampled_tokens = load.sampled_tokens - sampled_before_;
    progress.prompt_tokens = load.prompt_tokens - prompt_before_;
    if (groups_.mean_tokens() >= 0) {
      const int64_t mean = std::max<int64_t>(1, groups_.mean_tokens());
      int64_t left = mean * groups_.num_waiting();
      for (const int64_t tokens : load.unfinished) left += std::max<int64_t>(0, mean - tokens);
      progress.expected_tokens_left = left;
    }
    progress.seconds = std::chrono::duration<double>(now - start_).count();
    if (!options_.monitor) return;
    const std::string unit = options_.unit.empty() ? "" : options_.unit + ", ";
    options_.monitor->progress(options_.task, progress.finished, progress.total,
                               unit + to_text(progress), to_json(progress));
  }

  void refuse_failures() const {
    const auto& failures = groups_.failures();
    if (failures.empty()) return;
    const RolloutFailure& first = failures.front();
    const bool passing = std::all_of(failures.begin(), failures.end(), [](const auto& f) {
      return f.failure.kind != Failure::Kind::kPermanent;
    });
    throw Error(passing ? ErrorKind::kBusy : ErrorKind::kInput,
                fmt::format("problem {}, sample {}", excerpt(first.problem_id), first.sample),
                fmt::format("{} ({} of {} samples failed)", first.failure.message, failures.size(),
                            groups_.num_total()));
  }

  Generator& generator_;
  const RolloutHooks& hooks_;
  const RolloutOptions& options_;
  RolloutGroups groups_;
  RolloutReport report_;
  int64_t sampled_before_ = 0, prompt_before_ = 0;
  std::map<Place, int64_t> saved_;  // tokens of each sample that is not kept
  std::set<Place> dropped_;         // of which fewer are left than were saved
  Clock::time_point start_ = Clock::now(), last_progress_ = start_, last_save_ = start_;
};

}  // namespace

std::string to_text(const RolloutProgress& progress) {
  std::string text =
      fmt::format("{:.0f} tokens/s, {} running", progress.tokens_per_second(), progress.running);
  const double left = progress.seconds_left();
  if (left < 0 || progress.finished == progress.total) return text;
  if (left < 60) return text + fmt::format(", about {:.0f} s left", std::ceil(left));
  if (left < 5400) return text + fmt::format(", about {:.0f} min left", left / 60);
  return text + fmt::format(", about {:.1f} h left", left / 3600);
}

Json to_json(const RolloutProgress& progress) {
  Json json = {{"finished", progress.finished},
               {"total", progress.total},
               {"running", progress.running},
               {"sampled_tokens", progress.sampled_tokens},
               {"prompt_tokens", progress.prompt_tokens},
               {"seconds", progress.seconds},
               {"tokens_per_second", progress.tokens_per_second()}};
  if (progress.seconds_left() >= 0) {
    json["expected_tokens_left"] = progress.expected_tokens_left;
    json["seconds_left"] = progress.seconds_left();
  }
  return json;
}

RolloutReport run_rollouts(Generator& generator, std::span<const RolloutRequest> requests,
                           const RolloutHooks& hooks, const RolloutOptions& options,
                           const std::atomic<bool>* stop) {
  return RolloutRun(generator, requests, hooks, options).run(stop);
}

std::vector<data::Rollout> collect_rollouts(Generator& generator,
                                            std::span<const RolloutRequest> requests,
                                            RolloutHooks hooks, RolloutOptions options,
                                            const std::atomic<bool>* stop, RolloutReport* report) {
  std::vector<data::Rollout> rollouts;
  options.in_order = true;
  hooks.on_completion = [&, inner = std::move(hooks.on_completion)](const data::Rollout& rollout) {
    if (inner) inner(rollout);
    rollouts.push_back(rollout);
  };
  const RolloutReport done = run_rollouts(generator, requests, hooks, options, stop);
  if (report) *report = done;
  return rollouts;
}

}  // namespace ponder::rollout
