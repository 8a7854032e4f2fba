// A proxy in front of a real server that breaks a share of the exchanges, each in a way that is counted:
// what it lets through is real, so that results without it are the oracle of results with it. It passes
// events on as they come; a client that leaves is gone for the server too.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "testing/scripted_server.h"

namespace ponder::testing {

enum class Fault {
  // The server is not asked.
  kTooMany,           // 429
  kTooManyForMs,      // 429, "retry-after-ms: 20"
  kTooManyForSecond,  // 429, "Retry-After: 1"
  kTooManyUntilDate,  // 429, until a second from now as a date
  kServerError,       // 500
  kBadGateway,        // 502
  kUnavailable,       // 503
  kOverloaded,        // 529
  kHtml,              // 200 with a page
  kEmpty,             // 200 without a body
  kClosed,            // the connection ends before the head
  kReset,             // the same with a reset
  kLongHeader,        // a head of a megabyte
  kLengthTooLong,     // Content-Length of more than comes
  kLengthTooShort,    // and of less
  kEndless,           // a stream that does not end while the client listens
  // The stream that comes is broken.
  kSilence,        // a comment, and nothing more until the client leaves
  kNothing,        // a stream of no event that ends cleanly
  kResetInBody,    // a reset between two events
  kHalfClose,      // the server's sending half closes between two events
  kErrorEvent,     // an error in the stream
  kTornEvent,      // ends cleanly in the middle of an event
  kTornJson,       // an event with half of its JSON
  kBrokenText,     // an event that is no UTF-8
  kBetweenEvents,  // ends cleanly between two events
  kNoFinish,       // ends cleanly before the finish reason
  kUnknownFinish,  // a finish reason that nobody knows
  kAnotherId,      // an event of another answer
  kDrip,           // an event byte by byte
  kComments,       // blank lines and comments between events
  kNoDone,         // ends cleanly before [DONE]
  kClosedIdle,     // the connection closes once the answer is whole
  kUnasked,        // behind the answer comes one that nobody asked for
  // The same of answers with token ids, where the ids say it.
  kTwice,        // an event twice
  kLost,         // an event left out
  kSwapped,      // two events in the wrong order
  kNotANumber,   // a log-probability NaN
  kNoEndToken,   // the last id left out
  kEarlyLength,  // ends by "length" before its time
  kNoUsage,
  kCountOff,
  kZeroUsage,
  kAbsurdUsage,
  // It says something else, whole and in order.
  kOneId,  // an id changed, its text kept
  kAnotherPrompt,
  kAnotherModel,
  kAnotherArithmetic,
};

enum class FaultKind {
  kHarmless,  // the answer is whole all the same
  kPassing,   // none came that is whole: it is asked for again
  kOfTokens,  // the same, for whom token ids say so
  kLie,       // refused by name
};
std::vector<Fault> faults_of(const std::vector<FaultKind>& kinds);
std::string to_string(Fault fault);

class FaultProxy {
 public:
  struct Options {
    uint64_t seed = 1;
    double share = 0.2;  // of the exchanges with a body
    // Take turns, from `first` on; one that cannot be told with an answer waits for the next.
    std::vector<Fault> faults = faults_of({FaultKind::kHarmless, FaultKind::kPassing});
    size_t first = 0;
    std::optional<int> middle =
        {};  // the event at which a fault in the middle comes; one of the first
    // What becomes of an exchange, by its number, instead of the three above.
    std::function<std::optional<Fault>(int)> choose = {};
    // Called on the exchange's own thread before its event (both from 0) is passed on.
    std::function<void(int exchange, int event)> on_event = {};
  };
  // `server` says where the server listens at the moment.
  FaultProxy(std::function<uint16_t()> server, Options options);
  FaultProxy(uint16_t server, Options options)
      : FaultProxy([server] { return server; }, std::move(options)) {}

  std::string url() const { return proxy_.url(); }
  // How exchanges with a body ended: each in one of these ways, what is under way aside.
  std::map<std::string, int> broken() const;    // by to_string, those of kHarmless aside
  std::map<std::string, int> answered() const;  // whole, by the body of their request
  int num_left() const;                         // the client went first
  int num_lost() const;                         // the server did
  int num_exchanges() const;                    // all of them

  std::map<std::string, int> happened() const;  // by to_string, all of them

 private:
  // Whether the connection can carry another exchange.
  bool exchange(ScriptedConnection& client, const std::string& request);
  bool refuse(ScriptedConnection& client, Fault fault);
  bool stream(ScriptedConnection& client, class ServerAnswer& server, const std::string& body,
              int number, std::optional<Fault> fault);
  bool unfinished(ScriptedConnection& client);
  void serve(ScriptedConnection& client);
  void count(Fault fault);
  void wait_for_next(Fault fault);
  std::optional<Fault> choose(int number);

  const std::function<uint16_t()> server_;
  const Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, int> happened_, broken_, answered_;
  int num_exchanges_ = 0, num_left_ = 0, num_lost_ = 0;
  std::deque<Fault> turns_;
  ScriptedServer proxy_;  // the last: it serves with all the others
};

}  // namespace ponder::testing
