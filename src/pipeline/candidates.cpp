#include "pipeline/candidates.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "pool/stage_result.h"
#include "synth/check.h"
#include "tokenizer/thought_format.h"

namespace ponder::pipeline {
namespace {

Candidate candidate_of(const pool::StoredRollout& stored, const data::Problem* problem) {
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
  c.num_bytes = static_cast<int64_t>(t.completion.text.size());
  c.perplexity = t.perplexity.value_or(0);
  if (problem) {
    c.domain = problem->domain;
    if (const auto check = synth::check_thought(*problem, t.thought))
      c.true_thought = check->is_true();
  }
  c.perplexity_precision = t.perplexity_precision;
  return c;
}

}  // namespace

void require_one_arithmetic(const std::vector<Candidate>& candidates) {
  std::map<tensor::Precision, int64_t> rollouts;
  for (const Candidate& c : candidates) {
    if (c.perplexity > 0) ++rollouts[c.perplexity_precision];
  }
  if (rollouts.size() < 2) return;
  std::vector<std::string> found;
  for (const auto& [precision, count] : rollouts)
    found.push_back(fmt::format("{} of {}", count, tensor::to_string(precision)));
  throw Error("perplexity",
              fmt::format("expected rollouts of one arithmetic, found {}, whose numbers are not to "
                          "be compared",
                          fmt::join(found, " and ")),
              "ponder score --model DIR --data POOL computes all of them anew, in one");
}

// In the order of the sources, which is that of the pool unless problems came later.
std::vector<Candidate> candidates_of(const pool::Pool& pool, const std::string& stage) {
  std::vector<Candidate> candidates;
  std::optional<data::Problem> asked;  // of rollouts that come one after the other
  pool.for_each_rollout({.stage = stage, .with_tokens = false},
                        [&](const pool::StoredRollout& stored) {
                          const std::string& id = stored.rollout.problem_id;
                          if (!asked || asked->id != id) asked = pool.problem(id);
                          candidates.push_back(candidate_of(stored, asked ? &*asked : nullptr));
                        });
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

std::vector<Candidate> all_candidates(const pool::Pool& pool) {
  std::vector<Candidate> all;
  for (const pool::StageRecord& stage : pool.stages()) {
    if (stage.kind != pool::stage_kind::kExplore && stage.kind != pool::stage_kind::kImport)
      continue;
    for (Candidate& candidate : candidates_of(pool, stage.name))
      all.push_back(std::move(candidate));
  }
  if (all.empty()) {
    throw Error("run.db", "has no explored or imported rollouts yet",
                "run it until explore-1, or import some");
  }
  return all;
}

SelectionOptions fitting(SelectionOptions options, const std::vector<Candidate>& candidates) {
  const auto count = [&](const auto& is_so) {
    return std::count_if(candidates.begin(), candidates.end(), is_so);
  };
  options.length_in_bytes = count([](const Candidate& c) { return c.num_tokens == 0; }) > 0;
  const auto unknown = count([](const Candidate& c) {
    return c.perplexity == 0 && c.verdict == judge::Verdict::kCorrect;
  });
  if (asks_perplexity(options) && unknown > 0) {
    throw Error(options.perplexity_band.is_all()
                    ? "--strategy " + std::string(to_string(options.strategy))
                    : "--perplexity-band",
                fmt::format("the perplexity of {} correct rollouts is not known", unknown),
                "ponder score --model DIR --data POOL computes it");
  }
  if (asks_perplexity(options)) require_one_arithmetic(candidates);
  return options;
}

}  // namespace ponder::pipeline
