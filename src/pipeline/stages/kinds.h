// Every kind of stage; each is defined in the file of its name. Internal to pipeline.
#pragma once

#include "pipeline/stage.h"

namespace ponder::pipeline {

extern const StageKind kIngest;    // every source, read once
extern const StageKind kImitate;   // SFT of the base model on demonstrations
extern const StageKind kImprove;   // the same with what exploration selected (imitate.cpp)
extern const StageKind kScreen;    // greedy attempts that say which problems are hard
extern const StageKind kExplore;   // samples of the hard problems, judged
extern const StageKind kRefine;    // which of them enter the training set
extern const StageKind kDpo;       // preference pairs from the first round
extern const StageKind kEvaluate;  // a model on every benchmark

}  // namespace ponder::pipeline
