// Several runs beside each other: the means of one recipe's trainings over its seeds, with intervals
// over problems and seeds, and what of it can be told apart.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/training_seeds.h"
#include "pool/pool.h"

namespace ponder::report {

// Runs of one recipe but for its seeds; at least one. The pools are borrowed.
struct RunGroup {
  std::string name;
  std::vector<const pool::Pool*> runs;
};

struct RunsTable {
  struct Cell {
    std::optional<eval::SeedsMean> mean;
    std::string reason;  // why there is none
  };
  struct Row {
    size_t group = 0;
    std::string model,
        label;                // "M1", what it was trained on; where seeds differ "248 to 251 pairs"
    std::vector<Cell> cells;  // one a benchmark
  };
  struct DifferenceCell {
    std::optional<eval::SeedsDifference> difference;
    double corrected_p = 1;  // by Holm, for all tests of the table
    std::string reason;
  };
  struct Difference {
    size_t a = 0, b = 0;  // rows: b minus a
    std::vector<DifferenceCell> cells;
  };
  std::vector<std::string> groups;
  std::vector<size_t> seeds;  // of each group
  std::vector<std::string> benchmarks;
  std::vector<Row> rows;
  std::vector<Difference> differences;
  size_t tests = 0;  // that were corrected for
};

// One group: every model against what it is meant to improve on, and against M1, by the differences
// within each run. Several: each model of a later group against that of the first. A
// difference is of equal problems alone.
RunsTable runs_table(const std::vector<RunGroup>& groups);

std::string to_text(const RunsTable& table);
std::string to_markdown(
    const RunsTable& table);  // the scores; of each seed where there are several
Json to_json(const RunsTable& table);

}  // namespace ponder::report
