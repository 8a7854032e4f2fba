#include "fleet/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/philox.h"
#include "fleet/scheduler.h"

namespace ponder::fleet {
namespace {

// When requests go out that are asked for as soon as they may, from `begin` on.
std::vector<Time> sends(Pace& pace, int64_t tokens, Time begin, Time end) {
  std::vector<Time> all;
  for (Time now = begin; now < end;) {
    if (pace.allows(tokens, now)) {
      (void)pace.send(tokens, now);
      all.push_back(now);
      continue;
    }
    const Time next = pace.next_time(now);
    EXPECT_GT(next, now);
    now = std::max(next, now + Time(1));
  }
  return all;
}

// The most in any minute and in any second.
int64_t most_in(const std::vector<Time>& all, Time span) {
  int64_t most = 0;
  for (size_t first = 0, last = 0; last < all.size(); ++last) {
    while (all[last] - all[first] >= span) ++first;
    most = std::max(most, static_cast<int64_t>(last - first + 1));
  }
  return most;
}

TEST(Pace, RequestsGoOutEvenlyAndNoMinuteHasMore) {
  for (const int64_t rpm : {1, 2, 7, 59, 60, 61, 100, 119, 120, 500, 10'000}) {
    Pace pace({rpm, 0});
    const std::vector<Time> all = sends(pace, 0, Time(1'000'000), Time(1'000'000 + 300'000));
    const int64_t minute = most_in(all, Time(60'000));
    EXPECT_LE(minute, rpm);
    EXPECT_GE(minute, rpm - std::max<int64_t>(1, rpm / 50)) << rpm;  // and hardly fewer
    EXPECT_LE(most_in(all, Time(1000)), 2 * std::max<int64_t>(1, rpm / 60)) << rpm;
  }
}

// Whatever the moments at which it is asked, and after whatever pause.
TEST(Pace, NoMinuteHasMoreAfterAPause) {
  RandomSequence random(1, 2);
  for (const int64_t rpm : {3, 90, 600}) {
    Pace pace({rpm, 0});
    std::vector<Time> all;
    Time now(0);
    for (int i = 0; i < 20'000; ++i) {
      now += Time(
          static_cast<int64_t>(random.below(20) == 0 ? random.below(30'000) : random.below(30)));
      if (!pace.allows(0, now)) continue;
      (void)pace.send(0, now);
      all.push_back(now);
    }
    EXPECT_LE(most_in(all, Time(60'000)), rpm);
    EXPECT_GT(all.size(), 10u);
  }
}

TEST(Pace, TokensAreThoseOfTheLastMinute) {
  Pace pace({0, 100});
  EXPECT_TRUE(pace.allows(1'000'000, Time(0)));  // more than a minute's, and nothing else is there
  const uint64_t first = pace.send(60, Time(0));
  EXPECT_FALSE(pace.allows(41, Time(10)));
  EXPECT_TRUE(pace.allows(40, Time(10)));
  const uint64_t second = pace.send(40, Time(10));
  EXPECT_FALSE(pace.allows(1, Time(59'999)));
  EXPECT_EQ(pace.next_time(Time(20)), Time(60'000));
  pace.took(first, 5);  // its answer was short
  EXPECT_TRUE(pace.allows(55, Time(20)));
  EXPECT_FALSE(pace.allows(56, Time(20)));
  pace.took(second, 140);  // more than it was thought to take
  EXPECT_FALSE(pace.allows(1, Time(60'001)));
  EXPECT_EQ(pace.next_time(Time(60'001)), Time(60'010));
  EXPECT_TRUE(pace.allows(100, Time(60'010)));
  (void)pace.send(100, Time(60'010));
  pace.took(first, 1000);  // forgotten since
  EXPECT_FALSE(pace.allows(1, Time(120'009)));
  EXPECT_TRUE(pace.allows(1, Time(120'010)));
}

TEST(Pace, WithoutLimitsEverythingGoes) {
  Pace pace({});
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(pace.allows(1 << 30, Time(0)));
    (void)pace.send(1 << 30, Time(0));
  }
  EXPECT_EQ(pace.next_time(Time(5)), Time(5));
}

// A provider that counts requests and tokens by window, second or bucket: the scheduler's requests never
// meet its limit, also when answers come quickly and some fail.
TEST(Scheduler, KeepsThePaceOfEachServer) {
  SchedulerRules rules;
  rules.first_window = 64;
  rules.pace = {120, 50'000};
  Scheduler scheduler(rules, 1);
  scheduler.add_server("a");
  scheduler.add_server("b");
  RandomSequence random(3, 4);
  constexpr int kRequests = 600;
  for (int i = 0; i < kRequests; ++i)
    scheduler.add({std::to_string(i), static_cast<uint64_t>(i), 0, 1000}, Time(0));
  std::vector<std::vector<Time>> all(2);
  std::vector<std::vector<std::pair<Time, int64_t>>> used(2);
  int done = 0;
  Time now(0);
  while (done < kRequests && now < Time(3'600'000)) {
    for (const auto& send : scheduler.sends(now)) {
      all[send.server].push_back(now);
      // Half a second later in truth; here at once, which is faster than any server.
      if (random.below(20) == 0) {
        EXPECT_TRUE(scheduler.failed(send.id, {FailureClass::kBadLuck, "cut", Time(0), true}, now));
        used[send.server].emplace_back(now, 1000);
        continue;
      }
      const auto tokens = static_cast<int64_t>(100 + random.below(900));
      used[send.server].emplace_back(now, tokens);
      scheduler.done(send.id, 0, now, tokens);
      ++done;
    }
    const Time next = scheduler.next_time(now);
    ASSERT_GE(next, now);
    now = std::max(next, now + Time(1));
  }
  EXPECT_EQ(done, kRequests);
  for (size_t server = 0; server < 2; ++server) {
    EXPECT_LE(most_in(all[server], Time(60'000)), 120);
    EXPECT_LE(most_in(all[server], Time(1000)), 4);
    for (size_t first = 0; first < used[server].size(); ++first) {
      int64_t sum = 0;
      for (size_t i = first; i < used[server].size() &&
                             used[server][i].first - used[server][first].first < Time(60'000);
           ++i)
        sum += used[server][i].second;
      EXPECT_LE(sum, 50'000);
    }
  }
  // 600 requests of 550 tokens and a bit to two servers of 50,000 a minute: no faster, and hardly slower.
  const Time last = std::max(all[0].back(), all[1].back());
  EXPECT_GT(last, Time(150'000));
  EXPECT_LT(last, Time(400'000));
}

TEST(Scheduler, AnswersThatWereNotGivenCountNoTokens) {
  SchedulerRules rules;
  rules.pace = {0, 1000};
  Scheduler scheduler(rules, 1);
  scheduler.add_server("a");
  scheduler.add({"x", 0, 0, 900}, Time(0));
  scheduler.add({"y", 0, 0, 900}, Time(0));
  ASSERT_EQ(scheduler.sends(Time(0)).size(), 1u);
  EXPECT_EQ(scheduler.next_time(Time(2000)),
            Time(7000));  // perhaps sooner than a minute: an answer may come
  EXPECT_TRUE(
      scheduler.failed("x", {FailureClass::kBadLuck, "refused", Time(0), false}, Time(2000)));
  const auto next = scheduler.sends(Time(2000));
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].id, "y");
}

}  // namespace
}  // namespace ponder::fleet
