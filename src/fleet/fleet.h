// Completions from servers elsewhere: a generator over any number of them, whose requests wait, move
// and are sent again as the scheduler says. Of kind ponder a completion is the very one that this
// process's engine would make, whatever server makes it and whatever fails on the way.
//
// A completion ends by the request's own rules, applied here to the ids as they come: a request is
// given up at the token where the engine would have ended it. What is delivered has passed
// check_tokens (answer.h); a chat's answer is text, as it came.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/monitor.h"
#include "fleet/ask.h"
#include "fleet/attempts.h"
#include "fleet/canary.h"
#include "fleet/scheduler.h"
#include "net/http_client.h"
#include "rollout/generator.h"
#include "rollout/repetition.h"
#include "tensor/precision.h"
#include "tokenizer/tokenizer.h"

namespace ponder::fleet {

struct FleetOptions {
  ServerKind kind = ServerKind::kPonder;
  std::vector<std::string> servers;    // addresses
  std::filesystem::path servers_file;  // more of them, one a line; read again when it changes
  std::string api_key_env;             // the name of an environment variable, "" for no key
  // The name that servers know the model by. "": for kPonder that of its weights, else the only one a server has.
  std::string served_model;
  // Of kPonder: provenance, copied into every completion, and what the server must have loaded.
  std::string model_sha256;
  tensor::Precision precision = tensor::Precision::kF32;
  // Of kinds that do not say the hash of their weights: what proves them, at its first contact, whenever it has
  // been away, and every rules.look_every. None: its model's name is believed.
  std::vector<Canary> canaries;
  rollout::RepetitionRule repetition;
  ChatSettings chat;                // of kOpenai; its model is served_model
  AttemptKeeper* keeper = nullptr;  // borrowed
  SchedulerRules rules;
  // Between two questions to a server at work how much waits there, where its kind says that; 0: none.
  Time load_every{5000};
  net::TransferLimits limits;
  net::HttpOptions http;
  uint64_t seed = 1;  // of delays
};

// What `ponder serve` calls the model of these weights, and how its system_fingerprint ends.
std::string served_name_of(std::string_view model_sha256);
std::string fingerprint_end_of(std::string_view model_sha256, tensor::Precision precision);

class Fleet : public rollout::Generator {
 public:
  // Borrows the tokenizer (null for kOpenai alone) and the monitor. Asks every server whether it is
  // there and which model it has. Throws Error for an address that is none, where no server answers, for a key that is not
  // taken and for a server that does not have the model; one that does not answer yet is tried again later.
  Fleet(const tokenizer::Tokenizer* tokenizer, FleetOptions options, Monitor& monitor);
  ~Fleet() override;

  void announce(const rollout::CompletionRequest& request, int64_t count) override;
  void submit(rollout::CompletionRequest request) override;
  void cancel(std::string_view id) override;
  // Throws Error (busy) when nothing more can be done now: no server answers, a key is refused. What is
  // done stays done.
  std::vector<rollout::GeneratorEvent> poll(std::chrono::milliseconds timeout) override;
  data::Partial sampled(std::string_view id, int64_t first) const override;
  int64_t room() const override;
  rollout::GeneratorLoad load() const override;

  // Looks once more, now, at every server that was asked since a look last found it good, and tells the keeper;
  // returns when that is done or *stop becomes true. Those that do not answer: unproven() has them still.
  void prove(const std::atomic<bool>* stop);
  std::vector<std::string> unproven() const;  // addresses

  // "served_model" of the options, as it was found.
  const std::string& served_model() const;
  // {"kind", "model", "attempts", "refused", "servers": [{"url", "state", "in_flight", "window", "sent", "retries",
  // "done", "failed", "full", "last_failure"}]}. state: "ready", "full" (it said so: left alone for a while),
  // "away" (after failures), "retired" (no longer named).
  Json report() const;
  // Why nothing more can be done now, once poll has thrown for it.
  std::optional<Scheduler::Stop> stop() const;
  // One line for people: how many requests, retries, failures.
  std::string summary() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ponder::fleet
