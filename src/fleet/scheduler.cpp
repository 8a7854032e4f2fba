#include "fleet/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace ponder::fleet {
namespace {

constexpr size_t kLooksBack = 20;     // attempts, of a breaker
constexpr Time kPerhapsSooner{5000};  // between two looks at what time alone changes
constexpr int kAlike = 3;
// What a server says of its load, and how a window is cut then: some of what it had computed was thrown away, or more
// than such a share of the window waits. (prime-rl steers its rollouts by the same metrics.)
constexpr double kPreemptedCut = 0.7, kWaitingCut = 0.9, kMostWaiting = 0.1;

// Rendezvous hashing: the server with the highest weight has the problem, and when one leaves only
// its problems move.
uint64_t weight_of(uint64_t affinity, const std::string& server) {
  uint64_t bits = affinity ^ stable_hash64(server);
  bits ^= bits >> 31;
  bits *= 0x9e3779b97f4a7c15u;
  bits ^= bits >> 29;
  bits *= 0xbf58476d1ce4e5b9u;
  return bits ^ (bits >> 32);
}

}  // namespace

Scheduler::Scheduler(SchedulerRules rules, uint64_t seed) : rules_(rules), random_(seed, 0x5e) {}

size_t Scheduler::add_server(const std::string& name) {
  for (size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].state.name != name) continue;
    servers_[i].state.retired = false;
    return i;
  }
  Server server;
  server.state.name = name;
  server.window = static_cast<double>(std::min(rules_.first_window, rules_.max_inflight));
  server.pace = Pace(rules_.pace);
  servers_.push_back(std::move(server));
  return servers_.size() - 1;
}

void Scheduler::retire_server(size_t server) { servers_.at(server).state.retired = true; }

void Scheduler::distrust(size_t number) {
  Server& server = servers_.at(number);
  server.state.is_open = true;
  server.open_until = Time(0);
}

void Scheduler::queue(const Item& item) {
  queue_.emplace(item.order, item.work.id);
  num_untried_ += item.attempts == 0;
}

void Scheduler::unqueue(const Item& item) {
  if (queue_.erase(item.order) > 0) num_untried_ -= item.attempts == 0;
}

void Scheduler::add(Work work, Time now) {
  if (items_.empty()) last_good_ = now;
  const std::string id = work.id;
  Item item;
  item.work = std::move(work);
  item.order = next_order_++;
  item.not_before = item.since = now;
  queue(item);
  items_.emplace(id, std::move(item));
}

void Scheduler::remove(std::string_view id) {
  const auto found = items_.find(std::string(id));
  if (found == items_.end()) return;
  Item& item = found->second;
  if (item.server) {
    // It may have cost what it could have cost.
    money_.possible += item.work.worst_cost;
    settle(item);
  }
  unqueue(item);
  items_.erase(found);
}

bool Scheduler::takes(const Server& server, Time now) const {
  return !server.state.retired && !server.state.is_open && now >= server.parked_until &&
         server.state.in_flight < static_cast<int64_t>(server.window) &&
         server.pace.allows_request(now);
}

// The server that has its problem, or after a while any that has room; of retries, for one more.
std::optional<size_t> Scheduler::server_for(const Item& item, Time now) {
  const auto can = [&](Server& server) {
    return takes(server, now) && server.pace.allows(item.work.tokens, now) &&
           (item.attempts == 0 || may_retry(server, now));
  };
  std::optional<size_t> own, free;
  uint64_t most_weight = 0;
  double most_room = 0;
  for (size_t i = 0; i < servers_.size(); ++i) {
    Server& server = servers_[i];
    if (server.state.retired || server.state.is_open || now < server.parked_until) continue;
    const uint64_t weight = weight_of(item.work.affinity, server.state.name);
    if (!own || weight > most_weight) {
      own = i;
      most_weight = weight;
    }
    if (!can(server)) continue;
    const double room = 1 - static_cast<double>(server.state.in_flight) / server.window;
    if (!free || room > most_room) {
      free = i;
      most_room = room;
    }
  }
  if (own && can(servers_[*own])) return own;
  if (now - item.since >= rules_.spill_after) return free;
  return std::nullopt;
}

bool Scheduler::may_retry(Server& server, Time now) {
  while (!server.history.empty() && server.history.front().first + rules_.retry_span <= now) {
    server.retries_in_span -= server.history.front().second;
    server.history.pop_front();
  }
  const double sends = static_cast<double>(server.history.size()) + 1;
  const bool within =
      server.retries_in_span + 1 <=
      std::max<int64_t>(rules_.free_retries, static_cast<int64_t>(rules_.retry_share * sends));
  return within || (num_untried_ == 0 && now >= server.last_retry + rules_.retry_every);
}

bool Scheduler::affordable(const Item& item) const {
  return money_.certain + money_.possible + money_.reserved + item.work.worst_cost <= rules_.budget;
}

std::vector<Scheduler::Send> Scheduler::sends(Time now) {
  std::vector<Send> sends;
  if (stop_) return sends;
  const auto any_takes = [&] {
    return std::any_of(servers_.begin(), servers_.end(),
                       [&](const Server& server) { return takes(server, now); });
  };
  for (auto next = queue_.begin(); next != queue_.end() && any_takes();) {
    Item& item = items_.at(next->second);
    ++next;
    if (item.not_before > now) continue;
    const std::optional<size_t> server = server_for(item, now);
    if (!server) continue;
    if (!affordable(item)) break;  // in their order, whatever the others cost
    send(item, *server, now);
    sends.push_back({item.work.id, *server, item.attempts});
  }
  return sends;
}

void Scheduler::send(Item& item, size_t server, Time now) {
  Server& to = servers_[server];
  const bool retry = item.attempts > 0;
  to.history.emplace_back(now, retry);
  to.retries_in_span += retry;
  if (retry) to.last_retry = now;
  ++to.state.sent;
  to.state.retries += retry;
  ++to.state.in_flight;
  ++to.since_good;
  ++to.since_probe;
  to.bound = to.bound || to.state.in_flight >= static_cast<int64_t>(to.window);
  item.server = server;
  item.paced = to.pace.send(item.work.tokens, now);
  unqueue(item);
  money_.reserved += item.work.worst_cost;
  ++num_sent_;
}

// It is not in flight any more.
void Scheduler::settle(Item& item) {
  --servers_[*item.server].state.in_flight;
  item.server.reset();
  money_.reserved -= item.work.worst_cost;
  --num_sent_;
}

void Scheduler::begin_probe(Server& server) {
  server.probing = true;
  server.since_probe = server.state.in_flight;
}

bool Scheduler::is_due(const Server& server, Time now) {
  if (server.state.is_open) return !server.state.retired && now >= server.open_until;
  return server.since_good > 0 && now >= server.look_at;
}

std::vector<size_t> Scheduler::probes(Time now) {
  std::vector<size_t> probes;
  for (size_t i = 0; i < servers_.size(); ++i) {
    Server& server = servers_[i];
    if (server.probing || !is_due(server, now)) continue;
    begin_probe(server);
    probes.push_back(i);
  }
  return probes;
}

std::vector<size_t> Scheduler::unproven() const {
  std::vector<size_t> unproven;
  for (size_t i = 0; i < servers_.size(); ++i)
    if (servers_[i].since_good > 0) unproven.push_back(i);
  return unproven;
}

bool Scheduler::probe_now(size_t number) {
  Server& server = servers_.at(number);
  if (server.probing) return false;
  begin_probe(server);
  return true;
}

void Scheduler::probed(size_t number, bool good, Time now, const std::string& problem) {
  Server& server = servers_.at(number);
  server.probing = false;
  if (!problem.empty()) server.state.last_failure = problem;
  if (!good) {
    open(server, now);
    return;
  }
  server.since_good = server.since_probe;
  if (rules_.look_every > Time(0)) server.look_at = now + rules_.look_every;
  if (!server.state.is_open) return;
  server.state.is_open = false;
  server.failures_in_a_row = 0;
  server.last.clear();
  if (server.state.sent > 0) server.window = std::max(1.0, std::floor(server.window / 2));
  last_good_ = now;
}

void Scheduler::open(Server& server, Time now) {
  const int times = std::min(server.times_open++, 20);
  server.state.is_open = true;
  server.open_until =
      now + std::min(rules_.most_open, Time(rules_.first_open.count() * (int64_t{1} << times)));
}

Scheduler::Item& Scheduler::sent_item(std::string_view id) {
  Item& item = items_.at(std::string(id));
  if (!item.server) throw std::logic_error("not sent: " + item.work.id);
  return item;
}

void Scheduler::began(std::string_view id, Time now) {
  (void)sent_item(id);
  last_good_ = now;
}

void Scheduler::count(Server& server, bool failed, Time now) {
  server.last.push_back(failed);
  if (server.last.size() > kLooksBack) server.last.pop_front();
  server.failures_in_a_row = failed ? server.failures_in_a_row + 1 : 0;
  if (!failed) {
    server.times_open = 0;
    return;
  }
  const auto failures = std::count(server.last.begin(), server.last.end(), true);
  const bool half = server.last.size() == kLooksBack && 2 * failures >= 20;
  if (!server.state.is_open && (server.failures_in_a_row >= rules_.failures_in_a_row || half))
    open(server, now);
}

void Scheduler::done(std::string_view id, int64_t cost, Time now, std::optional<int64_t> tokens) {
  Item& item = sent_item(id);
  Server& server = servers_[*item.server];
  if (tokens) server.pace.took(item.paced, *tokens);
  settle(item);
  // A retry that came to something is no storm: requests of a server that died go on as fast as another answers.
  if (item.attempts > 0) {
    const auto retry = std::find_if(server.history.rbegin(), server.history.rend(),
                                    [](const auto& sent) { return sent.second; });
    if (retry != server.history.rend()) {
      retry->second = false;
      --server.retries_in_span;
    }
  }
  money_.certain += cost;
  if (cost > item.work.worst_cost) {
    stop_ =
        Stop{Stop::Kind::kBound, fmt::format("{} cost {} units, and {} were thought to be the most",
                                             id, cost, item.work.worst_cost)};
  }
  items_.erase(std::string(id));
  ++server.state.done;
  server.fulls_in_a_row = 0;
  any_done_ = true;
  last_good_ = now;
  count(server, false, now);
  if (++server.answers < static_cast<int64_t>(server.window)) return;
  if (server.bound) {
    server.window = std::min(server.doubling ? 2 * server.window : server.window + 1,
                             static_cast<double>(rules_.max_inflight));
  }
  server.answers = 0;
  server.bound = false;
}

void Scheduler::loaded(size_t server, int64_t waiting, bool preempted, Time now) {
  Server& of = servers_.at(server);
  if (preempted)
    cut(of, kPreemptedCut, now);
  else if (static_cast<double>(waiting) > kMostWaiting * of.window)
    cut(of, kWaitingCut, now);
}

void Scheduler::cut(Server& server, double factor, Time now) {
  server.doubling = false;
  if (now - server.last_cut < rules_.cut_every) return;
  if (now - server.last_cut < rules_.cut_again) factor = 0.5;
  server.window = std::max(1.0, std::floor(server.window * factor));
  server.last_cut = now;
  server.answers = 0;
}

// Full jitter: between nothing and what the attempt's number allows.
Time Scheduler::delay(int attempts) {
  const Time most =
      std::min(rules_.most_delay, Time(rules_.first_delay.count() << std::min(attempts, 20)));
  return Time(static_cast<int64_t>(random_.below(static_cast<uint64_t>(most.count()) + 1)));
}

bool Scheduler::failed(std::string_view id, const Failed& failure, Time now) {
  Item& item = sent_item(id);
  Server& server = servers_[*item.server];
  settle(item);
  if (failure.was_asked && failure.kind != FailureClass::kFull)
    money_.possible += item.work.worst_cost;
  else
    server.pace.took(item.paced, 0);
  server.state.last_failure = failure.message;
  // At least as long as it says, and not all at the same moment.
  const Time said = failure.retry_after + Time(failure.retry_after.count() / 10 *
                                               static_cast<int64_t>(random_.below(101)) / 100);
  bool again = true;
  switch (failure.kind) {
    case FailureClass::kStop:
      stop_ = Stop{Stop::Kind::kRefused, failure.message};
      ++server.state.failed;
      break;
    case FailureClass::kFull:
      ++server.state.full;
      cut(server, 0.7, now);
      server.parked_until =
          std::max(server.parked_until,
                   now + (said.count() > 0 ? said : Time(100) + delay(server.fulls_in_a_row)));
      ++server.fulls_in_a_row;
      item.not_before = now;
      break;
    case FailureClass::kBadLuck:
      ++server.state.failed;
      count(server, true, now);
      ++item.attempts;
      item.not_before = now + std::max(said, delay(item.attempts - 1));
      again = item.attempts < rules_.max_attempts;
      break;
    case FailureClass::kNever:
      ++server.state.failed;
      again = false;
      if (any_done_ || (num_alike_ > 0 && alike_ != failure.message)) break;
      alike_ = failure.message;
      if (++num_alike_ == kAlike) stop_ = Stop{Stop::Kind::kAlike, failure.message};
      break;
  }
  if (!again) {
    items_.erase(std::string(id));
    return false;
  }
  item.since = item.not_before;
  queue(item);
  return true;
}

Time Scheduler::next_time(Time now) const {
  Time next = Time::max();
  for (const Server& server : servers_) {
    if (!server.state.is_open && !server.probing && server.since_good > 0)
      next = std::min(next, server.look_at);
    if (server.state.retired) continue;
    if (server.state.is_open && !server.probing) next = std::min(next, server.open_until);
    if (!queue_.empty() && server.parked_until > now) next = std::min(next, server.parked_until);
    const Time paced = server.pace.next_time(now);
    if (!queue_.empty() && paced > now) next = std::min(next, paced);
  }
  const bool any_takes = std::any_of(servers_.begin(), servers_.end(),
                                     [&](const Server& server) { return takes(server, now); });
  for (const auto& [order, id] : queue_) {
    const Item& item = items_.at(id);
    if (item.not_before > now) {
      next = std::min(next, item.not_before);
    } else if (any_takes) {  // it waits for its own server, or for a share of retries
      const Time spill = item.since + rules_.spill_after;
      next = std::min(next, spill > now ? spill : now + kPerhapsSooner);
    }
  }
  if (num_sent_ == 0 && !items_.empty()) next = std::min(next, last_good_ + rules_.patience);
  return std::max(next, now);
}

std::optional<Scheduler::Stop> Scheduler::stop(Time now) const {
  if (stop_) return stop_;
  if (queue_.empty() || num_sent_ > 0) return std::nullopt;
  if (now - last_good_ >= rules_.patience) {
    std::string said;
    for (size_t i = 0; i < servers_.size(); ++i) {
      const std::string& last = servers_[i].state.last_failure;
      if (servers_[i].state.retired) continue;
      said += fmt::format("{}{}: {}", said.empty() ? "" : "; ", servers_[i].state.name,
                          last.empty() ? "no answer" : last);
    }
    return Stop{Stop::Kind::kPatience, fmt::format("no server has answered for {} s ({})",
                                                   (now - last_good_).count() / 1000, said)};
  }
  const Item& first = items_.at(queue_.begin()->second);
  if (!affordable(first)) {
    return Stop{
        Stop::Kind::kBudget,
        fmt::format("{} of {} units are spent or may be, and the next request may cost {}",
                    money_.certain + money_.possible, rules_.budget, first.work.worst_cost)};
  }
  return std::nullopt;
}

int64_t Scheduler::room() const {
  int64_t windows = 0;
  for (const Server& server : servers_)
    if (!server.state.retired && !server.state.is_open)
      windows += static_cast<int64_t>(server.window);
  return windows - static_cast<int64_t>(items_.size());
}

Scheduler::ServerState Scheduler::state(size_t number, Time now) const {
  const Server& server = servers_.at(number);
  ServerState state = server.state;
  state.window = static_cast<int64_t>(server.window);
  if (state.is_open)
    state.until = server.open_until;
  else if (server.parked_until > now)
    state.until = server.parked_until;
  return state;
}

}  // namespace ponder::fleet
