// Turns a recipe's sources into rows, with an account of what was kept and why the rest was not.
#pragma once

#include <string>
#include <vector>

#include "base/monitor.h"
#include "data/readers.h"
#include "data/rows.h"
#include "pipeline/recipe.h"
#include "pool/pool.h"

namespace ponder::pipeline {

// One source, read. `demonstrations` or `problems` by its role.
struct ReadSource {
  const DataSource* source = nullptr;  // of the recipe
  pool::SourceRecord::Role role = pool::SourceRecord::Role::kProblems;
  std::string set;          // the imitation set or benchmark it belongs to, "" for the main set
  bool as_written = false;  // demonstrations are trained in the tags of their file
  data::RowAccount report = {};
  std::vector<data::Demonstration> demonstrations = {};
  std::vector<data::Problem> problems = {};
  // Demonstrations that stand there once more: after the last comes the first again, so many rows in all.
  size_t repeated = 0;

  // By the places of the demonstrations.
  std::vector<size_t> order() const;
};

// Every source of the recipe, which they borrow from: the benchmarks, the imitation sets, the
// problems to explore. Rows that are not wanted, stand in a benchmark (unless the recipe says
// decontaminate = false) or are taken by a filter are left out, in this order, before they are shuffled
// and `count` of them kept; then the sources of a set are mixed. Throws Error naming the filters where they
// leave nothing of a set.
std::vector<ReadSource> read_sources(const Recipe& recipe);

// The problems of the recipe's teacher, less those that stand in a benchmark.
std::vector<data::Problem> teacher_problems(const Recipe& recipe, data::RowAccount& account);

// SHA-256 of all that later stages read of the rows.
std::string rows_sha256(const ReadSource& read);

// What the pool has of the sources of a role and set, in the recipe's order. Throws Error where
// there are none: they were not ingested.
std::vector<pool::SourceRecord> sources_of(const pool::Pool& pool, pool::SourceRecord::Role role,
                                           const std::string& set);

// Of `total` problems, begin and end of those of a round of exploration, before screening; equal when
// none is left.
std::pair<int64_t, int64_t> round_of(const ExploreOptions& explore, int round, int64_t total);
// Those problems, as ingested.
std::vector<data::Problem> problems_of_round(const pool::Pool& pool, const Recipe& recipe,
                                             int round);

std::string none_left_for(int round);  // the sentence that says so

// The account of a source, and an event for each row that was left out.
void log_rejected(Monitor& monitor, const DataSource& source, const data::RowAccount& report);

// What the pool calls the source: the file's path, or "synth:arithmetic,choice levels 1-3 train
// seed 1".
std::string source_name(const DataSource& source);

}  // namespace ponder::pipeline
