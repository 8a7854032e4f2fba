// Turns a recipe's sources into rows, with an account of what was kept and why the rest was not.
#pragma once

#include <vector>

#include "base/log.h"
#include "data/contamination.h"
#include "data/readers.h"
#include "data/rows.h"
#include "pipeline/recipe.h"

namespace ponder {

// `contaminated`, where given, takes out what stands in a benchmark, before `count` is applied.
std::vector<Problem> problems_of(const Source& source, ReadReport& report,
                                 const ContaminationFilter* contaminated = nullptr);
std::vector<Demonstration> demonstrations_of(const Source& source, ReadReport& report,
                                             const ContaminationFilter* contaminated = nullptr);

// The questions of all of the recipe's benchmarks; empty if the recipe says decontaminate = false.
ContaminationFilter contamination_filter_of(const Recipe& recipe);

// The problems of a round of exploration, before screening. `log` is told what was left out.
std::vector<Problem> problems_of_round(const Recipe& recipe, int round, Log* log = nullptr);

// The account of a source, and an event for each row that was left out.
void log_rejected(Log& log, const Source& source, const ReadReport& report);

// What the pool calls the source: the file's path, or "synth:arithmetic,choice levels 1-3 train
// seed 1".
std::string source_name(const Source& source);

}  // namespace ponder
