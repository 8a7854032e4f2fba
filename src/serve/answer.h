// Completions as the JSON of the OpenAI API, whole and as events of a stream: functions of a call and
// of what came.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/completion.h"
#include "generate/scorer.h"
#include "serve/call.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/thought_stream.h"

namespace ponder::serve {

// A completion of a call: what is new of it, behind Call::position.
struct Choice {
  int index = 0;                   // of the answer's choices: prompt * n + sample
  std::vector<int32_t> token_ids;  // the end token included
  std::vector<float> logprobs;
  std::string text;
  data::FinishReason reason = data::FinishReason::kStop;
  // With echo: of the prompt but its first token; and the likeliest tokens, for those of the prompt
  // but its first (with echo) and of the completion.
  std::vector<float> prompt_logprobs;
  std::vector<std::vector<generate::TokenScore>> likeliest;
};

// Of a finished completion of the generator, for choice `index` of the call.
Choice choice_of(const Call& call, int index, const data::Completion& completion,
                 const ServedModel& model);

// What is the same in every event and answer of a call.
struct AnswerHead {
  std::string id;  // "cmpl-" or "chatcmpl-" and 24 hexadecimal digits
  int64_t created = 0;
};

Json whole_answer(const Call& call, const AnswerHead& head, std::span<const Choice> choices,
                  const ServedModel& model);
Json usage_of(const Call& call, std::span<const Choice> choices, const ServedModel& model);

// "data: {…}\n\n"
std::string event_of(const Json& json);
std::string usage_event(const Call& call, const AnswerHead& head, std::span<const Choice> choices,
                        const ServedModel& model);

// The events of one choice.
class ChoiceEvents {
 public:
  // Borrows all but the index.
  ChoiceEvents(const Call& call, const AnswerHead& head, int index, const ServedModel& model);

  // Tokens that came, and the text that can be shown of them and those before (TokenSampled::text; not
  // looked at where the call has a position). "" where there is nothing to say yet.
  std::string tokens(std::string_view text, std::span<const int32_t> token_ids,
                     std::span<const float> logprobs);
  // The rest of a finished one, of which `num_tokens` have been given, and its end.
  std::string finish(const Choice& choice);

 private:
  Json delta(std::string_view text, bool last);
  std::string event(Json delta, std::span<const int32_t> token_ids, std::span<const float> logprobs,
                    const Choice* ended);

  const Call* call_;
  const AnswerHead* head_;
  const ServedModel* model_;
  int index_;
  bool begun_ = false;
  size_t num_tokens_ = 0, num_bytes_ = 0;
  size_t num_told_ = 0;  // token ids
  tokenizer::ThoughtStream parts_;
  tokenizer::StreamDecoder decoder_;
  // With log-probabilities of a text: characters before the next token.
  tokenizer::StreamDecoder offset_decoder_;
  int64_t text_offset_ = 0;
};

}  // namespace ponder::serve
