// What a DPO stage looks at while it trains: pairs it does not train on, and answers to problems.
// Internal to pipeline.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/token_rows.h"
#include "pipeline/stage.h"
#include "train/training_job.h"

namespace ponder::pipeline {

// Readings: held_out_accuracy and held_out_margin of the pairs; of the problems, answered greedily,
// probe_finished and probe_loops (shares), probe_mean_tokens and probe_correct. The alarm is raised
// when the share finished is `finish_drop` below that of the starting weights; much longer answers
// and more loops are warnings. Nothing where there are neither pairs nor problems.
std::optional<train::JobProbe> preference_probe(StageContext& context, const DpoVariant& variant,
                                                std::vector<data::TokenPair> held_out,
                                                std::vector<data::Problem> problems);

}  // namespace ponder::pipeline
