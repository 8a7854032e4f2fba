// What a server says of its own load at /metrics, in Prometheus' text format. Servers of these kinds never say that they have
// too much to do (429): they let requests wait, and throw away the keys and values of some that run.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "fleet/server_kind.h"

namespace ponder::fleet {

struct ServerLoad {
  int64_t waiting = 0;  // requests, now
  int64_t preempted =
      0;  // requests whose keys and values were thrown away, since the server started
};

// vLLM's num_requests_waiting and num_preemptions_total, SGLang's num_queue_reqs and num_retracted_requests_total (where it was started
// with --enable-metrics), llama-server's requests_deferred (--metrics).
bool says_load(ServerKind kind);
// Over all of the server's engines. Nothing where none of these stands there.
std::optional<ServerLoad> read_load(ServerKind kind, std::string_view metrics);

}  // namespace ponder::fleet
