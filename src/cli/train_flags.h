// What ponder sft and ponder dpo share: their flags, the model they start from, and running the
// job.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "data/token_rows.h"
#include "train/training_job.h"

namespace ponder::cli {

struct TrainFlags {
  CommonOptions common;
  std::string model, out, log, schedule = "cosine", dtype = "float32", optimizer_dtype = "float32",
                               thought_form;
  std::vector<std::string> data, fields, add_tokens;
  tokenizer::TemplateChoice chat_template;
  train::TrainOptions
      train;  // without what is resolved: schedule, seeds, moments, precision, micro-batches
  std::optional<tensor::Precision> precision;  // nothing: the model's usual
  int64_t max_length = 0;                      // 0: the model's max_position_embeddings
  int64_t micro_batch_tokens = 0;              // 0: the arithmetic's usual
  int64_t stop_after_steps = 0, checkpoint_steps = 0;
};

void add_train_flags(CLI::App& command, TrainFlags& flags);

// --model but for its weights, and what makes rows for it.
struct TrainSetup {
  explicit TrainSetup(const TrainFlags& flags);
  TrainSetup(const TrainSetup&) = delete;  // builder borrows text
  const model::ModelConfig of_folder;
  const data::ModelText text;
  const model::ModelConfig config;  // with rows for the tokens that are added
  const data::RowBuilder builder;
};

// One line: what was kept and rejected, and the first few rejected rows.
void log_report(Monitor& monitor, const std::string& file, const data::RowAccount& report);

// For the model card: what became of each file's rows, and the command's own flags, as they are
// typed.
struct JobAccount {
  Json sources = Json::array();
  std::string command;  // "ponder sft"
  std::string flags;    // " --align thought"
};
Json source_account(const std::string& file, const data::RowAccount& report);

// Checks that the job fits into memory, trains, and prints the result. Throws Stopped after a
// signal.
void run_training_command(const TrainFlags& flags, const TrainSetup& setup,
                          train::TrainingTask& task, const JobAccount& account, Monitor& monitor);

}  // namespace ponder::cli
