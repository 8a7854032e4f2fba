// Hugging Face checkpoint folders: config.json, generation_config.json, model.safetensors (or
// shards with model.safetensors.index.json), tokenizer files, and ponder.json beside them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/config.h"
#include "model/parameters.h"

namespace ponder::model {

class WeightFiles;

struct Checkpoint {
  std::filesystem::path folder;
  ModelConfig config;
  Parameters parameters;
  // Identity of the weights: the sha256 of model.safetensors; for shards, the sha256 of their hex
  // digests joined in name order.
  std::string sha256;
};

// Checks every tensor's name and shape against the config (missing, unexpected, wrong shape, shard
// outside the folder: Error naming it) before any weight is read or room made for it, then reads.
// Extra tensors that transformers ignores (rotary inv_freq; lm_head when tied) are accepted.
// Weights whose hash is not the one ponder.json recorded are an Error.
Checkpoint load_checkpoint(const std::filesystem::path& folder);
// The same checks, with the files left open and no weight read yet: what Decoder::load_weights
// takes.
struct OpenCheckpoint {
  ModelConfig config;
  std::string sha256;
  std::unique_ptr<WeightFiles> weights;

  OpenCheckpoint();
  OpenCheckpoint(OpenCheckpoint&&) noexcept;
  ~OpenCheckpoint();
};
OpenCheckpoint open_checkpoint(const std::filesystem::path& folder);
// A folder: its config.json, with the end tokens of generation_config.json where there is one. A
// file: that file alone.
ModelConfig load_config(const std::filesystem::path& folder_or_config_json);
// What to say where `path`, which does not exist, has the form of a name on a hub
// ("organisation/name"): how to bring it here. "" for any other.
std::string hub_advice(const std::filesystem::path& path);
std::string checkpoint_sha256(const std::filesystem::path& folder);
// The SHA-256 of every other file that decides what the model reads and writes (config, generation
// settings, tokenizer, template), by name.
std::map<std::string, std::string> settings_sha256(const std::filesystem::path& folder);
// checkpoint_sha256 after comparing it with the hash that ponder.json recorded: Error if they
// differ.
std::string verified_sha256(const std::filesystem::path& folder);

struct SaveOptions {
  tensor::DType dtype = tensor::DType::kF32;
  // config.json (torch_dtype updated), tokenizer files, licences and (see end_token_ids)
  // generation_config.json are copied unchanged from here; its architecture must be the one saved.
  // Empty: config.json is written from the config, and nothing is copied.
  std::filesystem::path base_folder;
  // What the model was trained to end a completion with. generation_config.json's eos_token_id has
  // the base's (without a base: the config's) end tokens and these, as a list; where the base's
  // file has all of them, it is copied byte for byte.
  std::vector<int32_t> end_token_ids;
  std::map<std::string, std::string> files;  // name to text: written in place of the base's
  bool grown_vocabulary =
      false;  // the model has more rows of tokens than the base: its config says so
  Json provenance = Json::object();  // becomes ponder.json (parents, hashes, recipe, metrics), with
                                     // sha256 and files added
  uint64_t max_shard_bytes = 5'000'000'000;  // more weights than this are split over shards
};
// Writes into `folder`.tmp and renames it into place as the last step, so a checkpoint folder is
// whole or absent. An existing folder is replaced, as atomically, only if it is empty or a complete
// checkpoint that ponder wrote (it has a ponder.json); anything else is an Error, found before
// anything is written. Returns the sha256.
std::string save_checkpoint(const std::filesystem::path& folder, const ModelConfig& config,
                            const Parameters& parameters, const SaveOptions& options);
// The same with weights that lie elsewhere: gives elements [begin, begin + to.size()) of a
// parameter.
using ReadWeights =
    std::function<void(const ParameterInfo& parameter, int64_t begin, std::span<float> to)>;
std::string save_checkpoint(const std::filesystem::path& folder, const ModelConfig& config,
                            const ReadWeights& read, const SaveOptions& options);

// A randomly initialised checkpoint (ponder init). `tokenizer_folder` may be empty. The threads may
// be null.
std::string init_checkpoint(const std::filesystem::path& config_json,
                            const std::filesystem::path& tokenizer_folder,
                            const std::filesystem::path& out_folder, tensor::DType dtype,
                            uint64_t seed, ThreadPool* threads = nullptr);

// What `ponder inspect` says. With `hash` the weights are read too: their hash, and how many are not
// finite. Throws Error only where there is no checkpoint at all.
struct Inspection {
  std::string architecture;        // "Qwen2ForCausalLM"; empty when the config cannot be used
  ModelConfig config;              // meaningful when `architecture` is not empty
  int64_t parameters = 0;          // elements of the tensors found, less those that are ignored
  std::string dtype;               // "bfloat16", "mixed", or empty when no tensor was found
  std::vector<std::string> files;  // of weights
  std::string sha256;              // empty unless hashed
  std::vector<std::string> problems;
};
Inspection inspect_checkpoint(const std::filesystem::path& folder, bool hash);

}  // namespace ponder::model
