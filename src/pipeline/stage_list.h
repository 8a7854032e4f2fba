// The stages of a recipe, in the order in which they run: what `ponder run` executes, `plan` costs
// and `status` shows.
#pragma once

#include <vector>

#include "pipeline/stage.h"

namespace ponder::pipeline {

// First all sources are ingested. M0 is the base; imitate makes M1 (comparison sets M1-<name>); round
// t explores with Mt and improves to M(t+1), trained from M0; a DPO variant starts from any of these, or an earlier variant's.
// Every model is evaluated right after it is made, if there are benchmarks. A round that selects
// nothing makes no model: the next one explores with the model it has.
std::vector<Stage> stages_of(const Recipe& recipe);

}  // namespace ponder::pipeline
