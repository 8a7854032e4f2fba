// A study: variants of one recipe under the same training seeds, as one table, and what the report found
// held against it. A function of the variants' pools.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/training_seeds.h"
#include "pool/pool.h"

namespace ponder::report {

// What the report found, and where it would show here.
struct StudyQuestion {
  enum class Expected { kHigher, kLower, kSame };
  std::string found;        // a sentence, as the table shows it
  std::string of, against;  // "VARIANT", its last model that was evaluated, or "VARIANT/MODEL"
  std::string on;           // a benchmark
  Expected expected = Expected::kHigher;  // of `of` against `against`
  double within = 0;                      // kSame: so many points at most
};

struct StudyRun {
  uint64_t train_seed = 1;
  const pool::Pool* pool = nullptr;  // borrowed; none: it has not begun
  std::string failure = {};          // why it did not begin or go on
  std::string pending = {};  // what else keeps it from being complete: "improve-1 has not begun"
};

struct StudyVariantRuns {
  std::string name;
  std::vector<std::string> models;  // its rows; none: the last that was evaluated
  std::vector<StudyRun> runs;       // one a training seed
};

struct StudyTable {
  struct Cell {
    std::optional<eval::SeedsMean> mean;
    std::string reason;  // why there is none
  };
  struct Row {
    std::string variant, model, label;
    std::vector<uint64_t> seeds;  // that have the model
    std::vector<Cell> cells;      // one a benchmark
    // Of the benchmark watched, means over seeds.
    std::optional<double> finished, tokens;
  };
  enum class Verdict { kAgrees, kDisagrees, kCannotBeTold };
  struct Answer {
    StudyQuestion question;
    std::string of, against;                          // "VARIANT MODEL"
    std::optional<eval::SeedsDifference> difference;  // paired within each seed
    double corrected_p = 1;                           // by Holm, for all answers of the study
    Verdict verdict = Verdict::kCannotBeTold;
    std::string sentence;
  };
  std::vector<uint64_t> seeds;  // asked for
  std::vector<std::string> benchmarks;
  std::vector<int64_t> problems;  // of each benchmark
  std::string watched;            // a benchmark
  std::vector<Row> rows;
  std::vector<Answer> answers;
  size_t tests = 0;                  // that were corrected for
  std::vector<std::string> missing;  // "VARIANT, training seed 2: imitate failed: …"
  double seconds = 0;                // of all stages, shared ones once
};

// `watched`: the benchmark whose share of finished answers and whose lengths are shown; "": that of the first
// question, else the last. A variant of which a run is missing or failed has the seeds that are there;
// the others stand. Throws Error where a question names a variant there is none of.
StudyTable study_table(const std::vector<StudyVariantRuns>& variants,
                       const std::vector<StudyQuestion>& questions, const std::string& watched);

std::string_view to_string(StudyTable::Verdict verdict);  // "agrees", "disagrees", "cannot be told"

// Markdown that reads as text too: both tables, what is missing, what the figures mean.
std::string to_markdown(const StudyTable& table);
Json to_json(const StudyTable& table);

}  // namespace ponder::report
