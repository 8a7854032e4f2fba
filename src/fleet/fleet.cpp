#include "fleet/fleet.h"

#include <fmt/format.h>

#include "fleet/fleet_impl.h"

namespace ponder::fleet {
namespace {

// For a server's pace. Of a chat's text the tokens are not known: about four bytes each.
int64_t most_tokens(const rollout::CompletionRequest& request) {
  int64_t bytes = 0;
  for (const tokenizer::Message& message : request.messages)
    bytes += static_cast<int64_t>(message.content.size());
  return static_cast<int64_t>(request.prompt_ids.size()) + bytes / 4 + request.sampling.max_tokens;
}

}  // namespace

std::string served_name_of(std::string_view model_sha256) {
  return fmt::format("ponder-{}", model_sha256.substr(0, 16));
}

std::string fingerprint_end_of(std::string_view model_sha256, tensor::Precision precision) {
  const bool usual = precision == tensor::Precision::kF32;
  return fmt::format("-{}{}", model_sha256.substr(0, 16),
                     usual ? "" : fmt::format("-{}", tensor::to_string(precision)));
}

Fleet::Fleet(const tokenizer::Tokenizer* tokenizer, FleetOptions options, Monitor& monitor)
    : impl_(std::make_unique<Impl>(tokenizer, std::move(options), monitor)) {}

Fleet::~Fleet() = default;

Error Fleet::Impl::stopped(const Scheduler::Stop& stop) const {
  using Kind = Scheduler::Stop::Kind;
  switch (stop.kind) {
    case Kind::kRefused:
      return {ErrorKind::kBusy, "--server", stop.message,
              "put it right and repeat the command: it goes on from what is there"};
    case Kind::kAlike:
      return {ErrorKind::kInput, "--server",
              fmt::format("the first three requests failed alike: {}", stop.message),
              "ponder fleet check looks at every point of it"};
    default:
      return {ErrorKind::kBusy, "--server", stop.message,
              "repeat the command when they answer again: it goes on from what is there"};
  }
}

void Fleet::announce(const rollout::CompletionRequest& request, int64_t /*count*/) {
  impl_->check(request);
}

void Fleet::submit(rollout::CompletionRequest request) {
  impl_->check(request);
  if (impl_->requests.contains(request.id))
    throw Error(request.id, "is the id of an open request", "give every request an id of its own");
  auto open = std::make_unique<Impl::Open>();
  open->request = std::move(request);
  const std::string id = open->request.id;
  data::Partial begun = std::exchange(open->request.begun, {});
  open->ids = std::move(begun.token_ids);
  if (impl_->options.kind == ServerKind::kPonder) open->logprobs = std::move(begun.logprobs);
  impl_->begin_rule(*open);
  if (open->reason) {  // it was whole
    impl_->scheduler.add({id, 0, 0}, impl_->now());
    impl_->scheduler.remove(id);
    impl_->events.push_back({id, impl_->completion_of(*open)});
    return;
  }
  const int64_t worst =
      impl_->options.keeper ? impl_->options.keeper->worst_cost(open->request) : 0;
  impl_->scheduler.add(
      {id, stable_hash64(open->request.seed_key.name), worst, most_tokens(open->request)},
      impl_->now());
  impl_->requests.emplace(id, std::move(open));
}

void Fleet::cancel(std::string_view id) {
  const auto found = impl_->requests.find(id);
  if (found == impl_->requests.end()) return;
  if (found->second->transfer != 0) {
    impl_->abort_on_server(*found->second);
    impl_->end_transfer(*found->second);
  }
  impl_->scheduler.remove(id);
  impl_->requests.erase(found);
}

std::vector<rollout::GeneratorEvent> Fleet::poll(std::chrono::milliseconds timeout) {
  impl_->run(timeout);
  return std::exchange(impl_->events, {});
}

data::Partial Fleet::sampled(std::string_view id, int64_t first) const {
  const auto found = impl_->requests.find(id);
  if (!has_token_ids(impl_->options.kind) || found == impl_->requests.end()) return {};
  const Impl::Open& open = *found->second;
  try {
    if (open.reader) impl_->check_so_far(open);
  } catch (const AnswerFailure&) {  // it will fail
    return {};
  }
  // Other servers show what follows half a character as they like.
  const size_t size = impl_->options.kind == ServerKind::kPonder
                          ? open.ids.size()
                          : impl_->whole_characters_of(open, open.ids.size());
  return data::partial_of(std::span(open.ids).first(size), open.logprobs, first);
}

int64_t Fleet::room() const { return impl_->scheduler.room(); }

rollout::GeneratorLoad Fleet::load() const {
  rollout::GeneratorLoad load;
  load.running = static_cast<int64_t>(impl_->request_of.size());
  load.sampled_tokens = impl_->sampled_tokens;
  load.prompt_tokens = impl_->prompt_tokens;
  for (const auto& [id, open] : impl_->requests)
    load.unfinished.push_back(static_cast<int64_t>(open->ids.size()));
  return load;
}

void Fleet::prove(const std::atomic<bool>* stop) { impl_->prove(stop); }

std::vector<std::string> Fleet::unproven() const {
  std::vector<std::string> addresses;
  for (const size_t server : impl_->scheduler.unproven()) addresses.push_back(impl_->urls[server]);
  return addresses;
}

const std::string& Fleet::served_model() const { return impl_->options.served_model; }

std::optional<Scheduler::Stop> Fleet::stop() const { return impl_->scheduler.stop(impl_->now()); }

Json Fleet::report() const {
  Json servers = Json::array();
  const Time now = impl_->now();
  for (size_t i = 0; i < impl_->urls.size(); ++i) {
    const auto state = impl_->scheduler.state(i, now);
    servers.push_back({{"url", state.name},
                       {"state", state.retired       ? "retired"
                                 : state.is_open     ? "away"
                                 : state.until > now ? "full"
                                                     : "ready"},
                       {"in_flight", state.in_flight},
                       {"window", state.window},
                       {"last_failure", impl_->without_key(state.last_failure)},
                       {"sent", state.sent},
                       {"retries", state.retries},
                       {"done", state.done},
                       {"failed", state.failed},
                       {"full", state.full}});
  }
  return {{"kind", to_string(impl_->options.kind)},
          {"model", impl_->options.served_model},
          {"attempts", impl_->attempts},
          {"refused", impl_->num_refused},
          {"servers", std::move(servers)}};
}

std::string Fleet::summary() const {
  int64_t retries = 0, failed = 0, full = 0;
  for (size_t i = 0; i < impl_->urls.size(); ++i) {
    const auto state = impl_->scheduler.state(i, impl_->now());
    retries += state.retries;
    failed += state.failed;
    full += state.full;
  }
  return fmt::format(
      "{} requests to {} servers, {} of them again after {} failures{}{}", impl_->attempts,
      impl_->urls.size(), retries, failed,
      full > 0 ? fmt::format(", {} times a server was full", full) : "",
      impl_->num_refused > 0 ? fmt::format(", {} answers refused", impl_->num_refused) : "");
}

}  // namespace ponder::fleet
