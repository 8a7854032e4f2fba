#include "fleet/pace.h"

#include <algorithm>
#include <utility>

namespace ponder::fleet {
namespace {

constexpr Time kMinute{60'000};
// Of a request: one that a millisecond adds at one request a minute.
constexpr int64_t kParts = kMinute.count();

int64_t requests_at_once(int64_t requests) { return std::max<int64_t>(1, requests / 60); }

}  // namespace

Pace::Pace(PaceLimits limits) : limits_(limits) {
  burst_ = filled_ = requests_at_once(limits.requests) * kParts;
}

// What has been saved up. It fills so that a burst and all that comes in the minute behind it are no more
// than the limit.
int64_t Pace::level(Time now) const {
  const int64_t each_ms = limits_.requests - requests_at_once(limits_.requests) + 1;
  const int64_t missing = burst_ - filled_;
  const int64_t passed = std::max<int64_t>(0, (now - filled_at_).count());
  return passed > missing / each_ms ? burst_ : std::min(burst_, filled_ + passed * each_ms);
}

bool Pace::allows_request(Time now) const { return limits_.requests == 0 || level(now) >= kParts; }

int64_t Pace::tokens_of_minute(Time now) const {
  int64_t sum = 0;
  for (const Sent& sent : sent_)
    if (sent.at + kMinute > now) sum += sent.tokens;
  return sum;
}

bool Pace::allows(int64_t tokens, Time now) const {
  if (!allows_request(now)) return false;
  if (limits_.tokens == 0) return true;
  const int64_t before = tokens_of_minute(now);
  return before == 0 || before + tokens <= limits_.tokens;
}

uint64_t Pace::send(int64_t tokens, Time now) {
  if (limits_.requests > 0) {
    filled_ = level(now) - kParts;
    filled_at_ = now;
  }
  if (limits_.tokens == 0) return 0;
  while (!sent_.empty() && sent_.front().at + kMinute <= now) {
    sent_.pop_front();
    ++first_;
  }
  sent_.push_back({now, tokens});
  return first_ + sent_.size() - 1;
}

void Pace::took(uint64_t number, int64_t tokens) {
  if (number < first_ || number - first_ >= sent_.size()) return;  // a minute ago
  sent_[number - first_].tokens = tokens;
}

Time Pace::next_time(Time now) const {
  if (!allows_request(now)) {
    const int64_t each_ms = limits_.requests - requests_at_once(limits_.requests) + 1;
    return now + Time((kParts - level(now) + each_ms - 1) / each_ms);
  }
  for (const Sent& sent : sent_)
    if (sent.at + kMinute > now && sent.tokens > 0) return sent.at + kMinute;
  return now;
}

}  // namespace ponder::fleet
