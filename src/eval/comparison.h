// Comparing an evaluation with an earlier one of other responses to the same problems.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/json.h"
#include "eval/benchmark.h"
#include "eval/metrics.h"

namespace ponder::eval {

// Per problem id: correct samples and samples.
struct VerdictTable {
  struct Row {
    int64_t correct = 0, samples = 0;
  };
  std::map<std::string, Row> problems;
};

// From JSON lines with problem_id and verdict: rollout rows, or what `ponder eval --details`
// writes. Throws Error naming the line of a row without them.
VerdictTable read_verdicts(const std::filesystem::path& file);

// The difference `result` - `other`, over the problems that both have. Throws Error when there is
// none.
Comparison compare_with(const BenchmarkResult& result, const VerdictTable& other, uint64_t seed);

// n, difference, interval_95, p_value, method, distinguishable.
Json to_json(const Comparison& comparison);

}  // namespace ponder::eval
