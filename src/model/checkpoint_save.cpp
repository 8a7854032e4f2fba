#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/folder_swap.h"
#include "base/hash.h"
#include "model/checkpoint.h"
#include "model/weight_files.h"

namespace ponder::model {
namespace fs = std::filesystem;
namespace {

constexpr const char* kGenerationConfig = "generation_config.json";

// Nothing else of the base goes into what is written: a folder may hold anything.
constexpr const char* kCopiedFiles[] = {
    "tokenizer.json",        "tokenizer.json.gz",  "tokenizer.model",
    "tokenizer_config.json", "vocab.json",         "merges.txt",
    "chat_template.jinja",   "chat_template.json", "special_tokens_map.json",
    "added_tokens.json"};
// Licences ask to go with what is made from the model: LICENSE.txt, USE_POLICY.md, ...
constexpr const char* kCopiedPrefixes[] = {"LICENSE", "LICENCE", "NOTICE", "USE_POLICY"};

bool is_licence(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  return entry.is_regular_file() &&
         std::any_of(std::begin(kCopiedPrefixes), std::end(kCopiedPrefixes),
                     [&](const char* prefix) { return name.starts_with(prefix); });
}

// Byte for byte, gzip or not.
void copy_durably(const fs::path& from, const fs::path& to) {
  std::ifstream in(from, std::ios::binary);
  if (!in) throw Error(from.string(), fmt::format("cannot be read: {}", std::strerror(errno)));
  write_file_atomic(to, [&](FileWriter& writer) {
    std::vector<char> chunk(size_t{1} << 20);
    while (in.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || in.gcount() > 0) {
      writer.write(chunk.data(), static_cast<size_t>(in.gcount()));
    }
    if (in.bad()) throw Error(from.string(), "cannot be read to its end");
  });
}

using Files = std::map<std::string, std::string>;

// All but those that are written in their place.
void copy_base_files(const fs::path& from, const fs::path& to, const Files& replaced) {
  for (const char* name : kCopiedFiles) {
    // A packed tokenizer would say otherwise than the one that is written in its place.
    const bool packed = name == std::string_view("tokenizer.json.gz");
    if (fs::exists(from / name) && !replaced.contains(packed ? "tokenizer.json" : name))
      copy_durably(from / name, to / name);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    if (is_licence(entry)) copy_durably(entry.path(), to / entry.path().filename());
  }
}

// The text of the generation_config.json to write; empty for none.
std::string generation_config_text(const fs::path& base, const ModelConfig& config,
                                   const std::vector<int32_t>& end_token_ids) {
  std::string text;
  Json json = Json::object();
  std::vector<int32_t> ids = config.eos_token_ids;
  const fs::path path = base / kGenerationConfig;
  if (!base.empty() && fs::exists(path)) {
    text = read_file(path);
    json = parse_json(text, path.string());
    ids = read_eos_token_ids(json, path.string(), config.vocab_size);
  }
  bool complete = !text.empty();
  for (const int32_t id : end_token_ids) {
    if (std::find(ids.begin(), ids.end(), id) != ids.end()) continue;
    ids.push_back(id);
    complete = false;
  }
  if (complete || ids.empty()) return text;
  json["eos_token_id"] = ids;
  return json.dump(2) + "\n";
}

// The text of a config.json with its dtype set; the same bytes when it is the right one already.
std::string with_dtype(const std::string& text, const std::string& where, tensor::DType dtype) {
  Json json = parse_json(text, where);
  bool changed = false;
  const auto set = [&](const char* key) {
    if (json.contains(key) && json[key] == std::string(tensor::config_name(dtype))) return;
    json[key] = tensor::config_name(dtype);
    changed = true;
  };
  if (json.contains("dtype")) set("dtype");
  if (json.contains("torch_dtype") || !json.contains("dtype")) set("torch_dtype");
  return changed ? json.dump(2) + "\n" : text;
}

// The architecture alone: what two configs must share for one to stand for the other.
Json architecture_of(ModelConfig config) {
  config.dtype = tensor::DType::kF32;
  config.eos_token_ids.clear();
  return config.to_json();
}

std::string base_config_text(const fs::path& base, const ModelConfig& config,
                             const SaveOptions& options) {
  const fs::path path = base / "config.json";
  ModelConfig of_base = load_config(path);
  const bool grown = options.grown_vocabulary && config.vocab_size > of_base.vocab_size;
  if (grown) of_base.vocab_size = config.vocab_size;
  const Json expected = architecture_of(config), found = architecture_of(of_base);
  for (const auto& [key, value] : expected.items()) {
    const Json other = found.contains(key) ? found.at(key) : Json();
    if (other == value) continue;
    throw Error(
        fmt::format("{}, key \"{}\"", path.string(), key),
        fmt::format("is {}, but the model to save has {}", dump_json(other), dump_json(value)),
        "name the folder of the model it was trained from");
  }
  std::string text = read_file(path);
  if (grown) {
    Json json = parse_json(text, path.string());
    json["vocab_size"] = config.vocab_size;
    text = json.dump(2) + "\n";
  }
  return with_dtype(text, path.string(), options.dtype);
}

// Groups of consecutive parameters, each at most `max_bytes` unless a single one is larger.
std::vector<std::vector<tensor::TensorToWrite>> split_into_shards(const ParameterLayout& layout,
                                                                  const ReadWeights& read,
                                                                  tensor::DType dtype,
                                                                  uint64_t max_bytes) {
  std::vector<std::vector<tensor::TensorToWrite>> shards(1);
  uint64_t used = 0;
  for (const ParameterInfo& info : layout.entries()) {
    const uint64_t num_bytes = static_cast<uint64_t>(info.size * tensor::size_bytes(dtype));
    if (used + num_bytes > max_bytes && !shards.back().empty()) {
      shards.emplace_back();
      used = 0;
    }
    used += num_bytes;
    tensor::TensorToWrite& tensor =
        shards.back().emplace_back(tensor::TensorToWrite{info.name, info.shape});
    tensor.read = [&](int64_t begin, std::span<float> to) { read(info, begin, to); };
  }
  return shards;
}

void write_weights(const fs::path& folder, const ParameterLayout& layout, const ReadWeights& read,
                   tensor::DType dtype, uint64_t max_shard_bytes) {
  const std::map<std::string, std::string> metadata = {
      {"format", "pt"}};  // transformers refuses files without it
  const auto shards = split_into_shards(layout, read, dtype, max_shard_bytes);
  if (shards.size() == 1) {
    tensor::write_safetensors(folder / "model.safetensors", shards[0], dtype, metadata);
    return;
  }
  uint64_t total_bytes = 0;
  std::map<std::string, std::string> file_of;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    tensor::write_safetensors(folder / name, shards[i], dtype, metadata);
    for (const tensor::TensorToWrite& tensor : shards[i]) {
      file_of.emplace(tensor.name, name);
      total_bytes += static_cast<uint64_t>(tensor.num_elements() * tensor::size_bytes(dtype));
    }
  }
  Json index = Json::object();
  index["metadata"]["total_size"] = total_bytes;
  index["weight_map"] = file_of;
  write_file_atomic(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

// ponder.json goes last: it holds the hashes of what stands beside it.
std::string write_manifest(const fs::path& folder, Json provenance) {
  const std::vector<std::string> names = weight_file_names(folder);
  const std::vector<std::string> hashes = hash_weight_files(folder, names);
  const std::string sha256 = joined_sha256(hashes);
  provenance["sha256"] = sha256;
  provenance["files"] = Json::object();
  for (size_t i = 0; i < names.size(); ++i) provenance["files"][names[i]] = hashes[i];
  write_file_atomic(folder / "ponder.json",
                    provenance.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  return sha256;
}

constexpr const char* kReplaceable = "a complete checkpoint written by ponder";

bool is_ours_and_complete(const fs::path& folder) {
  if (!fs::exists(folder / "ponder.json")) return false;
  try {
    const WeightFiles weights(folder);
    bool complete = true;
    const ModelConfig config = load_config(folder);
    weights.check(ParameterLayout(config), config.tie_word_embeddings,
                  [&](const Error&) { complete = false; });
    return complete;
  } catch (const Error&) {
    return false;
  }
}

struct Contents {
  std::string config_text;
  std::string generation_config_text;  // empty for none
  fs::path copy_from;                  // may be empty
  Files files;
  tensor::DType dtype;
  uint64_t max_shard_bytes;
  Json provenance;
};

std::string write_checkpoint(FolderWriter& writer, const ParameterLayout& layout,
                             const ReadWeights& read, const Contents& contents) {
  write_weights(writer.path(), layout, read, contents.dtype, contents.max_shard_bytes);
  write_file_atomic(writer.path() / "config.json", contents.config_text);
  if (!contents.generation_config_text.empty()) {
    write_file_atomic(writer.path() / kGenerationConfig, contents.generation_config_text);
  }
  if (!contents.copy_from.empty())
    copy_base_files(contents.copy_from, writer.path(), contents.files);
  for (const auto& [name, text] : contents.files) write_file_atomic(writer.path() / name, text);
  const std::string sha256 = write_manifest(writer.path(), contents.provenance);
  writer.commit();
  return sha256;
}

ReadWeights reader_of(const Parameters& parameters) {
  return [&parameters](const ParameterInfo& parameter, int64_t begin, std::span<float> to) {
    std::copy_n(parameters.flat().begin() + parameter.offset + begin, to.size(), to.begin());
  };
}

}  // namespace

std::map<std::string, std::string> settings_sha256(const fs::path& folder) {
  std::map<std::string, std::string> hashes;
  const auto add = [&](const char* name) {
    if (fs::is_regular_file(folder / name)) hashes[name] = sha256_file(folder / name);
  };
  add("config.json");
  add(kGenerationConfig);
  for (const char* name : kCopiedFiles) add(name);
  return hashes;
}

std::string save_checkpoint(const fs::path& folder, const ModelConfig& config,
                            const Parameters& parameters, const SaveOptions& options) {
  return save_checkpoint(folder, config, reader_of(parameters), options);
}

std::string save_checkpoint(const fs::path& folder, const ModelConfig& config,
                            const ReadWeights& read, const SaveOptions& options) {
  Contents contents{"",
                    generation_config_text(options.base_folder, config, options.end_token_ids),
                    options.base_folder,
                    options.files,
                    options.dtype,
                    options.max_shard_bytes,
                    options.provenance};
  if (options.base_folder.empty()) {
    ModelConfig stored = config;
    stored.dtype = options.dtype;
    contents.config_text = stored.to_json().dump(2) + "\n";
  } else {
    contents.config_text = base_config_text(options.base_folder, config, options);
  }
  FolderWriter writer(folder, is_ours_and_complete, kReplaceable);
  return write_checkpoint(writer, ParameterLayout(config), read, contents);
}

std::string init_checkpoint(const fs::path& config_json, const fs::path& tokenizer_folder,
                            const fs::path& out_folder, tensor::DType dtype, uint64_t seed,
                            ThreadPool* threads) {
  const ModelConfig config = load_config(config_json);
  if (!tokenizer_folder.empty() && !fs::exists(tokenizer_folder / "tokenizer.json") &&
      !fs::exists(tokenizer_folder / "tokenizer.json.gz")) {
    throw Error(tokenizer_folder.string(),
                "expected a folder with tokenizer.json or tokenizer.json.gz");
  }
  const fs::path config_file =
      fs::is_directory(config_json) ? config_json / "config.json" : config_json;
  Contents contents{with_dtype(read_file(config_file), config_file.string(), dtype),
                    generation_config_text(tokenizer_folder, config, {}),
                    tokenizer_folder,
                    {},
                    dtype,
                    SaveOptions().max_shard_bytes,
                    Json::object()};
  contents.provenance["parents"] = Json::array();
  contents.provenance["recipe"] = {{"command", "init"}, {"seed", seed}};
  FolderWriter writer(out_folder, is_ours_and_complete, kReplaceable);
  Parameters parameters(config, "weights");
  initialise(parameters, config, seed, threads);
  return write_checkpoint(writer, parameters.layout(), reader_of(parameters), contents);
}

}  // namespace ponder::model
