// SFT and DPO stages that another program trains (recipe's [trainer]): the job's folder, the launch,
// its log, the first step held against our own forward, its folder taken over. Internal to pipeline.
#pragma once

#include <optional>
#include <vector>

#include "data/token_rows.h"
#include "pipeline/stage.h"
#include "pool/stage_result.h"
#include "train/training_job.h"

namespace ponder::pipeline {

// What is trained on: rows, or pairs with their variant.
struct OutsideData {
  std::vector<data::TokenRow> rows = {};
  std::vector<data::TokenPair> pairs = {};
  const DpoVariant* variant = nullptr;
};

// As train() (training.h), by the recipe's trainer. The probe is read of the starting weights and of
// the trained ones.
std::optional<pool::TrainResult> train_outside(StageContext& context, OutsideData data,
                                               const train::TrainOptions& options,
                                               const data::ModelText& text, Json provenance,
                                               std::optional<train::JobProbe> probe = {});

// ", by trl": behind what a model was trained on; "" where ponder trained it.
std::string by_trainer(const Recipe& recipe);

}  // namespace ponder::pipeline
