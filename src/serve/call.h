// A request for completions as its endpoint understands it: a pure function of the body and the model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "data/rows.h"
#include "serve/served_model.h"
#include "tokenizer/chat_template.h"

namespace ponder::serve {

// What a client is answered: a status, and the field and the code of the API's error.
class CallError : public Error {
 public:
  CallError(int status, std::string param, std::string code, const std::string& problem)
      : Error(ErrorKind::kInput, param, problem), status_(status), code_(std::move(code)) {}
  int status() const { return status_; }
  const std::string& code() const { return code_; }

 private:
  int status_;
  std::string code_;
};

struct Call {
  bool chat = false;
  std::string model;                          // as the client named it
  std::vector<std::vector<int32_t>> prompts;  // one of a chat; up to kMaxPrompts
  // Of each prompt, its last ids are the completion's first, sampled in an earlier call: its random
  // numbers go on behind them.
  int64_t position = 0;
  int64_t tokens_per_event = 1;     // of a stream: tokens wait until there are so many, or the end
  int n = 1;                        // completions of each prompt
  data::SamplingSettings sampling;  // max_tokens: of what is new; 0: none (echo alone)
  // The address in the random numbers (rollout::SeedKey): ponder generate's --seed, the problem's id
  // ("prompt" for --prompt), the first sample.
  uint64_t seed = 0;
  std::string problem_id = "prompt";
  int sample = 0;
  std::vector<int32_t> stop_ids;
  std::vector<std::string> stop;
  bool stream = false, include_usage = false, return_token_ids = false;
  bool echo = false;
  bool logprobs = false;
  int top_logprobs = 0;
  bool tokens_as_ids = false;  // in the lists of logprobs a token is "token_id:N", not its text
  // What the prompt ends with of the response ("<think>\n"), for chats.
  std::string response_prefix;
  std::vector<std::string> ignored;  // fields that changed nothing
};

inline constexpr int kMaxPrompts = 64, kMaxCompletions = 16, kMaxStops = 8, kMaxTopLogprobs = 20;
inline constexpr int64_t kMostTokensPerEvent = 1024;
inline constexpr size_t kMaxMessages = 4096;

// Throw Error or CallError; `random_seed` is taken where the body has none.
Call completions_call(const Json& body, const ServedModel& model, uint64_t random_seed);
Call chat_call(const Json& body, const ServedModel& model, uint64_t random_seed);

// The "messages" of a body.
std::vector<tokenizer::Message> messages_of(const Json& body);
// The body of /tokenize, /detokenize, /apply-template: vLLM's form and llama-server's.
Json tokenize(const Json& body, const ServedModel& model);
Json detokenize(const Json& body, const ServedModel& model);
Json apply_template(const Json& body, const ServedModel& model);

}  // namespace ponder::serve
