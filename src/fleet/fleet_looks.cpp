// How a fleet looks at its servers: at first contact, when one has been away, and while one works, whether
// its weights are still the right ones.
#include <fmt/format.h>

#include <utility>

#include "fleet/fleet_impl.h"
#include "fleet/server_load.h"

namespace ponder::fleet {
namespace {

constexpr std::chrono::milliseconds kLookAtStopEvery{100};
constexpr size_t kMostMetricsBytes = size_t{4} << 20;

}  // namespace

std::string_view to_string(Proof proof) {
  switch (proof) {
    case Proof::kHash:
      return "hash";
    case Proof::kRight:
      return "right";
    case Proof::kRounded:
      return "rounded";
    case Proof::kName:
      return "name";
    case Proof::kWrong:
      return "wrong";
  }
  return "wrong";
}

void Fleet::Impl::contact() {
  std::string problems;
  size_t there = 0;
  for (size_t server = 0; server < urls.size(); ++server) {
    const std::string problem = look_at(server);
    if (problem.empty())
      ++there;
    else
      problems += fmt::format("{}{}", problems.empty() ? "" : "; ", problem);
  }
  if (there == 0) {
    throw Error(ErrorKind::kBusy, urls.size() == 1 ? urls[0] : "--server",
                fmt::format("no server answers ({})", problems),
                "is it running, and is that its address and port?");
  }
  if (!problems.empty()) monitor.warning(fmt::format("not all servers answer yet: {}", problems));
}

std::string Fleet::Impl::look_at(size_t server) {
  if (options.keeper) options.keeper->looking_at(urls[server]);
  ServerLook look(urls[server], options);
  while (!look.is_done()) {
    const net::HttpAnswer answer = http.fetch(look.question());
    if (answer.failure) {
      if (answer.failure->kind == net::TransferFailure::Kind::kCertificate) {
        throw Error(urls[server], answer.failure->message,
                    "a certificate of your own is trusted by --ca-file FILE");
      }
      return answer.failure->message;
    }
    if (answer.head.status == 503) return fmt::format("{}: not ready (status 503)", urls[server]);
    try {
      look.take(answer.head.status, answer.head.headers, answer.body);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kNotFound)
        tell_looked(urls[server], Proof::kWrong, error.problem());
      throw;
    }
  }
  trust(look, urls[server]);
  scheduler.probed(server, true, now());
  return "";
}

void Fleet::Impl::start_probe(size_t server) {
  if (options.keeper) options.keeper->looking_at(urls[server]);
  const ServerLook look(urls[server], options);
  probes.emplace(http.start(look.question()), Probe{server, look});
}

bool Fleet::Impl::is_looked_at(size_t server) const {
  return std::ranges::any_of(probes,
                             [&](const auto& probe) { return probe.second.server == server; });
}

// What is on its way there is another model's, where that cannot be seen by the answers.
void Fleet::Impl::find_wrong(const Probe& probe, const std::string& problem) {
  const std::string& server = urls[probe.server];
  scheduler.probed(probe.server, false, now(), problem);
  if (!options.canaries.empty()) {
    std::vector<Open*> there;
    for (const auto& [transfer, open] : request_of)
      if (open->server == probe.server) there.push_back(open);
    for (Open* open : there) {
      abort_on_server(*open);
      drop_behind(*open, open->from);
      fail(*open, {FailureClass::kBadLuck, "the server " + problem, Time(0), true});
    }
  }
  tell_looked(server, Proof::kWrong, problem);
}

void Fleet::Impl::take_probe(const net::HttpEvent& event, Probe& probe) {
  if (const auto* head = std::get_if<net::HttpHead>(&event.what)) {
    probe.head = *head;
    return;
  }
  if (const auto* bytes = std::get_if<std::string>(&event.what)) {
    if (probe.body.size() < (size_t{1} << 20)) probe.body += *bytes;
    return;
  }
  Probe looked = std::move(probe);
  probes.erase(event.transfer);
  bool good = std::holds_alternative<net::HttpEnd>(event.what);
  try {
    if (good) looked.look.take(looked.head.status, looked.head.headers, looked.body);
  } catch (const Error& error) {
    good = false;
    if (error.kind() != ErrorKind::kBusy) monitor.warning(error.what());
    if (error.kind() == ErrorKind::kNotFound) return find_wrong(looked, error.problem());
  }
  if (good && !looked.look.is_done()) {
    const uint64_t next = http.start(looked.look.question());
    probes.emplace(next, Probe{looked.server, std::move(looked.look)});
    return;
  }
  if (good) trust(looked.look, urls[looked.server]);
  scheduler.probed(looked.server, good, now());
}

void Fleet::Impl::ask_loads() {
  if (options.load_every <= Time(0) || !says_load(options.kind)) return;
  for (size_t server = 0; server < urls.size(); ++server) {
    if (scheduler.state(server, now()).in_flight == 0) continue;
    const auto [said, is_new] = loads.try_emplace(server);
    LoadSaid& load = said->second;
    if (is_new) load.next = now() + options.load_every;
    if (load.silent || load.asking || now() < load.next) continue;
    load.asking = true;
    load_looks.emplace(http.start(request_to(server, "/metrics")), LoadLook{.server = server});
  }
}

// A server that has no metrics is not asked again; that it does not answer is the attempts' to say.
void Fleet::Impl::take_load(const net::HttpEvent& event, LoadLook& look) {
  if (const auto* head = std::get_if<net::HttpHead>(&event.what)) {
    look.status = head->status;
    return;
  }
  if (const auto* bytes = std::get_if<std::string>(&event.what)) {
    if (look.body.size() < kMostMetricsBytes) look.body += *bytes;
    return;
  }
  const LoadLook looked = std::move(look);
  load_looks.erase(event.transfer);
  LoadSaid& said = loads.at(looked.server);
  said.asking = false;
  said.next = now() + options.load_every;
  if (!std::holds_alternative<net::HttpEnd>(event.what)) return;
  if (looked.status >= 500 && looked.status != 501) return;  // another time
  const auto load = looked.status == 200 ? read_load(options.kind, looked.body) : std::nullopt;
  if (!load) {
    said.silent = true;
    return;
  }
  const bool preempted = said.preempted && load->preempted > *said.preempted;
  said.preempted = load->preempted;
  scheduler.loaded(looked.server, load->waiting, preempted, now());
}

void Fleet::Impl::prove(const std::atomic<bool>* stop) {
  const std::vector<size_t> servers = scheduler.unproven();
  const auto finish_looks = [&] {
    while (!(stop && stop->load()) &&
           std::ranges::any_of(servers, [&](size_t server) { return is_looked_at(server); })) {
      for (const net::HttpEvent& event : http.poll(kLookAtStopEvery)) take(event);
    }
  };
  finish_looks();  // those that began before the last answers
  for (const size_t server : servers)
    if (scheduler.probe_now(server)) start_probe(server);
  finish_looks();
}

}  // namespace ponder::fleet
