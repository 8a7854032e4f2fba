// What servers answer, whatever their kind, read into one form; and what may be believed of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/scheduler.h"
#include "fleet/server_kind.h"
#include "net/sse.h"
#include "tokenizer/tokenizer.h"

namespace ponder::fleet {

struct TokenUsage {
  int64_t prompt = 0, completion = 0;
  int64_t cached = 0, reasoning = 0;  // of these
};

// So far, of one request.
struct Answer {
  std::vector<int32_t> token_ids;  // the end token too
  std::vector<float> logprobs;     // one a token, or none
  std::string text;                // of a chat: less its thought, where that has a field of its own
  std::string thought;
  std::optional<std::vector<int32_t>> prompt_ids;  // as the server had them
  std::string finish;                              // the server's word; "" while there is none
  std::string stop_reason;                         // likewise
  std::string refusal;                             // of a chat
  std::string id, model, fingerprint;
  std::optional<TokenUsage> usage;
};

// How a request came to nothing.
struct AnswerFailure : std::runtime_error {
  AnswerFailure(FailureClass c, const std::string& message)
      : std::runtime_error(message), kind(c) {}
  FailureClass kind;
};

// An answer's body, as it comes: events where it is a stream, else one JSON value.
class AnswerReader {
 public:
  AnswerReader(ServerKind kind, bool is_event_stream) : kind_(kind), is_stream_(is_event_stream) {}

  // Throws AnswerFailure for what is no answer of this kind, and for an error that the server sends.
  void push(std::string_view bytes);
  // No more will come. Throws AnswerFailure where the answer is not whole: a stream without its
  // finish reason, half a JSON value.
  void end();
  const Answer& answer() const { return answer_; }
  // An answer that is whole before the connection ends ("data: [DONE]").
  bool is_done() const { return done_; }

 private:
  ServerKind kind_;
  bool is_stream_, done_ = false;
  net::SseParser events_;
  std::string body_;
  Answer answer_;
};

// The JSON of one event, or of a whole answer, taken into what came before. Throws AnswerFailure.
void take_answer(ServerKind kind, std::string_view json, Answer& answer);

// What a word of a server's for the end of an answer means.
enum class AnswerEnd {
  kStop,
  kLength,
  kRepetition,
  kRefused,  // a filter's or a tool's: an answer, but none to use
  kCut,      // not the end
};
AnswerEnd answer_end(std::string_view word);

// Whether more tokens were billed than its text can have, and no thought came: the provider keeps it, or
// the server was not told to give it.
bool hides_thought(const Answer& chat);

// An answer that is none: its class and what it says, in a sentence.
struct HttpFailure {
  FailureClass kind = FailureClass::kBadLuck;
  std::string message;
  std::chrono::milliseconds retry_after{0};
};
// By status code and error.code, never by the words of a message. `headers` in lower case; `unix_now`
// in seconds, for dates.
HttpFailure http_failure(int status, const std::map<std::string, std::string>& headers,
                         std::string_view body, int64_t unix_now);
// "retry-after-ms", else "retry-after" in seconds or as a date; 0 for none.
std::chrono::milliseconds retry_after(const std::map<std::string, std::string>& headers,
                                      int64_t unix_now);

// What is cut may end within a character, which servers show or hold back as they like.
bool ends_within_character(std::string_view text);
std::string whole_characters(std::string text);  // without what may be half a one at its end
// Where one text is as far as the other goes, half a character aside.
bool agree_so_far(const std::string& mine, const std::string& theirs);

// What was asked, for check_tokens.
struct Expected {
  ServerKind kind;
  std::string model;                    // the name that was asked for
  std::span<const int32_t> prompt_ids;  // with what was sampled before
  std::span<const int32_t> stop_ids;
  const tokenizer::Tokenizer* tokenizer;
  // Of kPonder: how system_fingerprint ends; "" for any.
  std::string fingerprint_end = {};
};
// Whether the answer, as much as there is of it, was computed by the weights and in the arithmetic that it is to
// be of. What is wrong, or nothing.
std::optional<AnswerFailure> check_origin(const Answer& answer, const Expected& expected);
// Whether the token ids of an answer that ended may be trained on: its origin, the prompt that was meant, ids that
// are the text, as many as are billed, one of our end tokens at the end if and only if it stopped.
// What is wrong, or nothing.
std::optional<AnswerFailure> check_tokens(const Answer& answer, const Expected& expected);

}  // namespace ponder::fleet
