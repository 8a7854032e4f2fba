// How a teacher is asked: which request goes out when, what is kept of it, and why asking ends.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "base/error.h"
#include "teach/teacher.h"

namespace ponder::teach {
namespace {

using Clock = std::chrono::steady_clock;
using fleet::Scheduler;

constexpr std::chrono::milliseconds kLookEvery{200};
constexpr std::chrono::seconds kShowEvery{1}, kReportEvery{3};
constexpr std::chrono::seconds kDrain{20};  // for what is on its way when a stop comes

}  // namespace

int64_t Teacher::worst_cost(const rollout::CompletionRequest& request) {
  return items_[item_of_.at(request.id)].request.worst;
}

void Teacher::sending(const rollout::CompletionRequest& asked, int64_t /*num_tokens*/,
                      const std::string& server) {
  StoredRequest& request = items_[item_of_.at(asked.id)].request;
  request.state = RequestState::kSent;
  store_.attempt(request, server);
  in_flight_.insert(asked.id);
  server_ = server;
}

StoredAnswer Teacher::priced(const Item& item, const fleet::Answer& answer,
                             const std::string& from) {
  StoredAnswer stored;
  stored.key = item.request.key;
  stored.ask = item.request.ask;
  stored.max_tokens = item.request.max_tokens;
  stored.answer = answer;
  stored.from = from;
  // A usage of nothing for an answer of something is none.
  if (stored.answer.usage && stored.answer.usage->prompt == 0 &&
      stored.answer.usage->completion == 0 &&
      !(answer.text.empty() && answer.thought.empty() && answer.refusal.empty()))
    stored.answer.usage.reset();
  if (!settings_.prices.given) return stored;
  stored.currency = settings_.prices.currency;
  if (stored.answer.usage) {
    stored.certain = cost_of(settings_.prices, *stored.answer.usage);
  } else {
    stored.possible = item.request.worst;
    if (!std::exchange(told_no_usage_, true))
      monitor_.warning("answers come without usage: each is reckoned at the most it may have cost");
  }
  return stored;
}

int64_t Teacher::answered(const std::string& id, const fleet::Answer& answer,
                          int64_t /*num_tokens*/) {
  Item& item = items_[item_of_.at(id)];
  const StoredAnswer stored = priced(item, answer, server_);
  store_.answer(stored);
  take_outcome(item, stored);
  in_flight_.erase(id);
  const Units cost = stored.certain + stored.possible;
  if (cost > item.request.worst && too_large_.empty()) too_large_ = bill_text(item, stored);
  return cost;
}

std::string Teacher::bill_text(const Item& item, const StoredAnswer& answer) const {
  const fleet::TokenUsage usage = answer.answer.usage.value_or(fleet::TokenUsage{});
  return fmt::format(
      "\"{}\", sample {}, was billed {} prompt and {} completion tokens, {} {}; the most its "
      "request "
      "allowed is {} {}",
      excerpt(item.request.problem_id), item.request.sample, usage.prompt, usage.completion,
      settings_.prices.currency, amount_text(cost_of(settings_.prices, usage)),
      settings_.prices.currency, amount_text(item.request.worst));
}

void Teacher::failed(const std::string& id, const Failed& failure) {
  StoredRequest& request = items_[item_of_.at(id)].request;
  const bool may_cost = failure.was_asked && failure.kind != fleet::FailureClass::kFull;
  store_.attempt_failed(id, failure.message, may_cost ? request.worst : 0);
  request.state = failure.again ? RequestState::kQueued : RequestState::kFailed;
  request.error = failure.message;
  store_.put(request);
  in_flight_.erase(id);
  if (!failure.again) failed_now_.insert(id);
}

bool Teacher::conclude() {
  for (size_t p = 0; p < problems_.size(); ++p)
    if (!wanted(p).empty()) return false;
  if (!store_.again().empty()) {
    store_.set_again("");
    store_.keep();
  }
  check_failed();
  return true;
}

bool Teacher::ask(const std::atomic<bool>* stop) {
  probing_ = false;
  asking_ = evenly_spread(problems_.size(), problems_.size());
  return ask_these(stop);
}

bool Teacher::probe(int64_t num_problems, const std::atomic<bool>* stop) {
  probing_ = true;
  asking_ = evenly_spread(problems_.size(), static_cast<size_t>(num_problems));
  return ask_these(stop);
}

std::vector<size_t> Teacher::to_ask(size_t problem) const {
  std::vector<size_t> places = wanted(problem);
  if (probing_) std::erase_if(places, [&](size_t at) { return items_[at].request.sample > 0; });
  return places;
}

bool Teacher::ask_these(const std::atomic<bool>* stop) {
  if (conclude()) return true;
  if (std::all_of(asking_.begin(), asking_.end(), [&](size_t p) { return to_ask(p).empty(); })) {
    check_failed();
    return true;
  }
  fleet::FleetOptions options = settings_.fleet;
  options.kind = fleet::ServerKind::kOpenai;
  options.keeper = this;
  const Ledger before = store_.ledger();
  if (settings_.budget)
    options.rules.budget = *settings_.budget - before.certain - before.possible - before.written;
  fleet::Fleet fleet(nullptr, std::move(options), monitor_);
  bool finished = false;
  try {
    finished = ask_all(fleet, stop);
  } catch (const Error& error) {
    give_up_open();
    const std::optional<Scheduler::Stop> why = fleet.stop();
    if (!why) throw;
    throw why_stopped(*why, error);
  }
  give_up_open();
  monitor_.info("teach: " + fleet.summary());
  if (!finished) return false;
  if (!probing_) {
    store_.set_again("");
    store_.keep();
  }
  check_failed();
  return true;
}

bool Teacher::ask_all(fleet::Fleet& fleet, const std::atomic<bool>* stop) {
  std::deque<size_t> todo;  // problems that may have something to ask
  for (const size_t p : asking_)
    if (!to_ask(p).empty()) todo.push_back(p);
  std::set<std::string> open;  // keys of what was submitted
  while (true) {
    if (stop && stop->load()) return drain(fleet, open);
    while (!todo.empty() && fleet.room() > 0) {
      const size_t problem = todo.front();
      todo.pop_front();
      for (const size_t at : to_ask(problem)) {
        if (!open.insert(items_[at].request.key).second) continue;
        fleet.submit(request_of(items_[at]));
      }
    }
    if (open.empty()) return true;
    for (const rollout::GeneratorEvent& event : fleet.poll(kLookEvery)) {
      if (!rollout::ends_request(event)) continue;
      open.erase(event.request_id);
      const Item& item = items_[item_of_.at(event.request_id)];
      if (const auto* failure = std::get_if<rollout::Failure>(&event.what)) {
        monitor_.warning(fmt::format("\"{}\", sample {}: {}", excerpt(item.request.problem_id),
                                     item.request.sample, failure->message));
      }
      todo.push_back(item.problem);
    }
    show_progress();
  }
}

// What is on its way may still come; nothing more goes out.
bool Teacher::drain(fleet::Fleet& fleet, std::set<std::string>& open) {
  const auto until = Clock::now() + kDrain;
  while (true) {
    std::erase_if(open, [&](const std::string& id) {
      if (in_flight_.contains(id)) return false;
      fleet.cancel(id);
      return true;
    });
    if (in_flight_.empty() || Clock::now() >= until) return false;
    for (const rollout::GeneratorEvent& event : fleet.poll(kLookEvery))
      open.erase(event.request_id);
  }
}

// Attempts that nobody waits for any more.
void Teacher::give_up_open() {
  for (const std::string& id : in_flight_) {
    StoredRequest& request = items_[item_of_.at(id)].request;
    store_.attempt_failed(id, "given up when asking ended", request.worst);
    request.state = RequestState::kQueued;
    store_.put(request);
  }
  in_flight_.clear();
  store_.keep();
}

Error Teacher::why_stopped(const Scheduler::Stop& stop, const Error& error) {
  using Kind = Scheduler::Stop::Kind;
  if (stop.kind == Kind::kAlike) {  // it is what was asked, not the problems
    for (const std::string& id : failed_now_) {
      StoredRequest& request = items_[item_of_.at(id)].request;
      request.state = RequestState::kQueued;
      store_.put(request);
    }
    store_.keep();
    return error;
  }
  if (stop.kind == Kind::kBound) return {files_.database.string(), too_large_, kAllowForBills};
  if (stop.kind != Kind::kBudget) return error;
  ended_by_budget_ = true;
  const TeacherReport now = report();
  const Estimate likely = estimate();
  const std::string mean =
      likely.price.num == 0
          ? ""
          : fmt::format("; an answer costs {} in the mean, nine of ten no more than {}",
                        amount_text(likely.price.mean), amount_text(likely.price.ninetieth));
  Units next = 0;
  for (size_t p = 0; p < problems_.size() && next == 0; ++p)
    if (const std::vector<size_t> of = to_ask(p); !of.empty()) next = items_[of[0]].request.worst;
  return {ErrorKind::kBusy, "--budget",
          fmt::format("{} {} does not cover the next request, which may cost {}: {}; {} of {} "
                      "problems have a demonstration, {} requests are to be asked next{}; {}; {}",
                      settings_.prices.currency, amount_text(*settings_.budget), amount_text(next),
                      now.money(), now.solved, now.problems, now.unasked, mean,
                      likely.requests_text(), likely.total_text()),
          "the same command with a larger --budget goes on from there"};
}

void Teacher::check_failed() const {
  int64_t failed = 0, all = 0;
  const Item* first = nullptr;
  for (const Item& item : items_) {
    all += item.request.state == RequestState::kDone || item.request.state == RequestState::kFailed;
    if (item.request.state != RequestState::kFailed) continue;
    if (!first) first = &item;
    ++failed;
  }
  if (!first) return;
  const std::string said =
      fmt::format("{} of {} requests failed for good; the first, \"{}\": {}", failed, all,
                  excerpt(first->request.problem_id), first->request.error);
  constexpr const char* kAskAgain = "--again failed asks them once more";
  if (static_cast<double>(failed) > settings_.max_failed * static_cast<double>(all))
    throw Error(ErrorKind::kBusy, "--server", said, kAskAgain);
  monitor_.warning(fmt::format("{}; {}", said, kAskAgain));
}

void Teacher::show_progress() {
  if (Clock::now() - reported_ >= kReportEvery) {  // on the disk with what comes next
    reported_ = Clock::now();
    store_.set_report(report(false).json());
  }
  if (Clock::now() - shown_ < kShowEvery) return;
  shown_ = Clock::now();
  std::set<size_t> at_work;
  for (const std::string& id : in_flight_) at_work.insert(items_[item_of_.at(id)].problem);
  int64_t done = 0, solved = 0;
  for (const size_t p : asking_) {
    solved += num_right(p) > 0;
    done += !at_work.contains(p) && to_ask(p).empty();
  }
  const auto answers = std::count_if(items_.begin(), items_.end(), [](const Item& item) {
    return item.request.state == RequestState::kDone;
  });
  monitor_.progress("teach", done, static_cast<int64_t>(asking_.size()),
                    fmt::format("{} solved, {} answers", solved, answers));
}

}  // namespace ponder::teach
