#include "fleet/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace ponder::fleet {
namespace {

using Kind = Scheduler::Stop::Kind;

Scheduler one_server(SchedulerRules rules = {}) {
  Scheduler scheduler(rules, 1);
  scheduler.add_server("a");
  return scheduler;
}

Scheduler::Failed failure(FailureClass kind, Time retry_after = Time(0)) {
  return {kind, "because", retry_after, true};
}

// Sends all that can be sent at each moment until `id` is sent; when that is.
Time sent_at(Scheduler& scheduler, const std::string& id, Time now) {
  for (int i = 0; i < 10'000; ++i) {
    for (const auto& send : scheduler.sends(now))
      if (send.id == id) return now;
    for (const size_t server : scheduler.probes(now)) scheduler.probed(server, true, now);
    now = std::max(now + Time(1), scheduler.next_time(now));
  }
  return Time::max();
}

TEST(Scheduler, SendsAsManyAsTheWindowHolds) {
  Scheduler scheduler = one_server({.first_window = 3});
  for (int i = 0; i < 5; ++i) scheduler.add({std::to_string(i)}, Time(0));
  EXPECT_EQ(scheduler.room(), -2);
  const auto sends = scheduler.sends(Time(0));
  ASSERT_EQ(sends.size(), 3u);
  EXPECT_EQ(sends[0].id, "0");
  EXPECT_EQ(sends[2].id, "2");
  EXPECT_TRUE(scheduler.sends(Time(0)).empty());
  scheduler.done("1", 0, Time(5));
  EXPECT_EQ(scheduler.sends(Time(5)).at(0).id, "3");
}

TEST(Scheduler, ADistrustedServerIsProbedBeforeItIsAsked) {
  Scheduler scheduler = one_server({.first_window = 3});
  scheduler.distrust(0);
  scheduler.add({"x"}, Time(0));
  EXPECT_TRUE(scheduler.sends(Time(0)).empty());
  EXPECT_EQ(scheduler.next_time(Time(0)), Time(0));
  EXPECT_EQ(scheduler.probes(Time(0)), std::vector<size_t>{0});
  scheduler.probed(0, false, Time(0));
  EXPECT_TRUE(scheduler.probes(Time(1)).empty());
  EXPECT_EQ(scheduler.probes(Time(5000)), std::vector<size_t>{0});
  scheduler.probed(0, true, Time(5000));
  EXPECT_EQ(scheduler.state(0, Time(5000)).window, 3);
  EXPECT_EQ(scheduler.sends(Time(5000)).size(), 1u);
}

TEST(Scheduler, AServerThatWorksIsLookedAtEveryHalfHour) {
  constexpr Time kHalfHour{1'800'000};
  Scheduler scheduler = one_server({.look_every = kHalfHour, .first_window = 3});
  scheduler.probed(0, true, Time(0));
  // Nothing was asked of it: there is nothing to prove.
  EXPECT_TRUE(scheduler.probes(2 * kHalfHour).empty());
  EXPECT_TRUE(scheduler.unproven().empty());
  Time now = 3 * kHalfHour;
  scheduler.add({"a"}, now);
  scheduler.add({"b"}, now);
  ASSERT_EQ(scheduler.sends(now).size(), 2u);
  EXPECT_EQ(scheduler.next_time(now), now) << "it is due";
  EXPECT_EQ(scheduler.probes(now), std::vector<size_t>{0});
  EXPECT_TRUE(scheduler.probes(now).empty()) << "one at a time";
  scheduler.done("a", 0, now);
  scheduler.add({"c"}, now);
  EXPECT_EQ(scheduler.sends(now).size(), 1u) << "it works meanwhile";
  scheduler.probed(0, true, now);
  EXPECT_EQ(scheduler.state(0, now).window, 3) << "and as much as before";
  // What it answers now it was asked before, or while, it was looked at.
  scheduler.done("b", 0, now);
  scheduler.done("c", 0, now);
  EXPECT_EQ(scheduler.unproven(), std::vector<size_t>{0});
  EXPECT_EQ(scheduler.next_time(now), now + kHalfHour);
  EXPECT_TRUE(scheduler.probes(now + kHalfHour - Time(1)).empty());
  now += kHalfHour;
  scheduler.add({"d"}, now);
  ASSERT_EQ(scheduler.sends(now).size(), 1u);
  EXPECT_EQ(scheduler.probes(now), std::vector<size_t>{0});
  scheduler.probed(0, true, now);
  EXPECT_EQ(scheduler.unproven(), std::vector<size_t>{0}) << "it answers still";
  scheduler.done("d", 0, now);
  now += kHalfHour;
  EXPECT_EQ(scheduler.probes(now), std::vector<size_t>{0});
  scheduler.probed(0, true, now);
  EXPECT_TRUE(scheduler.unproven().empty());
  EXPECT_TRUE(scheduler.probes(now + 2 * kHalfHour).empty());
}

TEST(Scheduler, AServerThatIsFoundWrongIsAskedNothingUntilItIsRight) {
  Scheduler scheduler = one_server({.look_every = Time(1000), .first_window = 3});
  scheduler.probed(0, true, Time(0));
  for (const char* id : {"a", "b"}) scheduler.add({id}, Time(0));
  ASSERT_EQ(scheduler.sends(Time(0)).size(), 2u);
  EXPECT_EQ(scheduler.probes(Time(1000)), std::vector<size_t>{0});
  scheduler.probed(0, false, Time(1000), "has other weights");
  EXPECT_EQ(scheduler.state(0, Time(1000)).last_failure, "has other weights");
  for (const char* id : {"a", "b"})
    scheduler.failed(id, failure(FailureClass::kBadLuck), Time(1000));
  EXPECT_TRUE(scheduler.sends(Time(5'999)).empty());
  EXPECT_EQ(scheduler.probes(Time(6'000)), std::vector<size_t>{0});
  scheduler.probed(0, true, Time(6'000));
  EXPECT_EQ(scheduler.sends(Time(6'000)).size(), 1u);
}

TEST(Scheduler, AServerThatWasTakenOutProvesWhatItAnswered) {
  Scheduler scheduler = one_server();  // without looks of its own accord
  scheduler.add({"a"}, Time(0));
  (void)scheduler.sends(Time(0));
  scheduler.done("a", 0, Time(0));
  scheduler.retire_server(0);
  EXPECT_TRUE(scheduler.probes(Time(100'000'000)).empty());
  EXPECT_EQ(scheduler.unproven(), std::vector<size_t>{0});
  EXPECT_TRUE(scheduler.probe_now(0));
  EXPECT_FALSE(scheduler.probe_now(0));
  scheduler.probed(0, true, Time(0));
  EXPECT_TRUE(scheduler.unproven().empty());
}

TEST(Scheduler, TheWindowDoublesWhileItBindsAndNothingIsFull) {
  Scheduler scheduler = one_server({.first_window = 2, .max_inflight = 12});
  for (int i = 0; i < 100; ++i) scheduler.add({std::to_string(i)}, Time(0));
  std::vector<int64_t> windows;
  for (int round = 0; round < 5; ++round) {
    windows.push_back(scheduler.state(0, Time(0)).window);
    for (const auto& send : scheduler.sends(Time(round))) scheduler.done(send.id, 0, Time(round));
  }
  EXPECT_EQ(windows, (std::vector<int64_t>{2, 4, 8, 12, 12}));
}

TEST(Scheduler, AFullServerIsParkedAndCostsNoAttempt) {
  for (const int64_t wait : {7'000, 3'600'000}) {
    Scheduler scheduler = one_server({.patience = Time(100'000'000), .first_window = 10});
    scheduler.add({"x"}, Time(0));
    (void)scheduler.sends(Time(0));
    EXPECT_TRUE(scheduler.failed("x", failure(FailureClass::kFull, Time(wait)), Time(100)));
    EXPECT_EQ(scheduler.state(0, Time(100)).window, 7);
    const Time again = sent_at(scheduler, "x", Time(100));
    EXPECT_GE(again, Time(100 + wait));
    EXPECT_LE(again, Time(100 + wait + wait / 10 + 300));
  }
  Scheduler scheduler = one_server();
  scheduler.add({"x"}, Time(0));
  Time now(0);
  for (int i = 0; i < 50; ++i) {  // more often than there are attempts
    now = sent_at(scheduler, "x", now);
    ASSERT_LT(now, Time::max());
    EXPECT_TRUE(scheduler.failed("x", failure(FailureClass::kFull), now));
  }
  EXPECT_EQ(scheduler.state(0, now).window, 1);
}

// Servers that let requests wait in place of refusing them.
TEST(Scheduler, AWindowShrinksWithWhatWaitsAtTheServer) {
  Scheduler scheduler = one_server({.first_window = 100});
  const auto window_after = [&](int64_t waiting, bool preempted, Time now) {
    scheduler.loaded(0, waiting, preempted, now);
    return scheduler.state(0, now).window;
  };
  EXPECT_EQ(window_after(10, false, Time(0)), 100) << "a tenth of the window may wait";
  EXPECT_EQ(window_after(11, false, Time(0)), 90);
  EXPECT_EQ(window_after(50, false, Time(14'999)), 90) << "one cut in 15 s";
  EXPECT_EQ(window_after(0, false, Time(40'000)), 90);
  EXPECT_EQ(window_after(50, false, Time(59'999)), 45) << "again within a minute: half";
  EXPECT_EQ(window_after(0, true, Time(200'000)), 31) << "seven tenths where some was thrown away";
}

TEST(Scheduler, BadLuckIsTriedEightTimes) {
  Scheduler scheduler = one_server();
  scheduler.add({"x"}, Time(0));
  Time now(0);
  int attempts = 0;
  for (bool again = true; again; ++attempts) {
    now = sent_at(scheduler, "x", now);
    ASSERT_LT(now, Time::max());
    again = scheduler.failed("x", failure(FailureClass::kBadLuck), now);
  }
  EXPECT_EQ(attempts, 8);
  EXPECT_FALSE(scheduler.contains("x"));
  EXPECT_FALSE(scheduler.stop(now));
}

TEST(Scheduler, ItWaitsAsLongAsTheServerSays) {
  Scheduler scheduler = one_server();
  scheduler.add({"x"}, Time(0));
  (void)scheduler.sends(Time(0));
  EXPECT_TRUE(scheduler.failed("x", failure(FailureClass::kBadLuck, Time(90'000)), Time(0)));
  EXPECT_GE(sent_at(scheduler, "x", Time(0)), Time(90'000));
}

TEST(Scheduler, FiveFailuresInARowOpenAServerUntilAProbeIsGood) {
  Scheduler scheduler = one_server();
  for (int i = 0; i < 6; ++i) scheduler.add({std::to_string(i)}, Time(0));
  EXPECT_EQ(scheduler.sends(Time(0)).size(), 6u);
  for (int i = 0; i < 5; ++i)
    scheduler.failed(std::to_string(i), failure(FailureClass::kBadLuck), Time(0));
  EXPECT_TRUE(scheduler.state(0, Time(0)).is_open);
  EXPECT_TRUE(scheduler.sends(Time(4'999)).empty());
  EXPECT_TRUE(scheduler.probes(Time(4'999)).empty());
  EXPECT_EQ(scheduler.probes(Time(5'000)), std::vector<size_t>{0});
  EXPECT_TRUE(scheduler.probes(Time(5'001)).empty()) << "one at a time";
  scheduler.probed(0, false, Time(6'000));
  EXPECT_TRUE(scheduler.probes(Time(15'999)).empty()) << "twice as long";
  EXPECT_EQ(scheduler.probes(Time(16'000)), std::vector<size_t>{0});
  EXPECT_TRUE(scheduler.sends(Time(16'000)).empty());
  scheduler.probed(0, true, Time(16'000));
  EXPECT_FALSE(scheduler.sends(Time(16'000)).empty());
}

TEST(Scheduler, RequestsOfAProblemKeepToTheirServer) {
  Scheduler scheduler({.first_window = 4}, 1);
  for (const char* name : {"a", "b", "c"}) scheduler.add_server(name);
  for (int i = 0; i < 6; ++i) scheduler.add({std::to_string(i), 77}, Time(0));
  const auto sends = scheduler.sends(Time(0));
  ASSERT_EQ(sends.size(), 4u);
  for (const auto& send : sends) EXPECT_EQ(send.server, sends[0].server);
  EXPECT_TRUE(scheduler.sends(Time(1'999)).empty());
  const auto spilled = scheduler.sends(Time(2'000));
  ASSERT_EQ(spilled.size(), 2u);
  EXPECT_NE(spilled[0].server, sends[0].server);
}

TEST(Scheduler, NothingGoesToAServerThatWasTakenOut) {
  Scheduler scheduler({}, 1);
  scheduler.add_server("a");
  scheduler.add_server("b");
  scheduler.retire_server(0);
  for (int i = 0; i < 20; ++i)
    scheduler.add({std::to_string(i), static_cast<uint64_t>(i)}, Time(0));
  for (const auto& send : scheduler.sends(Time(0))) EXPECT_EQ(send.server, 1u);
  EXPECT_EQ(scheduler.add_server("a"), 0u);
  EXPECT_FALSE(scheduler.state(0, Time(0)).retired);
}

TEST(Scheduler, StopsForWhatNoRequestCanChange) {
  Scheduler refused = one_server();
  refused.add({"x"}, Time(0));
  (void)refused.sends(Time(0));
  refused.failed("x", failure(FailureClass::kStop), Time(0));
  EXPECT_EQ(refused.stop(Time(0))->kind, Kind::kRefused);
  EXPECT_TRUE(refused.sends(Time(1'000'000)).empty());

  Scheduler alike = one_server();
  for (int i = 0; i < 3; ++i) alike.add({std::to_string(i)}, Time(0));
  (void)alike.sends(Time(0));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(alike.stop(Time(0)));
    EXPECT_FALSE(alike.failed(std::to_string(i), failure(FailureClass::kNever), Time(0)));
  }
  EXPECT_EQ(alike.stop(Time(0))->kind, Kind::kAlike);

  Scheduler mixed = one_server();
  for (int i = 0; i < 4; ++i) mixed.add({std::to_string(i)}, Time(0));
  (void)mixed.sends(Time(0));
  mixed.done("3", 0, Time(0));
  for (int i = 0; i < 3; ++i)
    mixed.failed(std::to_string(i), failure(FailureClass::kNever), Time(0));
  EXPECT_FALSE(mixed.stop(Time(0)));
}

TEST(Scheduler, PatienceEnds) {
  Scheduler scheduler = one_server({.patience = Time(60'000)});
  scheduler.add({"x"}, Time(0));
  (void)scheduler.sends(Time(0));
  EXPECT_FALSE(scheduler.stop(Time(70'000))) << "it is in flight: silence has its own limit";
  scheduler.failed("x", failure(FailureClass::kFull, Time(3'600'000)), Time(10'000));
  EXPECT_FALSE(scheduler.stop(Time(59'999)));
  EXPECT_EQ(scheduler.stop(Time(60'000))->kind, Kind::kPatience);
  EXPECT_NE(scheduler.stop(Time(60'000))->message.find("a: because"), std::string::npos);
}

// Of a server's sends, when each was and whether it was a retry: the most retries that there were in five minutes,
// whenever one more went out, beyond a fifth of that time's sends.
int64_t beyond_a_fifth(const std::vector<std::pair<Time, bool>>& sends) {
  int64_t most = 0;
  for (size_t last = 0; last < sends.size(); ++last) {
    int64_t all = 0, retries = 0;
    if (!sends[last].second) continue;
    for (size_t i = 0; i <= last; ++i) {
      if (sends[i].first + Time(300'000) <= sends[last].first) continue;
      ++all;
      retries += sends[i].second;
    }
    most = std::max(most, retries - all / 5);
  }
  return most;
}

TEST(Scheduler, RetriesBeyondAShareWait) {
  Scheduler scheduler = one_server({.max_attempts = 1000,
                                    .failures_in_a_row = 1'000'000,
                                    .first_open = Time(1),
                                    .most_open = Time(1),
                                    .free_retries = 5,
                                    .retry_every = Time(1),
                                    .first_window = 100});
  for (int i = 0; i < 50; ++i) scheduler.add({std::to_string(i)}, Time(0));
  std::vector<std::pair<Time, bool>> sends;
  for (Time now(0); now < Time(900'000); now += Time(500)) {
    for (const auto& send : scheduler.sends(now)) {
      sends.emplace_back(now, send.attempt > 0);
      scheduler.failed(send.id, failure(FailureClass::kBadLuck), now);
    }
    for (const size_t server : scheduler.probes(now)) scheduler.probed(server, true, now);
    // There is always something new, which they could crowd out.
    scheduler.add({"new " + std::to_string(now.count())}, now);
  }
  EXPECT_LE(beyond_a_fifth(sends), 5);
  const auto retries =
      std::count_if(sends.begin(), sends.end(), [](const auto& s) { return s.second; });
  EXPECT_GT(retries, 100);
}

// Nothing else is left to ask: they go on, one in a while, instead of waiting for the five minutes to pass.
TEST(Scheduler, WhereOnlyRetriesAreLeftTheyTrickle) {
  Scheduler scheduler = one_server({.max_attempts = 1000,
                                    .failures_in_a_row = 1'000'000,
                                    .first_open = Time(1),
                                    .most_open = Time(1),
                                    .free_retries = 5,
                                    .first_window = 100});
  for (int i = 0; i < 50; ++i) scheduler.add({std::to_string(i)}, Time(0));
  std::vector<std::pair<Time, bool>> sends;
  Time longest(0);
  for (Time now(0); now < Time(900'000); now += Time(500)) {
    for (const auto& send : scheduler.sends(now)) {
      if (!sends.empty()) longest = std::max(longest, now - sends.back().first);
      sends.emplace_back(now, send.attempt > 0);
      scheduler.failed(send.id, failure(FailureClass::kBadLuck), now);
    }
    for (const size_t server : scheduler.probes(now)) scheduler.probed(server, true, now);
  }
  EXPECT_LE(longest, Time(30'000));
  // 300 s / 15 s = 20 more of them.
  EXPECT_LE(beyond_a_fifth(sends), 25);
  EXPECT_GT(beyond_a_fifth(sends), 5);
}

// Its requests are retries elsewhere, and nothing else is left: they wait for answers, not for minutes.
TEST(Scheduler, WhatADeadServerHadGoesOnAsFastAsAnotherAnswers) {
  Scheduler scheduler({.first_window = 256}, 1);
  const size_t dead = scheduler.add_server("dead");
  scheduler.add_server("good");
  for (uint64_t i = 0; i < 400; ++i) scheduler.add({std::to_string(i), i}, Time(0));
  std::map<std::string, std::pair<Time, size_t>> sent;
  int num_done = 0;
  Time now(0);
  for (; num_done < 400 && now < Time(1'800'000); now += Time(100)) {
    for (const size_t server : scheduler.probes(now)) scheduler.probed(server, server != dead, now);
    for (const auto& send : scheduler.sends(now)) sent[send.id] = {now, send.server};
    for (auto each = sent.begin(); each != sent.end();) {
      const auto& [id, what] = *each;
      if (now - what.first < Time(1000)) {
        ++each;
        continue;
      }
      if (what.second == dead) {
        EXPECT_TRUE(scheduler.failed(id, failure(FailureClass::kBadLuck), now));
      } else {
        scheduler.done(id, 0, now);
        ++num_done;
      }
      each = sent.erase(each);
    }
  }
  EXPECT_EQ(num_done, 400);
  EXPECT_LT(now, Time(120'000));
}

// The server that has the problem has had its retries: another one, which is well, has room for the next.
TEST(Scheduler, RetriesBeyondTheShareOfAServerGoToAnother) {
  Scheduler scheduler({.retry_share = 0, .free_retries = 1}, 1);
  for (const char* name : {"a", "b"}) scheduler.add_server(name);
  scheduler.add({"0", 77}, Time(0));
  std::vector<size_t> asked;
  for (Time now(0); asked.size() < 3 && now < Time(280'000); now += Time(100)) {
    for (const auto& send : scheduler.sends(now)) {
      asked.push_back(send.server);
      if (asked.size() == 3) break;
      EXPECT_TRUE(scheduler.failed(send.id, failure(FailureClass::kBadLuck), now));
    }
  }
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_EQ(asked[1], asked[0]);
  EXPECT_NE(asked[2], asked[0]);
}

TEST(Scheduler, TheBudgetHolds) {
  Scheduler scheduler = one_server({.first_window = 10, .budget = 100});
  for (int i = 0; i < 4; ++i) scheduler.add({std::to_string(i), 0, 40}, Time(0));
  EXPECT_EQ(scheduler.sends(Time(0)).size(), 2u);
  scheduler.done("0", 10, Time(1));  // cheaper than it could have been
  EXPECT_EQ(scheduler.sends(Time(1)).size(), 1u);
  scheduler.done("2", 10, Time(2));
  EXPECT_EQ(scheduler.sends(Time(2)).size(), 1u);
  scheduler.failed("1", failure(FailureClass::kNever), Time(3));  // may have cost all of it
  EXPECT_EQ(scheduler.money().possible, 40);
  scheduler.done("3", 40, Time(4));
  scheduler.add({"4", 0, 1}, Time(5));
  EXPECT_TRUE(scheduler.sends(Time(5)).empty());
  EXPECT_EQ(scheduler.stop(Time(5))->kind, Kind::kBudget);
}

TEST(Scheduler, ABillAboveTheBoundStops) {
  Scheduler scheduler = one_server({.budget = 100});
  scheduler.add({"x", 0, 40}, Time(0));
  (void)scheduler.sends(Time(0));
  scheduler.done("x", 41, Time(1));
  EXPECT_EQ(scheduler.money().certain, 41);
  EXPECT_EQ(scheduler.stop(Time(1))->kind, Kind::kBound);
}

// Plays a random history and holds the invariants at every step; how many requests were done.
int play(uint64_t seed) {
  RandomSequence random(seed, 1);
  SchedulerRules rules;
  rules.max_attempts = static_cast<int>(random.between(1, 8));
  rules.first_window = random.between(1, 20);
  rules.max_inflight = random.between(1, 40);
  rules.free_retries = static_cast<int>(random.between(5, 30));
  rules.patience = Time(random.between(10'000, 3'000'000));
  if (seed % 2 == 0) rules.look_every = Time(random.between(1'000, 100'000));
  const bool paid = random.uniform() < 0.5;
  if (paid) rules.budget = random.between(0, 2'000);
  Scheduler scheduler(rules, seed);
  const auto servers = static_cast<size_t>(random.between(1, 4));
  for (size_t i = 0; i < servers; ++i) scheduler.add_server("s" + std::to_string(i));
  const double luck = random.uniform();
  std::map<std::string, int> bad_luck;      // by request
  std::map<std::string, size_t> in_flight;  // and its server
  std::map<std::string, int64_t> worst;
  std::set<std::string> waiting, ended;  // ended: done, failed or removed
  std::set<size_t> probing;
  std::vector<Time> parked(servers), proven(servers);
  int64_t certain = 0, possible = 0, reserved = 0;
  Time now(0);
  int added = 0, done = 0;
  const auto check = [&] {
    EXPECT_EQ(scheduler.money().certain, certain);
    EXPECT_EQ(scheduler.money().possible, possible);
    EXPECT_EQ(scheduler.money().reserved, reserved);
    EXPECT_LE(certain + possible + reserved, rules.budget);
    for (const std::string& id : waiting) EXPECT_TRUE(scheduler.contains(id));
    for (const auto& [id, server] : in_flight) EXPECT_TRUE(scheduler.contains(id));
    std::vector<int64_t> flying(servers);
    for (const auto& [id, server] : in_flight) ++flying[server];
    for (size_t i = 0; i < servers; ++i) {
      const auto state = scheduler.state(i, now);
      EXPECT_EQ(state.in_flight, flying[i]);
      EXPECT_LE(state.window, rules.max_inflight);
      EXPECT_GE(state.window, 1);
    }
  };
  for (int step = 0; step < 150 && !::testing::Test::HasFailure(); ++step) {
    if (added < 40 && random.uniform() < 0.4) {
      const std::string id = std::to_string(added++);
      worst[id] = paid ? random.between(0, 100) : 0;
      scheduler.add({id, random.below(5), worst[id]}, now);
      waiting.insert(id);
    }
    std::vector<int64_t> flying(servers);
    for (const auto& [id, server] : in_flight) ++flying[server];
    for (const auto& send : scheduler.sends(now)) {
      EXPECT_EQ(waiting.erase(send.id), 1u) << "sent twice, or after its end";
      EXPECT_TRUE(in_flight.emplace(send.id, send.server).second);
      EXPECT_EQ(send.attempt, bad_luck[send.id]);
      EXPECT_LT(send.attempt, rules.max_attempts);
      const auto state = scheduler.state(send.server, now);
      EXPECT_FALSE(state.is_open);
      EXPECT_GE(now, parked[send.server]) << "sent while parked";
      EXPECT_LE(++flying[send.server], state.window);
      reserved += worst[send.id];
    }
    for (const size_t server : scheduler.probes(now)) {
      if (!scheduler.state(server, now).is_open) {
        EXPECT_GT(rules.look_every, Time(0));
        EXPECT_GE(now, proven[server] + rules.look_every);
        EXPECT_GT(scheduler.state(server, now).sent, 0);
      }
      EXPECT_TRUE(probing.insert(server).second);
    }
    check();
    for (auto server = probing.begin(); server != probing.end();) {
      if (random.uniform() < 0.5) {
        ++server;
        continue;
      }
      const bool good = random.uniform() < luck;
      scheduler.probed(*server, good, now);
      if (good) proven[*server] = now;
      server = probing.erase(server);
    }
    if (!in_flight.empty() && random.uniform() < 0.9) {
      const auto chosen =
          std::next(in_flight.begin(), static_cast<std::ptrdiff_t>(random.below(in_flight.size())));
      const auto [id, server] = *chosen;
      const double draw = random.uniform();
      if (draw < 0.2) {
        scheduler.began(id, now);
      } else if (draw < 0.25) {
        scheduler.remove(id);
        in_flight.erase(id);
        ended.insert(id);
        reserved -= worst[id];
        possible += worst[id];
      } else if (random.uniform() < luck) {
        const int64_t cost =
            static_cast<int64_t>(random.below(static_cast<uint64_t>(worst[id]) + 1));
        scheduler.done(id, cost, now);
        in_flight.erase(id);
        ended.insert(id);
        ++done;
        reserved -= worst[id];
        certain += cost;
      } else {
        Scheduler::Failed failed;
        const double kind = random.uniform();
        failed.kind = kind < 0.1   ? FailureClass::kNever
                      : kind < 0.4 ? FailureClass::kFull
                                   : FailureClass::kBadLuck;
        failed.message = "m" + std::to_string(random.below(9));
        failed.was_asked = random.uniform() < 0.7;
        if (random.uniform() < 0.3) failed.retry_after = Time(random.between(0, 20'000));
        const bool again = scheduler.failed(id, failed, now);
        in_flight.erase(id);
        reserved -= worst[id];
        if (failed.was_asked && failed.kind != FailureClass::kFull) possible += worst[id];
        if (failed.kind == FailureClass::kFull)
          parked[server] = std::max(parked[server], now + failed.retry_after);
        if (failed.kind == FailureClass::kBadLuck) ++bad_luck[id];
        EXPECT_EQ(again,
                  failed.kind == FailureClass::kFull ||
                      (failed.kind == FailureClass::kBadLuck && bad_luck[id] < rules.max_attempts));
        (again ? waiting : ended).insert(id);
      }
    }
    check();
    if (random.uniform() < 0.6)
      now += Time(static_cast<int64_t>(std::pow(10.0, random.uniform() * 5)));
  }
  // With luck from here on all that can be done is done, and nothing is lost.
  for (int step = 0; step < 100'000 && !scheduler.stop(now); ++step) {
    for (const auto& send : scheduler.sends(now)) {
      waiting.erase(send.id);
      in_flight.emplace(send.id, send.server);
    }
    for (const size_t server : scheduler.probes(now)) probing.insert(server);
    for (const size_t server : probing) scheduler.probed(server, true, now);
    probing.clear();
    for (const auto& [id, server] : in_flight) {
      scheduler.done(id, 0, now);
      ended.insert(id);
    }
    in_flight.clear();
    if (waiting.empty()) break;
    now = std::max(now + Time(1), scheduler.next_time(now));
  }
  if (!scheduler.stop(now)) {
    EXPECT_TRUE(waiting.empty()) << "never sent";
    EXPECT_EQ(ended.size(), static_cast<size_t>(added));
  }
  return done;
}

TEST(Scheduler, InvariantsOfTenThousandHistories) {
  int64_t done = 0;
  for (uint64_t seed = 0; seed < 10'000 && !HasFailure(); ++seed) {
    done += play(seed);
    if (HasFailure()) ADD_FAILURE() << "history " << seed;
  }
  EXPECT_GT(done, 50'000);  // they were no empty ones
}

}  // namespace
}  // namespace ponder::fleet
