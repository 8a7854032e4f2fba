// The OpenAI API of a model: routes, the jobs behind them, and their end. One thread for
// connections (net::Listener), one for the engine.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "generate/inference_model.h"
#include "net/listener.h"
#include "serve/served_model.h"

namespace ponder::serve {

struct ServerOptions {
  net::ListenerOptions listen;  // its open_paths and on_refused are the server's
  int max_batch = 64;           // completions at once
  int max_queue = 256;          // completions that may wait beside them; beyond, 429
  int64_t kv_cache_bytes = int64_t{2} << 30;
  std::vector<std::string> aliases;
  bool any_name = false, strict = false;
  ReasoningFormat reasoning = ReasoningFormat::kBoth;
  data::SamplingSettings defaults;
  std::optional<uint64_t> seed;  // of the seeds of requests that give none; none: of the machine
  // Told of each answer, in one line; from several threads.
  std::function<void(const std::string& line)> log;
};

class Server {
 public:
  // Borrows the model. Listens once it returns. Throws Error as Listener does, and where the
  // cache has no room for a single completion.
  Server(generate::InferenceModel& model, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string url() const;
  uint16_t port() const;
  const ServedModel& model() const;

  // Takes no more requests, lets those that run finish, and after `limit` tells what is left that
  // the server ends. False if there was some.
  bool drain(std::chrono::milliseconds limit);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ponder::serve
