// What becomes of the requests to servers, attempt by attempt, and what is found of the servers, for whoever
// keeps that: of chats before it counts, since they were paid for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fleet/answer.h"
#include "rollout/generator.h"

namespace ponder::fleet {

// How it is known which weights a server has.
enum class Proof {
  kHash,     // it says their hash, of every answer too
  kRight,    // by what it answers (canary.h)
  kRounded,  // right, but of fewer bits
  kName,     // by the name that it gives them alone
  kWrong,    // they are others, or it has no model of that name
};
std::string_view to_string(Proof proof);  // "hash", "right", "rounded", "name", "wrong"

// Requests are named by CompletionRequest::id. Called on the fleet's own thread.
class AttemptKeeper {
 public:
  virtual ~AttemptKeeper() = default;

  // What the request costs at the most, in units of money.
  virtual int64_t worst_cost(const rollout::CompletionRequest& /*request*/) { return 0; }
  // It goes to this server once keep() has returned, to go on behind its first `num_tokens` tokens.
  virtual void sending(const rollout::CompletionRequest& request, int64_t num_tokens,
                       const std::string& server) = 0;
  // Its answer came whole and passed all checks. num_tokens: that this attempt brought of it. Returns what it
  // cost, or may have cost.
  virtual int64_t answered(const std::string& id, const Answer& answer, int64_t num_tokens) = 0;
  struct Failed {
    FailureClass kind = FailureClass::kBadLuck;
    std::string message;
    bool was_asked = true;   // it may cost: the request left this machine
    bool again = false;      // it will be sent again
    int64_t num_tokens = 0;  // that came and that the next attempt goes on from
    std::string answer =
        {};  // of one that is not sent again: what came, to look at (answer_excerpt.h)
  };
  virtual void failed(const std::string& id, const Failed& failure) = 0;
  // A server is looked at: at first contact, when it has been away, and every SchedulerRules::look_every. Where
  // it is proven by what it answers and found wrong, nothing of it counts that came since the last look
  // began that found it right; what was on its way has failed() before.
  virtual void looking_at(const std::string& /*server*/) {}
  struct Looked {
    std::string server, model;  // the name that was asked for
    Proof proof = Proof::kName;
    std::string found;  // for people
  };
  virtual void looked_at(const Looked& /*looked*/) {}
  // What was told so far is on the disk when it returns, where it must be. Called before bytes leave, and before
  // an answer becomes an event.
  virtual void keep() = 0;
};

}  // namespace ponder::fleet
