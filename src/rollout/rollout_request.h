// The samples wanted of one problem. The only place where a sample of a problem becomes a request
// for a completion, and a completion a rollout.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/rows.h"
#include "rollout/completion_request.h"

namespace ponder::rollout {

struct RolloutRequest {
  std::string problem_id;           // not twice in one run
  std::vector<int32_t> prompt_ids;  // see CompletionRequest
  std::vector<tokenizer::Message> messages;
  int num_samples = 1;  // sample indices 0 .. num_samples - 1
  data::SamplingSettings sampling;
  uint64_t seed = 1;
  std::vector<int32_t> stop_ids;
  std::vector<std::string> stop_strings;
  // What the prompt ends with of the response ("<think>\n"): a rollout's text begins with it,
  // its token ids do not hold it.
  std::string response_prefix;
  std::string template_sha256;   // provenance, copied into every rollout
  std::optional<bool> thinking;  // likewise: how the prompt was rendered (TemplateChoice)
  int64_t expected_tokens = 0;   // length of a completion, where known: long ones are begun first
  // Samples that an earlier run delivered. They are not made again, but a rule for complete groups
  // sees them.
  std::vector<data::Rollout> done;
  // What an earlier run has of the others, by sample: they go on from there.
  std::map<int, data::Partial> begun;
};

// The id of a sample's request, unique among the samples of problems with different ids.
std::string completion_id(const RolloutRequest& request, int sample);
// Its seed key is (seed, problem id, sample).
CompletionRequest completion_request(const RolloutRequest& request, int sample);
// Everything about a finished sample but its verdict. A completion without token ids or
// log-probabilities gives a rollout without them.
data::Rollout rollout_of(const RolloutRequest& request, int sample, data::Completion completion);

}  // namespace ponder::rollout
