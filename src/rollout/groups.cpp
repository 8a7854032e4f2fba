#include "rollout/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"

namespace ponder::rollout {
namespace {

std::string name_of(const RolloutRequest& request) {
  return fmt::format("problem {}", excerpt(request.problem_id));
}

}  // namespace

RolloutGroups::RolloutGroups(std::span<const RolloutRequest> requests, GroupRules rules)
    : rules_(std::move(rules)) {
  std::set<std::string_view> ids;
  for (const RolloutRequest& request : requests) {
    if (!ids.insert(request.problem_id).second) {
      throw Error(name_of(request), "is there twice", "give every problem an id of its own");
    }
    if (request.num_samples < 1) {
      throw Error(name_of(request),
                  fmt::format("asks for {} samples, expected at least 1", request.num_samples));
    }
    Group& group = groups_.emplace_back();
    group.request = &request;
    group.end = request.num_samples;
    group.is_done.resize(static_cast<size_t>(request.num_samples));
    group.has_failed.resize(static_cast<size_t>(request.num_samples));
    for (const data::Rollout& done : request.done) {
      if (done.sample < 0 || done.sample >= request.num_samples) continue;
      group.is_done[static_cast<size_t>(done.sample)] = true;
      if (rules_.group_complete) group.out_of_order.emplace(done.sample, done);
    }
    for (int sample = 0; sample < request.num_samples; ++sample) {
      if (!group.is_done[static_cast<size_t>(sample)]) group.todo.push_back(sample);
    }
    num_total_ += static_cast<int64_t>(group.todo.size());
    if (rules_.group_complete) settle(group);
    if (!group.todo.empty()) order_.push_back(&group);
  }
  std::stable_sort(order_.begin(), order_.end(), [](const Group* a, const Group* b) {
    return a->request->expected_tokens > b->request->expected_tokens;
  });
}

std::vector<std::pair<CompletionRequest, int64_t>> RolloutGroups::announcements() const {
  std::vector<std::pair<CompletionRequest, int64_t>> announcements;
  for (const Group& group : groups_) {
    if (group.todo.empty()) continue;
    CompletionRequest request = request_of(group, group.todo.front());
    request.id = name_of(*group.request);  // what an Error names
    announcements.emplace_back(std::move(request), static_cast<int64_t>(group.todo.size()));
  }
  return announcements;
}

bool RolloutGroups::can_ask(const Group& group) const {
  if (group.next == group.todo.size()) return false;
  return !rules_.group_complete || group.asked == 0 ||
         group.todo[group.next] < group.settled + rules_.samples_ahead;
}

CompletionRequest RolloutGroups::request_of(const Group& group, int sample) const {
  CompletionRequest request = completion_request(*group.request, sample);
  request.want_tokens = rules_.want_tokens;
  if (rules_.stop_condition) {
    request.stop_condition = [condition = rules_.stop_condition, id = group.request->problem_id,
                              sample](std::span<const int32_t> token_ids) {
      return condition(id, sample, token_ids);
    };
  }
  request.prompt_returns = group.next < group.todo.size();
  return request;
}

CompletionRequest RolloutGroups::ask(Group& group) {
  const int sample = group.todo[group.next++];
  ++group.asked;
  CompletionRequest request = request_of(group, sample);
  asked_[request.id] = {&group, sample, 0, std::nullopt};
  return request;
}

std::optional<CompletionRequest> RolloutGroups::next(bool room, Time now) {
  if (num_again_ > 0) {
    for (auto& [id, asked] : asked_) {
      if (!asked.again_at || *asked.again_at > now) continue;
      asked.again_at.reset();
      --num_again_;
      return request_of(*asked.group, asked.sample);
    }
  }
  for (; !askable_.empty(); askable_.pop_front()) {
    if (can_ask(*askable_.front())) return ask(*askable_.front());
  }
  if (!room || next_group_ == order_.size()) return std::nullopt;
  Group& group = *order_[next_group_++];
  askable_.push_back(&group);
  return ask(group);
}

const RolloutRequest* RolloutGroups::find(const std::string& request_id, int& sample) const {
  const auto found = asked_.find(request_id);
  if (found == asked_.end()) return nullptr;
  sample = found->second.sample;
  return found->second.group->request;
}

std::vector<std::string> RolloutGroups::open_requests() const {
  std::vector<std::string> ids;
  for (const auto& [id, asked] : asked_) ids.push_back(id);
  return ids;
}

std::vector<const data::Rollout*> RolloutGroups::held() const {
  std::vector<const data::Rollout*> held;
  for (const Group& group : groups_) {
    for (const auto& [sample, rollout] : group.out_of_order)
      if (!group.is_done[static_cast<size_t>(sample)]) held.push_back(&rollout);
  }
  for (const auto& [place, rollout] : in_order_) held.push_back(&rollout);
  return held;
}

bool RolloutGroups::finished() const {
  return next_group_ == order_.size() && asked_.empty() &&
         std::none_of(askable_.begin(), askable_.end(),
                      [&](const Group* group) { return can_ask(*group); });
}

int64_t RolloutGroups::num_waiting() const {
  int64_t waiting = 0;
  for (const Group& group : groups_) {
    waiting += static_cast<int64_t>(group.todo.size() - group.next);
  }
  return waiting;
}

int64_t RolloutGroups::mean_tokens() const {
  return num_answers_ == 0 ? -1 : answer_tokens_ / num_answers_;
}

void RolloutGroups::answered(const std::string& request_id, data::Completion completion) {
  const auto found = asked_.find(request_id);
  if (found == asked_.end()) return;
  const Asked asked = found->second;
  asked_.erase(found);
  num_again_ -= asked.again_at.has_value();
  Group& group = *asked.group;
  --group.asked;
  ++num_answers_;
  answer_tokens_ += completion.usage.completion_tokens;
  data::Rollout rollout = rollout_of(*group.request, asked.sample, std::move(completion));
  if (rules_.judge) rules_.judge(rollout);
  if (rules_.group_complete) {
    group.out_of_order.emplace(asked.sample, std::move(rollout));
    settle(group);
  } else {
    keep(group, std::move(rollout));
  }
  if (can_ask(group)) askable_.push_back(&group);
  if (rules_.in_order) put_out_in_order();
}

void RolloutGroups::failed(const std::string& request_id, const Failure& failure, Time now) {
  const auto found = asked_.find(request_id);
  if (found == asked_.end()) return;
  Asked& asked = found->second;
  asked.attempts += failure.kind == Failure::Kind::kTransient;
  if (failure.kind != Failure::Kind::kPermanent && asked.attempts < rules_.max_attempts) {
    num_again_ += !asked.again_at.has_value();
    asked.again_at = now + failure.retry_after;
    return;
  }
  Group& group = *asked.group;
  const int sample = asked.sample;
  failures_.push_back({group.request->problem_id, sample, failure});
  group.has_failed[static_cast<size_t>(sample)] = true;
  num_again_ -= asked.again_at.has_value();
  asked_.erase(found);
  --group.asked;
  // Nothing behind it can ever be shown to the rule; what is before it still comes.
  if (rules_.group_complete) cut(group, sample);
  if (can_ask(group)) askable_.push_back(&group);
  if (rules_.in_order) put_out_in_order();
}

// Shows the rule the samples that now follow one another without a gap.
void RolloutGroups::settle(Group& group) {
  while (group.settled < group.end) {
    const auto next = group.out_of_order.find(group.settled);
    if (next == group.out_of_order.end()) return;
    group.prefix.push_back(std::move(next->second));
    group.out_of_order.erase(next);
    const auto sample = static_cast<size_t>(group.settled++);
    if (!group.is_done[sample]) keep(group, group.prefix.back());
    if (rules_.group_complete(group.prefix)) cut(group, group.settled);
  }
  group.prefix = {};
}

// Samples from `end` on are not wanted: those not asked for, those asked for, those answered.
void RolloutGroups::cut(Group& group, int end) {
  if (end >= group.end) return;
  group.end = end;
  while (group.todo.size() > group.next && group.todo.back() >= end) {
    group.todo.pop_back();
    ++num_discarded_;
  }
  for (auto late = group.out_of_order.lower_bound(end); late != group.out_of_order.end();) {
    num_discarded_ += !group.is_done[static_cast<size_t>(late->first)];
    late = group.out_of_order.erase(late);
  }
  for (auto asked = asked_.begin(); asked != asked_.end();) {
    if (asked->second.group != &group || asked->second.sample < end) {
      ++asked;
      continue;
    }
    ++num_discarded_;
    --group.asked;
    num_again_ -= asked->second.again_at.has_value();
    cancelled_.push_back(asked->first);
    asked = asked_.erase(asked);
  }
}

void RolloutGroups::keep(Group& group, data::Rollout rollout) {
  ++num_kept_;
  if (!rules_.in_order) {
    kept_.push_back(std::move(rollout));
    return;
  }
  const auto place = static_cast<size_t>(group.request - groups_.front().request);
  const int sample = rollout.sample;
  in_order_.emplace(std::pair(place, sample), std::move(rollout));
}

void RolloutGroups::put_out_in_order() {
  for (; out_group_ < groups_.size(); ++out_group_, out_sample_ = 0) {
    const Group& group = groups_[out_group_];
    for (; out_sample_ < group.end; ++out_sample_) {
      const auto sample = static_cast<size_t>(out_sample_);
      if (group.is_done[sample] || group.has_failed[sample]) continue;
      const auto kept = in_order_.find({out_group_, out_sample_});
      if (kept == in_order_.end()) return;
      kept_.push_back(std::move(kept->second));
      in_order_.erase(kept);
    }
  }
}

}  // namespace ponder::rollout
