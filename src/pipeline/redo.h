// What a changed recipe, or changed sources, mean for a run that has begun: a stage whose inputs are
// what they were is kept, the others are done again.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "pipeline/recipe.h"
#include "pipeline/sources.h"
#include "pool/pool.h"

namespace ponder::pipeline {

// Names of stages, in the recipe's order.
struct Redo {
  std::vector<std::string> kept;     // begun, and what they read is the same
  std::vector<std::string> redone;   // begun, and what they read is another or not known
  std::vector<std::string> added;    // not begun
  std::vector<std::string> dropped;  // begun, and no longer in the recipe
};

// `sources`: what read_sources gives for the recipe. Changes nothing.
Redo plan_redo(const Recipe& recipe, std::span<const ReadSource> sources, const pool::Pool& pool);

// "kept 9 stages; done again: dpo, evaluate-M1-dpo; …", one line.
std::string describe(const Redo& redo);

// Takes back what the stages redone and dropped have made, from the pool and the run's folder, so
// that the run goes on with the recipe. Rollouts stay where the same request would give them again,
// that is of the same weights, prompt, seed and sampling settings, and as many as are enough;
// roll_out looks at that.
void take_back(const Redo& redo, const Recipe& recipe, std::span<const ReadSource> sources,
               pool::Pool& pool, const std::filesystem::path& run_folder);

}  // namespace ponder::pipeline
