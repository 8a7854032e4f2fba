// The weights of a checkpoint folder: model.safetensors, or the shards that
// model.safetensors.index.json lists. Opening checks every header and the index against each other;
// nothing else is read.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/parameters.h"
#include "tensor/safetensors.h"

namespace ponder::model {

class WeightFiles {
 public:
  // Throws Error: no weights, a shard whose name leads out of the folder, a damaged file or index,
  // a tensor in two shards or in none. (A shard may be a symbolic link, as in Hugging Face's
  // cache.)
  explicit WeightFiles(const std::filesystem::path& folder);

  // Names of the files in the folder, sorted.
  const std::vector<std::string>& names() const { return names_; }
  // The one dtype of all tensors, or nothing when they differ.
  std::optional<tensor::DType> dtype() const;
  // Elements of all tensors but those that transformers ignores.
  int64_t num_parameters(bool tied) const;
  // Calls `report` for every tensor that is missing, unexpected or of another shape than the
  // layout's.
  void check(const ParameterLayout& layout, bool tied,
             const std::function<void(const Error&)>& report) const;
  // A tensor of the layout that passed check(), and its bytes [offset, offset + to.size()) as they
  // are stored. Threads may read at once.
  const tensor::TensorEntry& entry(const std::string& name) const;
  void read_bytes(const std::string& name, uint64_t offset, std::span<char> to) const;
  // A head that is stored although it is tied must hold what the embedding holds; Error otherwise
  // (transformers would drop it, and with it whatever was trained into it).
  void check_tied_head() const;
  // How many values of a tensor are no finite numbers. Reads the whole tensor.
  int64_t count_not_finite(const std::string& name) const;
  // Names of all tensors, sorted.
  std::vector<std::string> tensor_names() const;
  // Fills `parameters`, which must have passed check(), and checks a tied head.
  void read(Parameters& parameters) const;
  // One tensor, as f32, into `to`, which must have the size of its shape. The name must be there.
  void read_tensor(const std::string& name, std::span<float> to) const;

 private:
  struct Place {
    size_t file;
    const tensor::TensorEntry* entry;
  };

  // A part of a tensor as f32; `bytes` is scratch.
  void read_part(const Place& place, int64_t begin, std::span<float> to,
                 std::vector<char>& bytes) const;

  std::filesystem::path folder_;
  std::vector<std::string> names_;
  std::vector<tensor::SafetensorsFile> files_;  // beside names_
  std::map<std::string, Place> tensors_;
};

// The weight files' names, sorted, without opening them. Throws as the constructor does for the
// index.
std::vector<std::string> weight_file_names(const std::filesystem::path& folder);

// The sha256 of each of those files, beside `names`.
std::vector<std::string> hash_weight_files(const std::filesystem::path& folder,
                                           const std::vector<std::string>& names);
// The identity made of them (see Checkpoint::sha256).
std::string joined_sha256(const std::vector<std::string>& file_hashes);

}  // namespace ponder::model
