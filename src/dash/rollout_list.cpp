#include "dash/rollout_list.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/sections.h"

namespace ponder::dash {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

std::string verdict_text(const std::optional<judge::Verdict>& verdict) {
  return verdict ? std::string(judge::to_string(*verdict)) : "not judged";
}

bool RolloutFilter::takes(const pool::RolloutEntry& entry) const {
  if (stage && entry.stage != *stage) return false;
  if (!needs_rows()) return true;
  return entry.looked_at && (verdict.empty() || verdict_text(entry.verdict) == verdict) &&
         (finish.empty() || data::to_string(entry.finish_reason) == finish) &&
         (!min || entry.num_tokens >= *min) && (!max || entry.num_tokens <= *max);
}

bool RolloutList::refresh(const std::vector<pool::StageRecord>& stages) {
  std::vector<Part> plan;
  for (const pool::StageRecord& stage : stages) {
    const bool done = stage.state == pool::StageState::kDone;
    plan.push_back({stage.name, stage.started + " " + stage.inputs_sha256,
                    done ? fmt::format("{} {}", stage.finished, stage.rows) : ""});
  }
  if (!listed()) {
    const bool same =
        plan_.size() <= plan.size() &&
        std::equal(plan_.begin(), plan_.end(), plan.begin(), [](const Part& a, const Part& b) {
          return a.name == b.name && a.begun == b.begun;
        });
    if (same) return false;
    if (first_) {  // what is whole of it
      parts_.assign(plan_.begin(), plan_.begin() + static_cast<ptrdiff_t>(at_));
      entries_.resize(parts_.empty() ? 0 : parts_.back().end);
    }
  }
  show_at_places_of(plan);
  plan_ = std::move(plan);
  at_ = 0;
  after_ = -1;
  coming_.clear();
  first_ = entries_.empty();
  if (first_) parts_.clear();
  count_looked_at();
  return true;
}

const RolloutList::Part* RolloutList::before(const Part& part) const {
  const auto found = std::find_if(parts_.begin(), parts_.end(), [&](const Part& other) {
    return other.name == part.name && other.begun == part.begun;
  });
  return found == parts_.end() ? nullptr : &*found;
}

// What is there of stages that stand elsewhere now, or nowhere.
void RolloutList::show_at_places_of(const std::vector<Part>& plan) {
  std::vector<pool::RolloutEntry> entries;
  std::vector<Part> parts;
  for (const Part& part : parts_) {
    const auto now = std::find_if(plan.begin(), plan.end(),
                                  [&](const Part& other) { return other.name == part.name; });
    if (now == plan.end()) continue;
    Part& there = parts.emplace_back(part);
    there.begin = entries.size();
    entries.insert(entries.end(), entries_.begin() + static_cast<ptrdiff_t>(part.begin),
                   entries_.begin() + static_cast<ptrdiff_t>(part.end));
    there.end = entries.size();
    for (size_t i = there.begin; i < there.end; ++i)
      entries[i].stage = static_cast<int32_t>(now - plan.begin());
  }
  entries_ = std::move(entries);
  parts_ = std::move(parts);
}

void RolloutList::count_looked_at() {
  next_ = search_next_ = 0;
  num_looked_at_ = static_cast<size_t>(
      std::count_if(entries_.begin(), entries_.end(),
                    [](const pool::RolloutEntry& entry) { return entry.looked_at; }));
}

void RolloutList::close(Part& part, size_t end) {
  part.end = end;
  ++at_;
  after_ = -1;
}

void RolloutList::list(const pool::Pool& pool, std::chrono::milliseconds time) {
  constexpr size_t kAtOnce = 500;  // keys: below a millisecond from memory
  const Clock::time_point deadline = Clock::now() + time;
  if (listed()) return;
  std::vector<pool::RolloutEntry>& into = first_ ? entries_ : coming_;
  while (!listed()) {
    Part& part = plan_[at_];
    const Part* const old = first_ ? nullptr : before(part);
    if (after_ < 0) {
      part.begin = into.size();
      known_ = old ? old->begin : 0;
      if (old && !part.done.empty() && old->done == part.done) {
        into.insert(into.end(), entries_.begin() + static_cast<ptrdiff_t>(old->begin),
                    entries_.begin() + static_cast<ptrdiff_t>(old->end));
        close(part, into.size());
        continue;
      }
      // One that is done again may have other texts.
      if (!first_ && (!old || !old->done.empty())) found_.clear();
    }
    const std::vector<pool::RolloutEntry> keys = pool.rollout_keys(part.name, after_, kAtOnce);
    for (pool::RolloutEntry entry : keys) {
      const auto is_before = [&](const pool::RolloutEntry& other) {
        return std::pair(other.problem, other.sample) < std::pair(entry.problem, entry.sample);
      };
      if (old && old->done.empty()) {
        while (known_ < old->end && is_before(entries_[known_])) ++known_;
        for (size_t i = known_; i < old->end && entries_[i].problem == entry.problem &&
                                entries_[i].sample == entry.sample;
             ++i) {
          if (entries_[i].id == entry.id && entries_[i].verdict) entry = entries_[i];
        }
      }
      entry.stage = static_cast<int32_t>(at_);
      into.push_back(entry);
    }
    if (keys.size() < kAtOnce)
      close(part, into.size());
    else
      after_ = keys.back().problem;
    if (Clock::now() >= deadline) break;
  }
  if (!listed()) return;
  parts_ = plan_;
  if (first_) return;
  entries_ = std::move(coming_);
  coming_.clear();
  first_ = entries_.empty();
  count_looked_at();
}

std::string RolloutList::size_text() const {
  return report::counted(static_cast<double>(entries_.size())) + (listed() ? "" : " and more");
}

void RolloutList::look(const pool::Pool& pool, std::chrono::milliseconds time) {
  const Clock::time_point deadline = Clock::now() + time;
  for (size_t looked = 0; next_ < entries_.size(); ++next_) {
    pool::RolloutEntry& entry = entries_[next_];
    if (entry.looked_at) continue;
    if (looked++ > 0 && Clock::now() >= deadline) return;  // each time it comes further
    if (!pool.look_at(entry)) entry.looked_at = true;      // gone: the next refresh knows
    ++num_looked_at_;
  }
}

void RolloutList::search(const pool::Pool& pool, const std::string& text,
                         const RolloutFilter& filter, std::chrono::milliseconds time) {
  if (text != text_) found_.clear();
  text_ = text;
  filter_ = filter;
  search_next_ = 0;
  search_on(pool, time);
}

bool RolloutList::search_on(const pool::Pool& pool, std::chrono::milliseconds time) {
  if (text_.empty()) return false;
  const Clock::time_point deadline = Clock::now() + time;
  for (size_t read = 0; search_next_ < entries_.size(); ++search_next_) {
    const pool::RolloutEntry& entry = entries_[search_next_];
    if (!filter_.takes(entry) || found_.contains(entry.id)) continue;
    if (read++ > 0 && Clock::now() >= deadline) return true;
    found_.emplace(entry.id, pool.rollout_contains(entry.id, text_));
  }
  return false;
}

bool RolloutList::holds_text(int64_t id) const {
  const auto found = found_.find(id);
  return found != found_.end() && found->second;
}

}  // namespace ponder::dash
