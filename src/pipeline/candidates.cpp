#include "pipeline/candidates.h"

#include <algorithm>
#include <map>

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

// In the order of the sources, which is that of the pool unless problems came later.
std::vector<Candidate> candidates_of(const pool::Pool& pool, const std::string& stage) {
  std::vector<Candidate> candidates;
  pool.for_each_rollout(
      {.stage = stage, .with_tokens = false},
      [&](const pool::StoredRollout& stored) { candidates.push_back(candidate_of(stored)); });
  std::map<std::string, size_t> place;
  for (const pool::SourceRecord& source : pool.sources()) {
    if (source.role != pool::SourceRecord::Role::kProblems) continue;
    for (const data::Problem& problem : pool.problems_of(source.id))
      place.emplace(problem.id, place.size());
  }
  const auto place_of = [&](const Candidate& c) {
    const auto found = place.find(c.problem_id);
    return found == place.end() ? place.size() : found->second;
  };
  std::stable_sort(
      candidates.begin(), candidates.end(),
      [&](const Candidate& a, const Candidate& b) { return place_of(a) < place_of(b); });
  return candidates;
}

}  // namespace ponder::pipeline
