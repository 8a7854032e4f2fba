// When a completion ends, and with what text: a pure function of the request and the tokens so far,
// so that it is the same in any batch and behind any connection.
//
// Looked at after every token, in this order: an end token (stop); the text holds a stop string
// (stop); the caller's condition (stop); max_tokens (length); a loop (repetition, see
// repetition.h). A stop string counts from the first token after which the text holds it whole; the
// text is then cut before the first place where one stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "rollout/completion_request.h"
#include "rollout/repetition.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace ponder::rollout {

class StopRule {
 public:
  // Borrows all three. `tokenizer` may be null for a request without stop strings and want_tokens;
  // texts are then empty. Throws Error for an empty stop string, or one without a tokenizer.
  StopRule(const CompletionRequest& request, const RepetitionRule& repetition,
           const tokenizer::Tokenizer* tokenizer);

  // After each token: `token_ids` are all so far. The reason if the completion ends with the last.
  std::optional<data::FinishReason> push(std::span<const int32_t> token_ids);
  bool is_stop_id(int32_t id) const;
  // With want_tokens: what can be shown since the last call (TokenSampled::text).
  std::string take_text();
  // Of the completion that has ended (Completion::text).
  std::string text(std::span<const int32_t> token_ids) const;

 private:
  bool find_stop_string(size_t num_new_bytes);

  const CompletionRequest* request_;
  const RepetitionRule* repetition_;
  const tokenizer::Tokenizer* tokenizer_;
  std::optional<tokenizer::StreamDecoder> decoder_;  // where text is looked at on the way
  std::string text_;                                 // decoded so far
  size_t taken_ = 0;                                 // bytes of it that take_text has returned
  std::optional<size_t> cut_;                        // where a stop string begins
};

}  // namespace ponder::rollout
