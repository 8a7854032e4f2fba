// A completion: what a generator made of a prompt, whoever the generator is and whatever the prompt
// was of.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/precision.h"

namespace ponder::data {

enum class FinishReason { kStop, kLength, kRepetition };
std::string_view to_string(FinishReason reason);  // "stop", "length", "repetition"
std::optional<FinishReason> finish_reason_from_string(std::string_view text);

// Whose the log-probabilities of a completion are.
enum class LogprobSource {
  kNone,      // there are none
  kEngine,    // recorded by our own engine while it sampled: the trainer's, to the bit
  kRescored,  // computed afterwards by our own forward
};
std::string_view to_string(LogprobSource source);  // "none", "engine", "rescored"
std::optional<LogprobSource> logprob_source_from_string(std::string_view text);

// What has been sampled of a completion that is not finished: a generator goes on behind it, to the
// completion that it would have made in one go.
struct Partial {
  std::vector<int32_t> token_ids;
  std::vector<float> logprobs;  // one a token, or none

  bool empty() const { return token_ids.empty(); }
  int64_t size() const { return static_cast<int64_t>(token_ids.size()); }
  void append(const Partial& more);
  void cut(int64_t size);  // leaves that many of its tokens, where there are more
};
// All tokens of these but the first `first`; there may be fewer.
Partial partial_of(std::span<const int32_t> token_ids, std::span<const float> logprobs,
                   int64_t first);

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
  std::optional<std::vector<float>> logprobs;  // none without token_ids
  LogprobSource logprob_source = LogprobSource::kNone;
  FinishReason finish_reason = FinishReason::kStop;
  Usage usage;
  std::string model_sha256;  // of the weights, "" where nobody can know
  // In which our engine computed the log-probabilities, and so drew the tokens.
  tensor::Precision precision = tensor::Precision::kF32;
  std::string endpoint;  // of the server that made it, "" for this program's engine

  // Tokens of the completion: as many as there are ids, else what `usage` says.
  int64_t num_tokens() const;
  double logprob() const;  // the sum of logprobs, in their order; 0 without any
};

}  // namespace ponder::data
