// What ponder sft and ponder dpo share: their flags, the model they start from, and running the
// job.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "tokenizer/tokenizer.h"
#include "train/training_job.h"

namespace ponder::cli {

struct TrainFlags {
  CommonOptions common;
  std::string model, out, log, schedule = "cosine", dtype = "float32", optimizer_dtype = "float32";
  std::vector<std::string> data;
  TemplateChoice chat_template;
  TrainOptions train;
  int64_t max_length = 0;  // 0: the model's max_position_embeddings
  int64_t stop_after_steps = 0, checkpoint_steps = 0;
};

void add_train_flags(CLI::App& command, TrainFlags& flags);

// The tokenizer, template and row builder of --model; Error if tokenizer and weights do not belong
// together.
class TrainSetup {
 public:
  explicit TrainSetup(const TrainFlags& flags);
  const RowBuilder& builder() const { return builder_; }
  const ModelConfig& config() const { return config_; }
  const ChatTemplate& chat() const { return chat_; }

 private:
  ModelConfig config_;
  Tokenizer tokenizer_;
  ChatTemplate chat_;
  RowBuilder builder_;  // borrows tokenizer_
};

// One line: what was kept and rejected, and the first few rejected rows.
void log_report(Log& log, const std::string& file, const ReadReport& report);

// For the model card: what became of each file's rows, and the command's own flags, as they are
// typed.
struct JobAccount {
  Json sources = Json::array();
  std::string command;  // "ponder sft"
  std::string flags;    // " --align thought"
};
Json source_account(const std::string& file, const ReadReport& report);

// Checks that the job fits into memory, trains, and prints the result. Throws Stopped after a
// signal.
void run_training_command(const TrainFlags& flags, const TrainSetup& setup, TrainingTask& task,
                          const JobAccount& account, Log& log);

}  // namespace ponder::cli
