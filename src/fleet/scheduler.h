// Which request goes to which server, and when: one deterministic state machine, fed with events. It
// asks nobody and has no clock, so an hour of waiting is a number in a test.
//
//   request  queued -> sent -> done, or failed and queued again (so many attempts), or failed for good
//   server   closed (takes requests) -> open (takes none, after failures in a row or while distrusted) ->
//            probed -> closed
//            probed besides while it takes requests, every look_every, where it was asked since
//            parked besides: it said until when
//
// No request is sent twice at a time, attempts are limited, in flight is at most the server's window,
// a retry storm waits, or trickles, no server is asked faster than its pace (pace.h), and with a budget certain +
// possible + reserved stay within it at every step.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/philox.h"
#include "fleet/pace.h"

namespace ponder::fleet {

enum class FailureClass {
  kNever,    // this request will fail again: the recipe or the model is wrong, not the moment
  kStop,     // no request can succeed: key, quota, model gone
  kFull,     // the server has too much to do; costs no attempt
  kBadLuck,  // resets, silence, 5xx, answers cut short: once more, so many times
};

struct SchedulerRules {
  int max_attempts = 8;
  Time first_delay{1000},
      most_delay{60'000};     // before attempt k: up to first_delay * 2^k, at random
  int failures_in_a_row = 5;  // open a server, and so does half of the last 20
  Time first_open{5000}, most_open{120'000};
  Time look_every{0};        // at a server that takes requests; 0: never
  Time patience{1'800'000};  // without any server that answers: stop
  // Retries without an answer, of a server's requests in retry_span, beyond free_retries.
  double retry_share = 0.2;
  int free_retries = 20;
  Time retry_span{300'000};
  // Where no request waits that was not tried yet, a server gets one more so long after the last: there is
  // nothing that these could crowd out, and of one that never comes all would wait for the span to pass.
  Time retry_every{15'000};
  Time spill_after{2000};  // a request waits so long for the server that has its problem's prompt
  int64_t first_window = 16, max_inflight = 512;  // of a server
  Time cut_every{15'000}, cut_again{60'000};
  int64_t budget = std::numeric_limits<int64_t>::max();  // in units of money
  PaceLimits pace = {};                                  // of a server
};

struct Work {
  std::string id;
  uint64_t affinity = 0;   // requests of equal affinity go to the same server where they can
  int64_t worst_cost = 0;  // units
  int64_t tokens = 0;      // that it can take, prompt and answer, for a server's pace
};

class Scheduler {
 public:
  // `seed` of the random delays.
  Scheduler(SchedulerRules rules, uint64_t seed);

  // Returns its number. A server that was retired is taken back under its number.
  size_t add_server(const std::string& name);
  void retire_server(size_t server);  // nothing more is sent to it
  void distrust(size_t server);       // nothing is sent to it before a probe has found it good

  void add(Work work, Time now);  // an id that is not there
  void remove(std::string_view id);
  bool contains(std::string_view id) const { return items_.contains(std::string(id)); }

  struct Send {
    std::string id;
    size_t server = 0;
    int attempt = 0;  // from 0
  };
  std::vector<Send> sends(Time now);  // go out now; they count as sent
  std::vector<size_t> probes(
      Time now);  // servers to be looked at; each until probed() says how it was
  // `problem`: where it is not good, for people; "": as it was.
  void probed(size_t server, bool good, Time now, const std::string& problem = "");
  // Servers that were asked, or were still answering, since the last probe began that found them good,
  // retired ones too.
  std::vector<size_t> unproven() const;
  // One of them is looked at now: false where a probe is at work.
  bool probe_now(size_t server);

  // Of a request that is sent.
  void began(std::string_view id, Time now);  // the answer's first byte
  // tokens: that it took, prompt and answer; not given: as many as it could.
  void done(std::string_view id, int64_t cost, Time now, std::optional<int64_t> tokens = {});
  struct Failed {
    FailureClass kind = FailureClass::kBadLuck;
    std::string message;
    Time retry_after{0};    // what the server said
    bool was_asked = true;  // it may cost: the request left this machine
  };
  // Whether it will be sent again.
  bool failed(std::string_view id, const Failed& failure, Time now);

  // What a server said of its own load: requests that wait there for their turn, and whether it threw away what it had
  // computed of some since it was asked last.
  void loaded(size_t server, int64_t waiting, bool preempted, Time now);

  // When sends or probes may have something new if no event comes.
  Time next_time(Time now) const;

  struct Stop {
    enum class Kind { kRefused, kAlike, kPatience, kBudget, kBound };
    Kind kind = Kind::kRefused;
    std::string message;
  };
  // Why nothing more can be done now.
  std::optional<Stop> stop(Time now) const;

  int64_t room() const;  // requests that could be sent beside those added
  struct Money {
    int64_t certain = 0, possible = 0, reserved = 0;
  };
  const Money& money() const { return money_; }

  struct ServerState {
    std::string name;
    int64_t in_flight = 0, window = 0;
    bool is_open = false, retired = false;
    Time until{0};  // parked or open
    int64_t sent = 0, retries = 0, done = 0, failed = 0, full = 0;
    std::string last_failure;
  };
  ServerState state(size_t server, Time now) const;
  size_t num_servers() const { return servers_.size(); }

 private:
  struct Server {
    ServerState state;
    double window = 1;
    bool doubling = true, bound = false;  // bound: the window was full since the last turnover
    int64_t answers = 0;                  // since the last turnover
    Time parked_until{0}, open_until{0}, last_cut{-1'000'000};
    int fulls_in_a_row = 0, failures_in_a_row = 0, times_open = 0;
    std::deque<bool> last;  // of 20 attempts, whether they failed
    bool probing = false;
    int64_t since_good = 0;      // sent or in flight since the last good probe began
    int64_t since_probe = 0;     // the same of the probe that is at work
    Time look_at = Time::max();  // while it takes requests
    // Sends in retry_span, whether they are retries without an answer.
    std::deque<std::pair<Time, bool>> history;
    int64_t retries_in_span = 0;
    Time last_retry{-1'000'000};
    Pace pace{{}};
  };
  struct Item {
    Work work;
    uint64_t order = 0;
    int attempts = 0;  // that failed
    Time not_before{0}, since{0};
    std::optional<size_t> server;  // while it is sent
    uint64_t paced = 0;            // its number in that server's pace
  };

  bool takes(const Server& server, Time now) const;
  std::optional<size_t> server_for(const Item& item, Time now);
  bool may_retry(Server& server, Time now);
  void send(Item& item, size_t server, Time now);
  void settle(Item& item);
  void queue(const Item& item);
  void unqueue(const Item& item);
  static void begin_probe(Server& server);
  static bool is_due(const Server& server, Time now);
  void cut(Server& server, double factor, Time now);
  void count(Server& server, bool failed, Time now);
  void open(Server& server, Time now);
  bool affordable(const Item& item) const;
  Item& sent_item(std::string_view id);
  Time delay(int attempts);

  SchedulerRules rules_;
  RandomSequence random_;
  std::vector<Server> servers_;
  std::map<std::string, Item> items_;
  std::map<uint64_t, std::string> queue_;  // not sent, by order
  uint64_t next_order_ = 0;
  int64_t num_sent_ = 0, num_untried_ = 0;  // untried: of queue_, without an attempt
  Time last_good_{0};
  Money money_;
  int num_alike_ = 0;
  std::string alike_;
  bool any_done_ = false;
  std::optional<Stop> stop_;
};

}  // namespace ponder::fleet
