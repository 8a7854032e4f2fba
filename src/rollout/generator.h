// Whatever makes completions: the engine of this process, or a server elsewhere. Requests are
// independent of one another; sets that belong together are built on top (groups.h), never inside.
// A generator belongs to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "data/completion.h"
#include "rollout/completion_request.h"

namespace ponder::rollout {

// A token of a request with want_tokens, as it is sampled; not for the end token.
struct TokenSampled {
  int32_t id = 0;
  // What can be shown: whole characters, held back while they may become a stop string. The texts
  // of a completion's tokens, joined, are the beginning of Completion::text. That of a completion
  // that was begun earlier comes with its first new token.
  std::string text;
};

// What a request has behind its first `left` tokens is not its own after all: others come in their place.
struct TokensDropped {
  int64_t left = 0;
};

// Why a request came to nothing.
struct Failure {
  enum class Kind {
    kBusy,       // not taken now: try again; it costs no attempt
    kTransient,  // bad luck on the way: try again, so many times
    kPermanent,  // this request will never be answered
  };
  Kind kind = Kind::kPermanent;
  std::string message;
  std::chrono::milliseconds retry_after{0};  // not before; for the first two
};

struct GeneratorEvent {
  std::string request_id;
  // Completion and Failure end the request.
  std::variant<TokenSampled, TokensDropped, data::Completion, Failure> what;
};

inline bool ends_request(const GeneratorEvent& event) {
  return std::holds_alternative<data::Completion>(event.what) ||
         std::holds_alternative<Failure>(event.what);
}

// What a generator is at, for progress.
struct GeneratorLoad {
  int64_t running = 0;                            // requests that it works at
  int64_t sampled_tokens = 0, prompt_tokens = 0;  // computed since it was made
  std::vector<int64_t> unfinished;                // tokens so far of each open request
};

class Generator {
 public:
  virtual ~Generator() = default;

  // Says that up to `count` requests like this one will come: of its prompt's length, sampling and
  // stop rules. Throws Error, its `where` being request.id, if none can ever be served: so a closed
  // set is refused before its first token. Memory may be sized by it. Not required.
  virtual void announce(const CompletionRequest& request, int64_t count) = 0;
  // Throws Error like announce, and for an id that is open.
  virtual void submit(CompletionRequest request) = 0;
  // Its work is given up and no event of it is owed. An id that is not open is no error: its answer
  // may have been on the way.
  virtual void cancel(std::string_view id) = 0;
  // Works or waits until there is an event or the time is over, and returns what happened, in
  // order. Throws Error when the generator itself is broken.
  virtual std::vector<GeneratorEvent> poll(std::chrono::milliseconds timeout) = 0;
  // What an open request has so far, but its first `first` tokens. Nothing from a generator that
  // cannot tell.
  virtual data::Partial sampled(std::string_view id, int64_t first) const = 0;
  // How many more requests it could use now. More may be submitted: they wait inside.
  virtual int64_t room() const = 0;
  virtual GeneratorLoad load() const = 0;
};

}  // namespace ponder::rollout
