// A proxy in front of a real server that breaks a share of the exchanges, each in a way that is counted:
// what it lets through is real, so that results without it are the oracle of results with it.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "testing/scripted_server.h"

namespace ponder::testing {

enum class Fault {
  kTooMany,       // 429, "Retry-After: 0"
  kTooManyForMs,  // 429, "retry-after-ms: 20"
  kUnavailable,   // 503
  kServerError,   // 500
  kHtml,          // 200 with a page
  kEmpty,         // 200 without a body
  kClosed,        // the connection ends before the head
  kReset,         // the same with a reset
  kResetInBody,   // half of the answer, then a reset
  kSilence,       // a comment, and nothing more until the client leaves
  kTornEvent,     // ends cleanly in the middle of an event
  kNoEnd,         // ends cleanly before the finish reason
  kErrorEvent,    // half of the answer, then an error in the stream
};
const std::vector<Fault>& all_faults();
std::string to_string(Fault fault);

class FaultProxy {
 public:
  struct Options {
    uint64_t seed = 1;
    double share = 0.2;                        // of the exchanges with a body
    std::vector<Fault> faults = all_faults();  // take turns
  };
  FaultProxy(uint16_t server_port, Options options);

  std::string url() const { return proxy_.url(); }
  std::map<std::string, int> happened() const;  // by to_string
  // Answers that were given whole, by the body of their request.
  std::map<std::string, int> answered() const;
  int num_exchanges() const;  // with a body

 private:
  void serve(ScriptedConnection& client);
  // False where the connection is over.
  bool exchange(ScriptedConnection& client, const std::string& request);
  bool break_off(ScriptedConnection& client, const std::string& request, Fault fault);

  const uint16_t server_port_;
  const Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, int> happened_, answered_;
  int num_exchanges_ = 0;
  size_t num_faults_ = 0;
  ScriptedServer proxy_;  // the last: it serves with all the others
};

}  // namespace ponder::testing
