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
  completion.want_logprobs = true;
  completion.expected_tokens = request.expected_tokens;
  return completion;
}

data::Trajectory trajectory_of(const RolloutRequest& request, int sample, Completion completion) {
  const auto& ids = request.prompt_ids;
  data::Trajectory trajectory;
  trajectory.problem_id = request.problem_id;
  trajectory.sample = sample;
  trajectory.seed = request.seed;
  trajectory.sampling = request.sampling;
  trajectory.model_sha256 = std::move(completion.model_sha256);
  trajectory.template_sha256 = request.template_sha256;
  trajectory.prompt_sha256 =
      sha256_hex({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)});
  trajectory.prompt_ids = ids;
  if (completion.token_ids) trajectory.token_ids = *std::move(completion.token_ids);
  if (completion.logprobs) trajectory.logprobs = *std::move(completion.logprobs);
  for (const float logprob : trajectory.logprobs) trajectory.logprob += logprob;
  trajectory.finish_reason = completion.finish_reason;
  trajectory.text = request.response_prefix + completion.text;
  tokenizer::ThoughtParts parts = tokenizer::parse_thought(trajectory.text);
  trajectory.thought = std::move(parts.thought);
  trajectory.solution = std::move(parts.solution);
  return trajectory;
}

}  // namespace ponder::rollout
