// A completion: what is asked of a generator and what it answers. Nothing here knows of problems,
// groups, pages or connections.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/logprob_source.h"
#include "data/rows.h"
#include "tokenizer/chat_template.h"

namespace ponder::rollout {

// What a completion's random numbers are a function of, beside the position of each.
struct SeedKey {
  uint64_t seed = 1;
  std::string name;  // a name for what is completed, e.g. a problem's id
  int index = 0;     // among the completions of that name
};

// A rule of the caller's: whether the completion ends with its last token. A pure function of the
// token ids so far.
using StopCondition = std::function<bool(std::span<const int32_t> token_ids)>;

struct CompletionRequest {
  std::string id;  // the caller's, of one open request at a time
  // The prompt as tokens, or, for generators with a chat template of their own, as messages. Where
  // both are there the tokens decide.
  std::vector<int32_t> prompt_ids;
  std::vector<tokenizer::Message> messages;
  data::SamplingSettings sampling;
  SeedKey seed_key;
  // What ends it beside sampling.max_tokens and loops; each counts as FinishReason::kStop.
  std::vector<int32_t> stop_ids;  // end tokens: the sampled one belongs to token_ids, not to text
  std::vector<std::string> stop_strings;  // in the completion's text, across tokens; none empty
  StopCondition stop_condition;           // may be empty
  bool want_logprobs = false;
  bool want_tokens = false;  // tokens as they are sampled, as events
  // Hints, which change the speed and nothing else.
  int64_t expected_tokens = 0;  // of the completion, where known: long ones are begun first
  bool prompt_returns = false;  // a request with this very prompt will follow
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;  // end token included
};

struct Completion {
  // Decoded, without the end token, and cut before the first stop string where one ended it; ""
  // from a generator without a tokenizer.
  std::string text;
  // All that was sampled, whatever the text leaves out: the end token, and the tokens that a stop
  // string stands in. So the sum of `logprobs` (one per token, of the model itself at temperature
  // 1) is the log-probability of `token_ids` after the prompt.
  std::optional<std::vector<int32_t>> token_ids;
  std::optional<std::vector<float>> logprobs;
  data::LogprobSource logprob_source = data::LogprobSource::kNone;
  data::FinishReason finish_reason = data::FinishReason::kStop;
  Usage usage;
  std::string model_sha256;  // of the weights, "" where nobody can know
};

}  // namespace ponder::rollout
