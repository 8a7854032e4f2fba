// What a stopped job needs to go on bit for bit: trainer_state/ beside the model's files, and the
// swap of whole folders.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "train/probe.h"
#include "train/trainer.h"

namespace ponder::train {

struct TrainerState {
  Json job;  // identity: what the job is a function of
  TrainerPosition position;
  Json source = Json::object();  // BatchSource::save()
  std::vector<double> losses;    // of every step done; NaN where it was not finite
  std::vector<ProbeReading> probes = {};
  std::string model_sha256;      // of the model saved beside it
  bool finished = false;         // then there are no weights and moments
  std::string optimizer_sha256;  // of optimizer.safetensors; "" when finished
};

// Writes <folder>/trainer_state: weights and moments in f32 unless finished, then state.json with
// their hash.
void save_trainer_state(const std::filesystem::path& folder, TrainerState state,
                        const Trainer& trainer);

// state.json, all but the arrays. `where` is for errors.
Json to_json(const TrainerState& state);
TrainerState trainer_state_from(const Json& json, const std::string& where);

// state.json of <folder>/trainer_state; nullopt if there is none. Throws Error if it is damaged.
std::optional<TrainerState> read_trainer_state(const std::filesystem::path& folder);

// Puts weights and moments into the trainer; the position is the caller's to set. Throws Error if
// the file's hash or tensors are not what they were.
void load_trainer_arrays(const std::filesystem::path& folder, const TrainerState& state,
                         Trainer& trainer);

// "lr: 1e-05 there, 2e-05 here; …" for every key of either that differs; "" if none does.
std::string job_differences(const Json& there, const Json& here);

// The next state is built in beside(out, kNextFolder), then swapped in.
inline constexpr const char* kNextFolder = ".next";
// Clears up after a crash: recovers the folder `out` that a swap was replacing, and removes rests
// of unfinished saves.
void recover_folder(const std::filesystem::path& out);

}  // namespace ponder::train
