// The stages of a recipe, in the order in which they run: what `ponder run` executes, `plan` costs
// and `status` shows.
#pragma once

#include <string>
#include <vector>

#include "pipeline/recipe.h"

namespace ponder {

enum class StageKind { kImitate, kScreen, kExplore, kRefine, kImprove, kDpo, kEvaluate };

struct Stage {
  std::string name;  // "imitate", "imitate-large", "screen-1", "explore-1", "refine-1",
                     // "improve-1", "dpo", "evaluate-M1"
  StageKind kind;
  int round = 0;       // of exploration
  size_t set = 0;      // kImitate: index into Recipe::imitation
  std::string input;   // the model it starts from or runs
  std::string output;  // the model it makes, "" for none
};

// M0 is the base; imitate makes M1 (comparison sets M1-<name>); round t explores with Mt and
// improves to M(t+1), trained from M0; DPO starts from M1 and makes M1-dpo. Every model is
// evaluated right after it is made, if there are benchmarks.
std::vector<Stage> stages_of(const Recipe& recipe);

}  // namespace ponder
