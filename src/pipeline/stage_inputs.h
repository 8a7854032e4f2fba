// The identity of all that a stage's result is a function of. Two runs in which it is the same make
// the same rows and weights, so a changed recipe need only redo the stages where it is another.
#pragma once

#include <string>

#include "pipeline/stage.h"

namespace ponder::pipeline {

// SHA-256 over the stage's kind and the version of its code, the recipe's keys it reads, the weights
// of its input model, and what it reads: the rows of its ingested sources and the inputs of other
// stages; for ingest itself the sources' bytes. "" where one of these is not known, as in a run
// begun by schema version 1. Stages before it must be done.
std::string inputs_sha256(const Stage& stage, const Recipe& recipe, const pool::Pool& pool);

}  // namespace ponder::pipeline
