#include "dash/rollout_list.h"

#include <fmt/format.h>

#include <algorithm>

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

void RolloutList::refresh(const pool::Pool& pool, const std::vector<pool::StageRecord>& stages) {
  std::vector<pool::RolloutEntry> entries;
  std::vector<Part> parts;
  for (size_t s = 0; s < stages.size(); ++s) {
    const pool::StageRecord& stage = stages[s];
    const bool done = stage.state == pool::StageState::kDone;
    Part part{stage.name, stage.started + " " + stage.inputs_sha256,
              done ? fmt::format("{} {}", stage.finished, stage.rows) : "", entries.size(), 0};
    const auto before = std::find_if(parts_.begin(), parts_.end(), [&](const Part& other) {
      return other.name == part.name && other.begun == part.begun;
    });
    if (before != parts_.end() && done && before->done == part.done) {
      entries.insert(entries.end(), entries_.begin() + static_cast<ptrdiff_t>(before->begin),
                     entries_.begin() + static_cast<ptrdiff_t>(before->end));
    } else {
      std::unordered_map<int64_t, const pool::RolloutEntry*> known;
      if (before != parts_.end() && before->done.empty()) {
        for (size_t i = before->begin; i < before->end; ++i)
          if (entries_[i].verdict) known.emplace(entries_[i].id, &entries_[i]);
      } else {  // it is done again: its texts may be others
        found_.clear();
      }
      for (const pool::RolloutEntry& entry : pool.rollout_keys(stage.name)) {
        const auto one = known.find(entry.id);
        entries.push_back(one == known.end() ? entry : *one->second);
      }
    }
    part.end = entries.size();
    for (size_t i = part.begin; i < part.end; ++i) entries[i].stage = static_cast<int32_t>(s);
    parts.push_back(std::move(part));
  }
  entries_ = std::move(entries);
  parts_ = std::move(parts);
  next_ = search_next_ = 0;
  num_looked_at_ = static_cast<size_t>(
      std::count_if(entries_.begin(), entries_.end(),
                    [](const pool::RolloutEntry& entry) { return entry.looked_at; }));
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
