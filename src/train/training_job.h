// A whole training job with its files: starts or resumes, logs, saves, stops when asked.
//
// The output folder is a Hugging Face checkpoint at every moment it exists, with trainer_state/
// beside the model's files:
//   trainer_state/state.json             job identity, position, hashes of the files; written last
//   trainer_state/optimizer.safetensors  f32 weights and moments; gone once the job is finished
//
// Each save builds the folder anew under <out>.next and swaps it in with one rename, so a crash
// leaves the old or the new.
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/monitor.h"
#include "data/model_text.h"
#include "model/checkpoint.h"
#include "train/probe.h"
#include "train/trainer.h"

namespace ponder::train {

struct JobOptions {
  std::filesystem::path out;           // "" : nothing is saved
  std::filesystem::path base_folder;   // tokenizer and config files are copied from here
  std::vector<int32_t> end_token_ids;  // what a completion was trained to end with (SaveOptions)
  // What the model's folder says otherwise than the base's, e.g. of its chat template (SaveOptions).
  std::map<std::string, std::string> files;
  // Tokens that `start` has rows for and its base had not: part of what the job is.
  std::vector<std::string> added_tokens;
  tensor::DType dtype =
      tensor::DType::kF32;           // of the saved weights; trainer_state always holds f32
  Json provenance = Json::object();  // into ponder.json
  Json scores = Json::array();       // of the finished model, where they are known: for its card
  std::filesystem::path log;         // JSON lines, one per step; "" : none
  int64_t stop_after_steps = 0;  // save and return once this many steps are done; 0: run to the end
  int64_t checkpoint_steps = 0;  // also save every so many steps; 0: never for this reason
  double checkpoint_seconds =
      600;  // also save this long after the last save; 0: never for this reason
  const std::atomic<bool>* stop = nullptr;  // set: save what was done and return
  std::optional<JobProbe> probe = {};       // of a job of one member, with `out`
  // Told of every step, its fields those of to_json(StepReport), and of what is worth a line
  // ("resumed after step 12", "step 13 skipped, …"); null: nobody watches.
  Monitor* monitor = nullptr;
  std::string task = {};  // what it is told the job is called; "": its progress is of a "step"
};

// Gives `start` the rows of tokens that were added to its tokenizer (ModelText::added_tokens), and says
// so in `job`.
void add_tokens(const std::vector<data::AddedToken>& tokens, model::Checkpoint& start,
                JobOptions& job);

struct JobResult {
  bool finished = false;  // there are no more steps; otherwise stopped, and a rerun goes on
  bool stopped_by_request = false;
  int64_t steps_done = 0, num_steps = 0, total_tokens = 0;  // num_steps 0: not known
  int64_t num_updates = 0;                                  // steps that were not skipped
  std::vector<double>
      losses;            // of every step of the job, earlier runs of it included; NaN where skipped
  double last_loss = 0;  // the last of them
  std::vector<ProbeReading> probes;
  // Why the job ended early, with the weights of the last good probe; "" where it did not. Where the
  // start alone was good nothing is saved, and it is not finished.
  std::string alarm;
  std::string sha256;  // of the saved weights; empty without `out`
};

// Trains on what `source` gives. `start` is consumed. If `out` holds the state of the same job it
// goes on from there (or returns at once if that is finished); if of another job, or something
// else, Error listing what differs. Two processes on one `out`: the second gets an Error. So does a
// job that comes to its end without an update, as there was no step or every one was skipped;
// nothing is saved of it as finished.
//
// Over many members everyone calls it with the same start, source and options. Member 0 alone reads
// and writes files and needs `out`; a stop of any member stops all, and so does an error. A job
// goes on with any number of members, whatever number saved it.
JobResult run_training(model::Checkpoint start, BatchSource& source, const TrainOptions& options,
                       const JobOptions& job, ThreadPool& threads,
                       comm::Communicator& members = comm::single_member());
// With the task's examples planned as options.batch says.
JobResult run_training(model::Checkpoint start, TrainingTask& task, const TrainOptions& options,
                       const JobOptions& job, ThreadPool& threads,
                       comm::Communicator& members = comm::single_member());

// Bytes and work of a job before it starts.
struct TrainWorkload {
  int64_t examples = 0, tokens = 0, loss_tokens = 0;  // of one epoch
  int64_t longest_example = 0, longest_row = 0;       // tokens
  int64_t reference_tokens = 0;                       // scored once before training (DPO)
};
TrainWorkload workload_of(const TrainingTask& task);

struct TrainPlan {
  int64_t num_steps = 0;
  int64_t total_tokens = 0;
  double flops = 0;
  std::vector<std::pair<std::string, int64_t>> memory_bytes;  // by purpose
  int64_t disk_bytes = 0;                                     // peak: two folders during a save
  int64_t peak_memory_bytes() const;
};
TrainPlan plan_training(const model::Decoder& decoder, const TrainWorkload& workload,
                        const TrainOptions& options);

}  // namespace ponder::train
