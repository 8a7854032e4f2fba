// What is asked of a generator. Nothing here knows of problems, groups, pages or connections.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

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
  data::Partial begun;  // what was sampled of it earlier: its first tokens, not sampled again
  bool want_logprobs = false;
  bool want_tokens = false;  // tokens as they are sampled, as events
  // Hints, which change the speed and nothing else.
  int64_t expected_tokens = 0;  // of the completion, where known: long ones are begun first
  bool prompt_returns = false;  // a request with this very prompt will follow
};

}  // namespace ponder::rollout
