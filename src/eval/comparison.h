// Comparing an evaluation with an earlier one of other responses to the same problems.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "base/json.h"
#include "eval/benchmark.h"
#include "eval/metrics.h"

namespace ponder::eval {

// Of what makes a problem the one it is: question, gold and how the gold is meant; not its id.
std::string problem_sha256(const data::Problem& problem);

// Per problem id: correct samples and samples.
struct VerdictTable {
  struct Row {
    int64_t correct = 0, samples = 0;
    std::string problem_sha256 = {};  // "" where the file does not say
  };
  std::map<std::string, Row> problems;
};

// From JSON lines with problem_id and verdict, and perhaps problem_sha256: rollout rows, or what
// `ponder eval --details` writes. Throws Error naming the line of a row without them.
VerdictTable read_verdicts(const std::filesystem::path& file);

// The difference `result` - `other`, over the problems that both have. `problems`: of the result, in
// its order. Throws Error when there is none, or when the other has a problem of the same id that is
// another.
Comparison compare_with(const BenchmarkResult& result, std::span<const data::Problem> problems,
                        const VerdictTable& other, uint64_t seed);

// n, difference, interval_95, p_value, method, distinguishable.
Json to_json(const Comparison& comparison);

}  // namespace ponder::eval
