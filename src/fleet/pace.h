// How fast one server may be asked, where its provider says so: requests a minute and tokens a minute. What
// is asked within the pace is not answered with 429, whether the provider counts a minute as a window, at
// each second, or as a bucket that fills.
//
// Requests go out evenly, in bursts of at most a second's worth, and never more than `requests` in any 60
// seconds. Tokens are those of the requests sent in the last 60 seconds: until one is answered the most that
// it can take, then what it took; a request that alone takes more goes when nothing else does.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace ponder::fleet {

using Time = std::chrono::milliseconds;  // of the caller's clock, since whenever

struct PaceLimits {
  int64_t requests = 0, tokens = 0;  // a minute; 0: no limit
};

class Pace {
 public:
  explicit Pace(PaceLimits limits);

  bool allows_request(Time now) const;
  bool allows(int64_t tokens, Time now) const;  // a request of so many tokens
  // Counts one as sent. Its number, for took().
  uint64_t send(int64_t tokens, Time now);
  void took(uint64_t number, int64_t tokens);
  // When it may allow more than now; `now` where it allows a request now and no tokens are counted.
  Time next_time(Time now) const;

 private:
  struct Sent {
    Time at;
    int64_t tokens;
  };
  int64_t level(Time now) const;
  int64_t tokens_of_minute(Time now) const;

  PaceLimits limits_;
  int64_t burst_ = 0, filled_ = 0;  // in parts of a request (kParts)
  Time filled_at_{0};
  std::deque<Sent> sent_;  // with a limit of tokens
  uint64_t first_ = 0;     // number of sent_.front()
};

}  // namespace ponder::fleet
