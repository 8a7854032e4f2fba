// Log-probabilities of rollouts that came without them, as those of servers of other kinds do: they
// are computed by our own forward when something first reads them, and kept in the pool with their
// source ("rescored"). Internal to pipeline.
#pragma once

#include <functional>
#include <vector>

#include "generate/scorer.h"
#include "pipeline/selection.h"
#include "pipeline/stage.h"

namespace ponder::pipeline {

// Of the candidates that are `wanted` and whose perplexity is not known: computes their tokens'
// log-probabilities under the model that sampled them, in the recipe's arithmetic, and keeps these and the
// perplexity in the pool and in `candidates`. In pieces, each whole in the pool: what is there is not
// computed again. False when stopped.
bool score_missing(const StageContext& context, std::vector<Candidate>& candidates,
                   const std::function<bool(const Candidate&)>& wanted);

// The tokens of a stored rollout as a row to score: prompt and completion. Throws Error where they are
// missing.
generate::ScoreRow score_row_of(const pool::Pool& pool, int64_t rollout);

}  // namespace ponder::pipeline
