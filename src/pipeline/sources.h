// Turns a recipe's sources into rows, with an account of what was kept and why the rest was not.
#pragma once

#include <vector>

#include "data/readers.h"
#include "data/rows.h"
#include "pipeline/recipe.h"

namespace ponder {

std::vector<Problem> problems_of(const Source& source, ReadReport& report);
std::vector<Demonstration> demonstrations_of(const Source& source, ReadReport& report);

// What the pool calls the source: the file's path, or "synth:arithmetic,choice levels 1-3 train
// seed 1".
std::string source_name(const Source& source);

}  // namespace ponder
