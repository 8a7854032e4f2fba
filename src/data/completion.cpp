#include "data/completion.h"

#include <algorithm>

namespace ponder::data {

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kRepetition:
      return "repetition";
  }
  return "stop";
}

std::optional<FinishReason> finish_reason_from_string(std::string_view text) {
  for (const auto reason :
       {FinishReason::kStop, FinishReason::kLength, FinishReason::kRepetition}) {
    if (text == to_string(reason)) return reason;
  }
  return std::nullopt;
}

std::string_view to_string(LogprobSource source) {
  switch (source) {
    case LogprobSource::kNone:
      return "none";
    case LogprobSource::kEngine:
      return "engine";
    case LogprobSource::kRescored:
      return "rescored";
  }
  return "none";
}

std::optional<LogprobSource> logprob_source_from_string(std::string_view text) {
  for (const auto source :
       {LogprobSource::kNone, LogprobSource::kEngine, LogprobSource::kRescored}) {
    if (text == to_string(source)) return source;
  }
  return std::nullopt;
}

void Partial::append(const Partial& more) {
  token_ids.insert(token_ids.end(), more.token_ids.begin(), more.token_ids.end());
  logprobs.insert(logprobs.end(), more.logprobs.begin(), more.logprobs.end());
}

void Partial::cut(int64_t size) {
  const auto most = static_cast<size_t>(size);
  if (token_ids.size() > most) token_ids.resize(most);
  if (logprobs.size() > most) logprobs.resize(most);
}

Partial partial_of(std::span<const int32_t> token_ids, std::span<const float> logprobs,
                   int64_t first) {
  token_ids = token_ids.subspan(std::min(static_cast<size_t>(first), token_ids.size()));
  logprobs = logprobs.subspan(std::min(static_cast<size_t>(first), logprobs.size()));
  return {{token_ids.begin(), token_ids.end()}, {logprobs.begin(), logprobs.end()}};
}

int64_t Completion::num_tokens() const {
  return token_ids ? static_cast<int64_t>(token_ids->size()) : usage.completion_tokens;
}

double Completion::logprob() const {
  double sum = 0;
  if (logprobs) {
    for (const float logprob : *logprobs) sum += static_cast<double>(logprob);
  }
  return sum;
}

}  // namespace ponder::data
