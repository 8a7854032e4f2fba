// A training job as other programs do it: TRL, LLaMA-Factory, OpenRLHF, or a user's command. Pure
// functions say what such a trainer is given: what it cannot do, how a step is made of rows, its
// configuration, its arguments, its rows. docs/trainers.md has the files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/output_file.h"
#include "data/token_rows.h"
#include "train/trainer.h"

namespace ponder::trainers {

enum class Kind { kBuiltin, kTrl, kLlamaFactory, kOpenRlhf, kCommand };
// "builtin", "trl", "llama-factory", "openrlhf", "command"
std::string_view to_string(Kind kind);
std::optional<Kind> kind_from_string(std::string_view text);

// How weights, gradients and moments are shared out among processes.
enum class Sharding { kNone, kFsdp, kZero2, kZero3 };
std::string_view to_string(Sharding sharding);  // "none", "fsdp", "zero-2", "zero-3"
std::optional<Sharding> sharding_from_string(std::string_view text);

struct Settings {
  Kind kind = Kind::kBuiltin;
  // The argv that starts it, no shell. {job} stands for the job's folder. Behind it comes what the
  // kind takes: a script, a module with its arguments; behind a command nothing.
  std::vector<std::string> launch;
  int64_t processes = 1;        // that the launcher starts, on all nodes together
  int64_t per_device_rows = 1;  // rows (DPO: pairs) a process takes at once
  Sharding sharding = Sharding::kNone;
  int64_t lora_rank = 0;  // 0: all weights are trained
  double lora_alpha = 32;
  int64_t checkpoint_steps = 100;  // between its own checkpoints
  int64_t restarts = 0;            // so often it is started again after a failure
  double silence = 1800;           // seconds without a sign of life before it is ended
  double tolerance = 0.01;         // of the first loss, relative
  std::vector<std::string> env;    // names of variables it needs; values stand nowhere

  bool outside() const { return kind != Kind::kBuiltin; }
};

enum class Objective { kSft, kDpo };

// Everything a job is a function of, beside its rows.
struct Job {
  Settings settings;
  Objective objective = Objective::kSft;
  train::TrainOptions options;
  train::DpoOptions dpo;
  data::Align align = data::Align::kResponse;
  int64_t max_length = 20000;
  std::filesystem::path model;   // absolute: the checkpoint it starts from
  std::filesystem::path folder;  // absolute: the job's own
  int64_t num_rows = 0;          // rows or pairs

  int64_t accumulation() const;     // micro-batches of a process in a step
  int64_t steps_per_epoch() const;  // the last one of an epoch may be smaller
  int64_t num_steps() const;
  train::LrSchedule schedule() const;
};

// Names of the files in the job's folder.
inline constexpr const char* kRowsFile = "rows.jsonl";
inline constexpr const char* kOrderFile = "order.json";
inline constexpr const char* kJobFile = "job.json";
inline constexpr const char* kLogFile = "log.jsonl";
inline constexpr const char* kProbeFile = "probe.json";
inline constexpr const char* kOutputFile = "output.log";
inline constexpr const char* kModelFolder = "model";

// Throws Error naming the key of the recipe for what this trainer cannot do as ponder would: another
// answer would be another training. `section`: "sft", "dpo". Does not look at num_rows.
void check(const Job& job, const std::string& section);

// Whether the first step is of known rows: it takes them in the order that it is given.
bool keeps_order(Kind kind);
// Whether it says with what log-probabilities the trained model answers to rows (kProbeFile).
bool may_probe(Kind kind);

// Row indices of every epoch, in the order in which ponder would take them.
std::vector<std::vector<int32_t>> orders(const Job& job);
// Of an epoch's order, the rows of its first step: micro-batches, in the order of (accumulation,
// process); where rows run out the last ones are filled from the beginning, as accelerate does it.
std::vector<std::vector<int32_t>> first_step(const Job& job, const std::vector<int32_t>& order);

// Configuration and script, by name; kRowsFile is written apart.
std::map<std::string, std::string> files(const Job& job,
                                         const std::vector<std::vector<int32_t>>& orders,
                                         const std::vector<int32_t>& probe_rows);
// What is run, in the job's folder.
std::vector<std::string> argv(const Job& job);

// The trainer's form of a row. Token ids and mask where it takes them (TRL, a command); else the
// text of prompt and completion, which the trainer turns into ids without a template of its own.
// Throws Error for a row whose text would become other ids.
Json row_of(const Job& job, const data::TokenRow& row, const data::ModelText& text);
Json row_of(const Job& job, const data::TokenPair& pair, const data::ModelText& text);

}  // namespace ponder::trainers
