// Whether a plan fits a machine, and what to change where it does not. Internal to this folder.
#pragma once

#include <functional>
#include <vector>

#include "pipeline/plan.h"
#include "pipeline/recipe.h"

namespace ponder::pipeline {

// Plans of the stages of a recipe that differs from the planned one in settings of memory.
using Replan = std::function<std::vector<StagePlan>(const Recipe&)>;

// `stages` are those of `recipe`. Of the changes that fit the smallest: settings that change no result
// (keys and values, sequences at once, micro-batches, recomputation) before those that do (moments in
// two bytes), each only as far as needed.
Verdict conclude(const std::vector<StagePlan>& stages, const Recipe& recipe, int64_t memory_bytes,
                 const Replan& replan);

}  // namespace ponder::pipeline
