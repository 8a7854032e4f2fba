// Which problems of a round are explored: by how often the round's model solves them. Internal to this
// folder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/rows.h"
#include "pipeline/recipe.h"
#include "pool/pool.h"

namespace ponder::pipeline {

class TomlSection;

std::string_view to_string(Pick pick);  // "all", "hard", "not-hard", "band"

// The keys hard_only, pick, hard_below, pass_rate, retry_unsolved and the table screen of [explore].
void read_hardness(TomlSection& explore, ExploreOptions& options);

// Samples of a problem in a screening.
struct PassCount {
  int64_t samples = 0, correct = 0;
  int64_t tokens = 0;  // of all samples
};
// The mean of the pass rate when nothing is known of it before: (correct + 1) / (samples + 2). One greedy
// answer makes it a third or two thirds.
double pass_rate(const PassCount& count);
std::map<std::string, PassCount> pass_counts(const pool::Pool& pool, const std::string& stage);

struct Picked {
  std::vector<data::Problem> problems;
  int64_t by_rate = 0;  // of these, those that were asked in the screening
  // Where that is none: the sentence that says why, with how many were left out by what.
  std::string nothing;
};
// `counts`: of the round's screening; a problem that could not be asked there stays, for the exploration to
// say so. `model`: who was asked.
Picked pick_problems(const std::vector<data::Problem>& problems,
                     const std::map<std::string, PassCount>& counts, const ExploreOptions& options,
                     const std::string& model);

// The problems of a round: its own and, with retry_unsolved, behind them those that earlier rounds
// explored and none solved.
std::vector<data::Problem> problems_to_explore(const pool::Pool& pool, const Recipe& recipe,
                                               int round);

}  // namespace ponder::pipeline
