// Accuracy against a budget of thought: a thought that is longer is ended by force, with the tags that end
// it, and the model answers from what it has. What was thought until then is the beginning of a response
// that is there already, so only answers are sampled anew.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/model_text.h"
#include "eval/benchmark.h"
#include "rollout/rollout_request.h"

namespace ponder::eval {

// What ends a thought, and begins the solution where the form has a tag for it.
struct ThoughtEnd {
  std::string open;  // a response thinks where it has this
  std::string close, text;
  std::vector<int32_t> ids;  // of text
};
ThoughtEnd thought_end(const data::ModelText& text);

// A rollout whose thought is not over after `budget` tokens: its request goes on behind the forced end.
struct ForcedAnswer {
  size_t problem = 0;
  int sample = 0;
  std::string head;                 // the response's text before what is sampled now
  rollout::RolloutRequest request;  // of one sample, named after problem and sample
};

// `requests[i]` is for problem i, `rollouts` its samples, in any order. `answer_tokens`: of each answer, at
// most; fewer where the model has no more positions (`positions`). A response without a thought stays.
std::vector<ForcedAnswer> forced_answers(std::span<const rollout::RolloutRequest> requests,
                                         std::span<const data::Rollout> rollouts, int64_t budget,
                                         int64_t answer_tokens, int64_t positions,
                                         const ThoughtEnd& end,
                                         const tokenizer::Tokenizer& tokenizer);

struct BudgetScore {
  int64_t budget = 0;  // tokens of thought
  int64_t forced = 0;  // responses that were ended by it
  Accuracy accuracy;
};
Json to_json(const BudgetScore& score);

// The score where those answers take the place of their responses. Nothing when *stop was set.
std::optional<BudgetScore> score_at_budget(rollout::Generator& generator,
                                           std::span<const data::Problem> problems,
                                           const BenchmarkResult& full, int64_t budget,
                                           std::vector<ForcedAnswer> forced,
                                           const BenchmarkOptions& options,
                                           const std::atomic<bool>* stop = nullptr);

}  // namespace ponder::eval
