#include "pipeline/candidates.h"

#include "tokenizer/thought_format.h"

namespace ponder::pipeline {
namespace {

Candidate candidate_of(const pool::StoredRollout& stored) {
  const data::Rollout& t = stored.rollout;
  Candidate c;
  c.id = stored.id;
  c.problem_id = t.problem_id;
  c.sample = t.sample;
  c.verdict = t.verdict.value_or(judge::Verdict::kUndecided);
  c.finish_reason = t.completion.finish_reason;
  c.well_formed =
      tokenizer::parse_thought(t.completion.text).fault == tokenizer::ThoughtFault::kNone;
  c.num_tokens = t.completion.num_tokens();
  c.perplexity = t.perplexity.value_or(0);
  return c;
}

}  // namespace

std::vector<Candidate> candidates_of(const pool::Pool& pool, const std::string& stage) {
  std::vector<Candidate> candidates;
  pool.for_each_rollout(
      {.stage = stage, .with_tokens = false},
      [&](const pool::StoredRollout& stored) { candidates.push_back(candidate_of(stored)); });
  return candidates;
}

}  // namespace ponder::pipeline
