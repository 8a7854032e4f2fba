// Comparing an evaluation with an earlier one of other responses to the same problems.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "base/json.h"
#include "eval/benchmark.h"
#include "eval/metrics.h"

namespace ponder::eval {

// Of what makes a problem the one it is: question, gold and how the gold is meant; not its id.
std::string problem_sha256(const data::Problem& problem);

// Per problem: correct samples and samples.
struct VerdictTable {
  struct Row {
    int64_t correct = 0, samples = 0;
    double share() const { return static_cast<double>(correct) / static_cast<double>(samples); }
  };
  // By id and problem_sha256, "" where the file does not say: problems of two benchmarks may have one id.
  std::map<std::pair<std::string, std::string>, Row> problems;
  // JSON of how_judged, and tensor::stored_name, of all rows that say so (float32 says nothing).
  std::set<std::string> judges, arithmetics;

  // Of this problem, where either side does not say its hash of the only one with the id. Nullptr
  // where there is none.
  const Row* find(const std::string& id, const std::string& sha256) const;
  int64_t count(const std::string& id) const;
};

// From JSON lines with problem_id and verdict, and perhaps problem_sha256, judge and precision: rollout rows, or what
// `ponder eval --details` writes. Throws Error naming the line of a row without them.
VerdictTable read_verdicts(const std::filesystem::path& file);

// Throws Error (its `where` is `who`) where both say how they were judged, and not alike.
void require_one_judge(const VerdictTable& table, const std::string& who, const VerdictTable& other,
                       const std::string& other_name);

// Those of `table` that are these problems'. Throws Error (its `where` is `who`) when there is none, or when
// the only problem of an id is another.
VerdictTable verdicts_on(const VerdictTable& table, std::span<const data::Problem> problems,
                         const std::string& benchmark, const std::string& who);

// The difference `result` - `other`, over the problems that both have. `problems`: of the result, in
// its order. Throws Error when there is none, or when the other has a problem of the same id that is
// another.
Comparison compare_with(const BenchmarkResult& result, std::span<const data::Problem> problems,
                        const VerdictTable& other, uint64_t seed);

// n, difference, interval_95, p_value, method, distinguishable.
Json to_json(const Comparison& comparison);

}  // namespace ponder::eval
