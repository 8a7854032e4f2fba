// The loop's table, read from a pool: a row per model, a column per benchmark, and which models can
// be told apart.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/metrics.h"
#include "pool/pool.h"

namespace ponder::report {

struct LoopTable {
  struct Row {
    std::string model;
    std::string label;       // what it was trained on
    bool main_line = false;  // the base, imitation and the rounds; not comparison sets and DPO
    // The row it is meant to improve on: in the main line the one before it there, for other rows
    // the model they were trained from.
    std::optional<size_t> before;
    std::vector<std::optional<pool::ScoreRecord>> scores;  // one per benchmark
    bool evaluated() const;
  };
  std::vector<std::string> benchmarks;  // in the order of the first evaluation
  std::vector<Row> rows;                // in the order in which the models were made
  std::optional<size_t> imitation;      // the row that self-improvement is held against: M1
};
LoopTable loop_table(const pool::Pool& pool);

// "250 explored" and "247 explored" as "247 to 250 explored"; the first where they differ in more. At
// least one.
std::string common_label(const std::vector<std::string>& labels);

// One model against another on every benchmark.
struct PairwiseComparison {
  struct Cell {
    std::optional<eval::Comparison> comparison;
    std::string reason;  // why there is none
  };
  size_t model = 0, other = 0;  // indices into LoopTable::rows
  std::vector<Cell> cells;      // one per benchmark
};
PairwiseComparison::Cell compare_scores(const std::optional<pool::ScoreRecord>& other,
                                        const std::optional<pool::ScoreRecord>& model);
// Every evaluated row against the first evaluated one, imitation, and the one it is meant to improve
// on, each once.
std::vector<PairwiseComparison> pairwise_comparisons(const LoopTable& table);

// What a score was measured on and by: two scores can be held against each other where it is equal.
// benchmark_sha256 and judge_version are null of a run of an earlier version.
struct Measure {
  int64_t n = 0;
  Json benchmark_sha256, judge_version;
  bool operator==(const Measure&) const = default;
};
Measure measure_of(const pool::ScoreRecord& score);
// Why two scores cannot be held against each other; "" where they can.
std::string difference_of(const Measure& a, const Measure& b);

// Per problem the share of correct samples, from the score's `num_correct`, a count a problem, or
// where there is none from its `correct`: a character a problem, x for all samples right, else
// tenths rounded down. That is exact for up to 10 samples; older runs have no counts of more: the
// mean of the shares the tenth may stand for. Nothing where the score has no such field or it is
// not of n problems.
std::optional<std::vector<double>> shares_correct(const pool::ScoreRecord& score);

}  // namespace ponder::report
