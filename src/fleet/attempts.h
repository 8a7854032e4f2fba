// What becomes of the requests to a chat endpoint, attempt by attempt, for whoever must know it before it
// counts: answers that were paid for.
#pragma once

#include <cstdint>
#include <string>

#include "fleet/answer.h"
#include "rollout/generator.h"

namespace ponder::fleet {

// Requests are named by CompletionRequest::id. Called on the fleet's own thread.
class AttemptKeeper {
 public:
  virtual ~AttemptKeeper() = default;

  // What the request costs at the most, in units of money.
  virtual int64_t worst_cost(const rollout::CompletionRequest& request) = 0;
  // It goes to this server once keep() has returned.
  virtual void sending(const std::string& id, const std::string& server) = 0;
  // Its answer came whole. Returns what it cost, or may have cost.
  virtual int64_t answered(const std::string& id, const Answer& answer) = 0;
  struct Failed {
    FailureClass kind = FailureClass::kBadLuck;
    std::string message;
    bool was_asked = true;  // it may cost: the request left this machine
    bool again = false;     // it will be sent again
  };
  virtual void failed(const std::string& id, const Failed& failure) = 0;
  // What was told so far is on the disk when it returns. Called before bytes leave, and before an answer
  // becomes an event.
  virtual void keep() = 0;
};

}  // namespace ponder::fleet
