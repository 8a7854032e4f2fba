// What a run's rollouts offer for selection.
#pragma once

#include <string>
#include <vector>

#include "pipeline/selection.h"
#include "pool/pool.h"

namespace ponder::pipeline {

// The candidates among a stage's rollouts, in pool order.
std::vector<Candidate> candidates_of(const pool::Pool& pool, const std::string& stage);

}  // namespace ponder::pipeline
