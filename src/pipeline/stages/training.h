// What the stages that train share: the starting model's text side, the training job, what its
// checkpoint says about where it comes from. Internal to pipeline.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/token_rows.h"
#include "pipeline/stage.h"
#include "pool/stage_result.h"
#include "train/training_job.h"

namespace ponder::pipeline {

// The text side of the stage's input model.
data::ModelText open_text(const StageContext& context);

std::string ids_sha256(const std::vector<int32_t>& ids);

// The account of one source of rows, for ponder.json.
Json source_account(const std::string& name, const data::RowAccount& report);

// What every checkpoint of a run says about where it comes from.
Json provenance_of(const StageContext& context, const data::ModelText& text, Json sources);

// What a model that is made again was measured at: for its card.
Json scores_of(const StageContext& context);

// Losses and preferences from a training stage's log.
void fill_from_log(const std::filesystem::path& log, pool::TrainResult& result);

// Puts the stage's output into the pool. Throws Error where it was made before with other weights.
void register_model(const StageContext& context, const std::string& sha256);

// Trains `task` into the stage's output checkpoint and registers the model. The result lacks what
// depends on the objective (label, rows, rejected); nothing when stopped. Where the probe's alarm left
// no weights worth keeping there is no model, and no sha256 in the result.
std::optional<pool::TrainResult> train(StageContext& context, train::TrainingTask& task,
                                       const train::TrainOptions& options,
                                       const data::ModelText& text, Json provenance,
                                       std::optional<train::JobProbe> probe = {});

}  // namespace ponder::pipeline
