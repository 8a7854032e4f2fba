// What a run asked of servers and what came of it, from its pool: for `ponder status`, the report and the
// dashboard.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "pool/pool.h"
#include "report/markup.h"

namespace ponder::report {

// Of one server in one stage. What is asked is one of what follows, but for what is on its way and was not
// kept yet.
struct ServerRequests {
  // Why requests came to nothing. Reasons that differ in their numbers alone (statuses aside) are one, told
  // by the first.
  struct Reason {
    pool::AttemptRecord::Outcome outcome = pool::AttemptRecord::Outcome::kFailed;
    std::string text;
    int64_t count = 0;
  };
  std::string stage, server;
  int64_t asked = 0, answered = 0, full = 0, failed = 0, refused = 0, withdrawn = 0, begun = 0;
  int64_t num_tokens = 0;            // that came and count
  std::vector<Reason> reasons = {};  // the most frequent first
};
// In the order in which they were first asked.
std::vector<ServerRequests> server_requests(const pool::Pool& pool);

Json to_json(const ServerRequests& requests);
// "http://gpu1:8321: asked 1,210 times: 1,200 answered, 10 failed; 98,765 tokens", and a line for each of the
// most frequent reasons.
std::vector<std::string> server_lines(const ServerRequests& requests);
// All of them; empty where there are none.
Markup servers_section(std::span<const ServerRequests> requests);

}  // namespace ponder::report
