// What a run's rollouts offer for selection.
#pragma once

#include <string>
#include <vector>

#include "pipeline/selection.h"
#include "pool/pool.h"

namespace ponder::pipeline {

// The candidates among a stage's rollouts, in pool order.
std::vector<Candidate> candidates_of(const pool::Pool& pool, const std::string& stage);

// Those of all explorations and of what was imported. Throws Error where there are none.
std::vector<Candidate> all_candidates(const pool::Pool& pool);

// Throws Error where perplexities of several arithmetics stand side by side.
void require_one_arithmetic(const std::vector<Candidate>& candidates);

// `options` for these candidates: lengths are counted in bytes where the tokens of one of them are not
// known. Throws Error where the strategy asks for perplexities that are not known, or not of one
// arithmetic.
SelectionOptions fitting(SelectionOptions options, const std::vector<Candidate>& candidates);

}  // namespace ponder::pipeline
