#include "rollout/rollout_request.h"

#include <fmt/format.h>

#include <utility>

#include "base/hash.h"
#include "tokenizer/thought_format.h"

namespace ponder::rollout {

std::string completion_id(const RolloutRequest& request, int sample) {
  return fmt::format("{}#{}", request.problem_id, sample);
}

CompletionRequest completion_request(const RolloutRequest& request, int sample) {
  CompletionRequest completion;
  completion.id = completion_id(request, sample);
  completion.prompt_ids = request.prompt_ids;
  completion.messages = request.messages;
  completion.sampling = request.sampling;
  completion.seed_key = {request.seed, request.problem_id, sample};
  completion.stop_ids = request.stop_ids;
  completion.stop_strings = request.stop_strings;
  if (const auto begun = request.begun.find(sample); begun != request.begun.end())
    completion.begun = begun->second;
  completion.want_logprobs = true;
  completion.expected_tokens = request.expected_tokens;
  return completion;
}

data::Rollout rollout_of(const RolloutRequest& request, int sample, data::Completion completion) {
  const auto& ids = request.prompt_ids;
  data::Rollout rollout;
  rollout.problem_id = request.problem_id;
  rollout.sample = sample;
  rollout.seed = request.seed;
  rollout.sampling = request.sampling;
  rollout.template_sha256 = request.template_sha256;
  rollout.thinking = request.thinking;
  rollout.prompt_sha256 =
      sha256_hex({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)});
  rollout.prompt_ids = ids;
  completion.text.insert(0, request.response_prefix);
  tokenizer::ThoughtParts parts = tokenizer::parse_thought(completion.text);
  rollout.thought = std::move(parts.thought);
  rollout.solution = std::move(parts.solution);
  rollout.completion = std::move(completion);
  return rollout;
}

}  // namespace ponder::rollout
