// Test-only: a generator whose answers are known beforehand and come in wicked ways: in any order,
// late, twice, after they were cancelled, after failures, or never.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/philox.h"
#include "rollout/generator.h"

namespace ponder::rollout {

// The answer to a request, a function of its seed key: 1 to 30 tokens.
inline data::Completion scripted_answer(const SeedKey& key) {
  const uint64_t hash =
      Random(key.seed, stable_hash64(key.name)).bits(static_cast<uint64_t>(key.index));
  const auto length = static_cast<size_t>(1 + hash % 30);
  data::Completion completion;
  completion.token_ids.emplace(length, static_cast<int32_t>(key.index));
  completion.logprobs.emplace(length, -0.5f);
  completion.logprob_source = data::LogprobSource::kEngine;
  completion.text = key.name + " " + std::to_string(key.index);
  completion.usage = {3, static_cast<int64_t>(length)};
  return completion;
}

struct Script {
  uint64_t seed = 1;
  int64_t room = 8;  // open requests it asks for
  // Shares of events.
  double busy = 0, transient = 0;  // failures to be tried again
  double repeated = 0;  // answers to what was answered or cancelled before, with other contents
  std::set<std::string> never = {}, refused = {};  // ids: no answer; a permanent failure
};

class ScriptedGenerator : public Generator {
 public:
  explicit ScriptedGenerator(Script script)
      : script_(std::move(script)), random_(script_.seed, 1), progress_(script_.seed, 2) {}

  void announce(const CompletionRequest& request, int64_t count) override {
    announced[request.id] += count;
    if (request.prompt_ids.empty()) throw Error(request.id, "has an empty prompt");
  }
  void submit(CompletionRequest request) override {
    if (names_.insert(request.seed_key.name).second) opened_without_room += room() <= 0;
    if (!open.emplace(request.id, request).second) throw Error(request.id, "is open");
    ++submitted[request.id];
    const data::Completion answer = scripted_answer(request.seed_key);
    const data::Partial& begun = request.begun;
    begun_otherwise +=
        !std::equal(begun.token_ids.begin(), begun.token_ids.end(), answer.token_ids->begin()) ||
        begun.logprobs.size() != begun.token_ids.size();
    so_far_[request.id] = begun.size();
    max_open = std::max(max_open, static_cast<int64_t>(open.size()));
    std::map<std::string, int> per_name;
    for (const auto& [id, r] : open) {
      max_open_of_a_name = std::max(max_open_of_a_name, ++per_name[r.seed_key.name]);
    }
  }
  void cancel(std::string_view id) override {
    const auto found = open.find(std::string(id));
    if (found == open.end()) return;
    gone_.push_back(found->second);
    cancelled.insert(found->first);
    open.erase(found);
  }
  std::vector<GeneratorEvent> poll(std::chrono::milliseconds) override {
    ++polls;
    std::vector<GeneratorEvent> events;
    for (const auto& [id, request] : open) make(request, progress_.below(3));
    for (auto count = random_.below(4); count > 0; --count) {
      if (!gone_.empty() && random_.uniform() < script_.repeated) {
        const CompletionRequest& request = gone_[random_.below(gone_.size())];
        data::Completion other = scripted_answer(request.seed_key);
        other.text = "not the first answer";
        other.token_ids->push_back(-1);
        events.push_back({request.id, std::move(other)});
        continue;
      }
      if (open.empty()) break;
      auto chosen =
          std::next(open.begin(), static_cast<std::ptrdiff_t>(random_.below(open.size())));
      if (script_.never.contains(chosen->first)) continue;
      const CompletionRequest request = chosen->second;
      if (request.want_tokens) events.push_back({request.id, TokenSampled{7, "t"}});
      const double draw = random_.uniform();
      open.erase(chosen);
      if (script_.refused.contains(request.id)) {
        events.push_back({request.id, Failure{Failure::Kind::kPermanent, "refused", {}}});
      } else if (draw < script_.busy) {
        events.push_back({request.id, Failure{Failure::Kind::kBusy, "busy", {}}});
      } else if (draw < script_.busy + script_.transient) {
        events.push_back({request.id, Failure{Failure::Kind::kTransient, "cut", {}}});
      } else {
        make(request, SIZE_MAX);
        events.push_back({request.id, scripted_answer(request.seed_key)});
        gone_.push_back(request);
      }
    }
    return events;
  }
  data::Partial sampled(std::string_view id, int64_t first) const override {
    const auto found = open.find(std::string(id));
    if (found == open.end()) return {};
    const data::Completion answer = scripted_answer(found->second.seed_key);
    const auto count = static_cast<size_t>(so_far_.at(found->first));
    return data::partial_of(std::span(*answer.token_ids).first(count),
                            std::span(*answer.logprobs).first(count), first);
  }
  int64_t room() const override { return script_.room - static_cast<int64_t>(open.size()); }
  GeneratorLoad load() const override {
    GeneratorLoad load;
    load.running = static_cast<int64_t>(open.size());
    load.unfinished.resize(open.size());
    return load;
  }

  std::map<std::string, CompletionRequest> open;
  std::map<std::string, int64_t> announced, submitted;
  std::map<std::string, int64_t> made;  // tokens, by id
  int begun_otherwise = 0;              // requests that begin with what is not of their answer
  std::set<std::string> cancelled;
  int64_t max_open = 0, polls = 0;
  int max_open_of_a_name = 0;
  int opened_without_room = 0;  // names

 private:
  // Goes on with an answer; the last token comes with the whole.
  void make(const CompletionRequest& request, uint64_t tokens) {
    const auto length = static_cast<uint64_t>(scripted_answer(request.seed_key).token_ids->size());
    int64_t& so_far = so_far_[request.id];
    const auto most = static_cast<int64_t>(tokens == SIZE_MAX ? length : length - 1);
    const int64_t more =
        std::clamp<int64_t>(most - so_far, 0, static_cast<int64_t>(std::min(tokens, length)));
    so_far += more;
    made[request.id] += more;
  }

  Script script_;
  RandomSequence random_, progress_;
  std::map<std::string, int64_t> so_far_;  // tokens of open requests, those begun with too
  std::set<std::string> names_;            // of seed keys, seen
  std::vector<CompletionRequest> gone_;    // answered or cancelled
};

}  // namespace ponder::rollout
