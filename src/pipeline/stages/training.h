// What the stages that train share: the starting model's text side, the training job, what its
// checkpoint says about where it comes from. Internal to pipeline.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/stage.h"
#include "pool/stage_result.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "train/rows.h"
#include "train/training_job.h"

namespace ponder {

// Tokenizer, template and row builder of the stage's input model.
struct TrainingText {
  explicit TrainingText(const StageContext& context);
  TrainingText(const TrainingText&) = delete;
  std::filesystem::path folder;
  Tokenizer tokenizer;
  ChatTemplate chat;
  RowBuilder builder;
};

std::string ids_sha256(const std::vector<int32_t>& ids);

// The account of one source of rows, for ponder.json.
Json source_account(const std::string& name, const ReadReport& report);

// What every checkpoint of a run says about where it comes from.
Json provenance_of(const StageContext& context, const TrainingText& text, Json sources);

// Trains `task` into the stage's output checkpoint and registers the model. The result lacks what
// depends on the objective (label, rows, rejected); nothing when stopped.
std::optional<TrainResult> train(StageContext& context, TrainingTask& task,
                                 const TrainOptions& options, const TrainingText& text,
                                 Json provenance);

}  // namespace ponder
