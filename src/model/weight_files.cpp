#include "model/weight_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

namespace ponder::model {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = uint64_t{2} << 20;  // an entry takes some 90 bytes
constexpr int64_t kChunk = int64_t{1} << 18;            // elements read at once
constexpr size_t kMaxShards = 512;  // each stays open: below the usual limit of 1024 descriptors

// transformers drops these on loading.
bool is_ignored(const std::string& name, bool tied) {
  return name.ends_with("rotary_emb.inv_freq") || (tied && name == tensor_name(TensorRole::kHead));
}

std::string show(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::map<std::string, std::string> read_index(const fs::path& folder) {
  const fs::path path = folder / kIndexFile;
  const std::string where = path.string();
  const Json index = parse_json(read_file(path, kMaxIndexBytes), where);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object() || map->empty()) {
    throw Error(where, "expected an object with \"weight_map\": {tensor: file}",
                "fetch the index again");
  }
  std::map<std::string, std::string> file_of;
  for (const auto& [tensor, file] : map->items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.find('/') != std::string::npos || !name.ends_with(".safetensors")) {
      throw Error(fmt::format("{}, tensor \"{}\"", where, excerpt(tensor, 120)),
                  fmt::format("expected the name of a .safetensors file in this folder, found {}",
                              excerpt(dump_json(file), 200)),
                  "shards outside the folder are not read");
    }
    file_of.emplace(tensor, name);
  }
  return file_of;
}

}  // namespace

std::vector<std::string> weight_file_names(const fs::path& folder) {
  if (fs::exists(folder / kSingleFile)) return {kSingleFile};
  if (!fs::exists(folder / kIndexFile)) {
    throw Error(folder.string(), fmt::format("holds neither {} nor {}", kSingleFile, kIndexFile),
                fs::exists(folder / "pytorch_model.bin")
                    ? "convert pytorch_model.bin to safetensors"
                : fs::exists(folder / "adapter_model.safetensors")
                    ? "a LoRA adapter has to be merged into its base first (merge_and_unload)"
                    : "is this a checkpoint folder?");
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : read_index(folder)) names.insert(file);
  if (names.size() > kMaxShards) {
    throw Error((folder / kIndexFile).string(),
                fmt::format("expected at most {} shards, found {}", kMaxShards, names.size()));
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> hash_weight_files(const fs::path& folder,
                                           const std::vector<std::string>& names) {
  std::vector<std::string> hashes;
  for (const std::string& name : names) hashes.push_back(sha256_file(folder / name));
  return hashes;
}

std::string joined_sha256(const std::vector<std::string>& file_hashes) {
  if (file_hashes.size() == 1) return file_hashes.front();
  return sha256_hex(fmt::format("{}", fmt::join(file_hashes, "")));
}

WeightFiles::WeightFiles(const fs::path& folder)
    : folder_(folder), names_(weight_file_names(folder)) {
  files_.reserve(names_.size());
  for (size_t i = 0; i < names_.size(); ++i) {
    files_.emplace_back(folder / names_[i]);
    for (const tensor::TensorEntry& entry : files_[i].tensors()) {
      const auto [place, added] = tensors_.emplace(entry.name, Place{i, &entry});
      if (!added) {
        throw Error(fmt::format("{}, tensor \"{}\"", (folder / names_[i]).string(),
                                excerpt(entry.name, 120)),
                    fmt::format("stands in {} too", names_[place->second.file]));
      }
    }
  }
  if (names_ == std::vector<std::string>{kSingleFile}) return;
  // What the index says and what the shards hold must be the same.
  const auto file_of = read_index(folder);
  for (const auto& [tensor, file] : file_of) {
    const auto place = tensors_.find(tensor);
    if (place == tensors_.end() || names_[place->second.file] != file) {
      throw Error(
          fmt::format("{}, tensor \"{}\"", (folder / kIndexFile).string(), excerpt(tensor, 120)),
          fmt::format("expected in {}, but that file does not hold it", file),
          "fetch the files again");
    }
  }
  for (const auto& [tensor, place] : tensors_) {
    if (file_of.contains(tensor)) continue;
    throw Error(fmt::format("{}, tensor \"{}\"", (folder / names_[place.file]).string(),
                            excerpt(tensor, 120)),
                fmt::format("is not in {}", kIndexFile), "fetch the files again");
  }
}

std::optional<tensor::DType> WeightFiles::dtype() const {
  std::optional<tensor::DType> common;
  for (const auto& [name, place] : tensors_) {
    if (common && *common != place.entry->dtype) return std::nullopt;
    common = place.entry->dtype;
  }
  return common;
}

int64_t WeightFiles::num_parameters(bool tied) const {
  int64_t total = 0;
  for (const auto& [name, place] : tensors_) {
    if (!is_ignored(name, tied)) total += place.entry->num_elements();
  }
  return total;
}

void WeightFiles::check(const ParameterLayout& layout, bool tied,
                        const std::function<void(const Error&)>& report) const {
  std::set<std::string_view> expected;
  for (const ParameterInfo& info : layout.entries()) {
    expected.insert(info.name);
    const auto place = tensors_.find(info.name);
    if (place == tensors_.end()) {
      report(Error(
          fmt::format("{}, tensor \"{}\"", folder_.string(), info.name),
          fmt::format("is missing; config.json asks for it with shape {}", show(info.shape)),
          info.role == TensorRole::kHead ? "perhaps \"tie_word_embeddings\" should be true" : ""));
    } else if (place->second.entry->shape != info.shape) {
      const tensor::TensorEntry& entry = *place->second.entry;
      report(Error(
          fmt::format("{}, tensor \"{}\" at byte {}",
                      (folder_ / names_[place->second.file]).string(), info.name, entry.begin),
          fmt::format("expected shape {} by config.json, found {}", show(info.shape),
                      show(entry.shape))));
    }
  }
  for (const auto& [name, place] : tensors_) {
    if (expected.contains(name) || is_ignored(name, tied)) continue;
    report(
        Error(fmt::format("{}, tensor \"{}\" at byte {}", (folder_ / names_[place.file]).string(),
                          excerpt(name, 120), place.entry->begin),
              "is not part of the architecture that config.json describes"));
  }
}

const tensor::TensorEntry& WeightFiles::entry(const std::string& name) const {
  return *tensors_.at(name).entry;
}

void WeightFiles::read_bytes(const std::string& name, uint64_t offset, std::span<char> to) const {
  const Place& place = tensors_.at(name);
  files_[place.file].read_bytes(*place.entry, offset, to);
}

void WeightFiles::read(Parameters& parameters) const {
  for (const ParameterInfo& info : parameters.layout().entries()) {
    read_tensor(info.name, parameters.at(info));
  }
  if (!parameters.layout().find(TensorRole::kHead)) check_tied_head();
}

void WeightFiles::check_tied_head() const {
  const std::string head_name(tensor_name(TensorRole::kHead)),
      embedding_name(tensor_name(TensorRole::kEmbedding));
  const auto head = tensors_.find(head_name), embedding = tensors_.find(embedding_name);
  if (head == tensors_.end() || embedding == tensors_.end()) return;
  const int64_t size = embedding->second.entry->num_elements();
  bool same = head->second.entry->num_elements() == size;
  std::vector<char> bytes;
  std::vector<float> values[2];
  for (int64_t begin = 0; same && begin < size; begin += kChunk) {
    for (int i = 0; i < 2; ++i) {
      values[i].resize(static_cast<size_t>(std::min(kChunk, size - begin)));
      read_part(i == 0 ? head->second : embedding->second, begin, values[i], bytes);
    }
    same = values[0] == values[1];
  }
  if (same) return;
  const tensor::TensorEntry& entry = *head->second.entry;
  throw Error(fmt::format("{}, tensor \"{}\" at byte {}",
                          (folder_ / names_[head->second.file]).string(), head_name, entry.begin),
              fmt::format("differs from {}, but \"tie_word_embeddings\" is true", embedding_name),
              "set \"tie_word_embeddings\" to false to use it, or leave the tensor out");
}

void WeightFiles::read_part(const Place& place, int64_t begin, std::span<float> to,
                            std::vector<char>& bytes) const {
  const auto width = static_cast<size_t>(tensor::size_bytes(place.entry->dtype));
  bytes.resize(to.size() * width);
  files_[place.file].read_bytes(*place.entry, static_cast<uint64_t>(begin) * width, bytes);
  tensor::to_f32(to, bytes.data(), place.entry->dtype);
}

int64_t WeightFiles::count_not_finite(const std::string& name) const {
  const Place& place = tensors_.at(name);
  const int64_t size = place.entry->num_elements();
  std::vector<char> bytes;
  std::vector<float> values;
  int64_t count = 0;
  for (int64_t begin = 0; begin < size; begin += kChunk) {
    values.resize(static_cast<size_t>(std::min(kChunk, size - begin)));
    read_part(place, begin, values, bytes);
    for (const float value : values) count += std::isfinite(value) ? 0 : 1;
  }
  return count;
}

std::vector<std::string> WeightFiles::tensor_names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : tensors_) names.push_back(name);
  return names;
}

void WeightFiles::read_tensor(const std::string& name, std::span<float> to) const {
  const Place& place = tensors_.at(name);
  files_[place.file].read_f32(*place.entry, to);
}

}  // namespace ponder::model
