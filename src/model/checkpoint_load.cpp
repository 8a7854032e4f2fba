#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "model/checkpoint.h"
#include "model/no_checkpoint.h"
#include "model/weight_files.h"

namespace ponder::model {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{1} << 18;

Json read_small_json(const fs::path& path) {
  return parse_json(read_file(path, kMaxConfigBytes), path.string());
}

// The hash that ponder.json recorded when the folder was written, or "".
std::string recorded_sha256(const fs::path& folder) {
  const fs::path path = folder / "ponder.json";
  if (!fs::exists(path)) return "";
  const Json json = read_json_file(path);
  const auto found = json.is_object() ? json.find("sha256") : json.end();
  return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>()
                                                                       : "";
}

void check_recorded(const fs::path& folder, const std::string& sha256) {
  const std::string recorded = recorded_sha256(folder);
  if (recorded.empty() || recorded == sha256) return;
  throw Error(
      folder.string(),
      fmt::format("the weights' sha256 is {}, but ponder.json recorded {}", sha256, recorded),
      "they were damaged or exchanged; if on purpose, remove ponder.json");
}

[[noreturn]] void fail_as_config(const fs::path& file) {
  throw Error(file.string(), "expected a model's config.json, or the folder that holds it",
              "give config.json by its name");
}

}  // namespace

ModelConfig load_config(const fs::path& folder_or_config_json) {
  const bool named_file = folder_or_config_json.extension() == ".json";
  if (!fs::exists(folder_or_config_json) && !named_file) fail_as_checkpoint(folder_or_config_json);
  if (!fs::is_directory(folder_or_config_json)) {
    const fs::path extension = folder_or_config_json.extension();
    if (extension == ".gguf" || extension == ".safetensors")
      fail_as_checkpoint(folder_or_config_json);
    if (!named_file) fail_as_config(folder_or_config_json);
    return ModelConfig::from_json(read_small_json(folder_or_config_json),
                                  folder_or_config_json.string());
  }
  const fs::path config_path = folder_or_config_json / "config.json";
  const fs::path generation_path = folder_or_config_json / "generation_config.json";
  if (!fs::exists(config_path)) fail_as_checkpoint(folder_or_config_json);
  ModelConfig config = ModelConfig::from_json(read_small_json(config_path), config_path.string());
  if (fs::exists(generation_path)) {
    auto ids = read_eos_token_ids(read_small_json(generation_path), generation_path.string(),
                                  config.vocab_size);
    if (!ids.empty()) config.eos_token_ids = std::move(ids);
  }
  return config;
}

std::string checkpoint_sha256(const fs::path& folder) {
  return joined_sha256(hash_weight_files(folder, weight_file_names(folder)));
}

std::string verified_sha256(const fs::path& folder) {
  const std::string sha256 = checkpoint_sha256(folder);
  check_recorded(folder, sha256);
  return sha256;
}

OpenCheckpoint::OpenCheckpoint() = default;
OpenCheckpoint::OpenCheckpoint(OpenCheckpoint&&) noexcept = default;
OpenCheckpoint::~OpenCheckpoint() = default;

OpenCheckpoint open_checkpoint(const fs::path& folder) {
  if (!fs::is_directory(folder)) fail_as_checkpoint(folder);
  OpenCheckpoint open;
  open.config = load_config(folder);
  open.weights = std::make_unique<WeightFiles>(folder);
  open.weights->check(ParameterLayout(open.config), open.config.tie_word_embeddings,
                      [](const Error& error) { throw error; });
  open.config.dtype = open.weights->dtype().value_or(open.config.dtype);
  open.sha256 = verified_sha256(folder);
  return open;
}

Checkpoint load_checkpoint(const fs::path& folder) {
  const OpenCheckpoint open = open_checkpoint(folder);
  Checkpoint checkpoint;
  checkpoint.folder = folder;
  checkpoint.config = open.config;
  checkpoint.sha256 = open.sha256;
  checkpoint.parameters = Parameters(checkpoint.config, "weights");
  open.weights->read(checkpoint.parameters);
  return checkpoint;
}

Inspection inspect_checkpoint(const fs::path& folder, bool hash) {
  if (!fs::exists(folder / "config.json")) fail_as_checkpoint(folder);
  Inspection result;
  const auto attempt = [&](const auto& body) {
    try {
      body();
    } catch (const Error& error) {
      result.problems.push_back(error.what());
    }
  };
  attempt([&] {
    result.config = load_config(folder);
    result.architecture = result.config.architecture().class_name;
  });
  attempt([&] {
    const WeightFiles weights(folder);
    const bool tied = !result.architecture.empty() && result.config.tie_word_embeddings;
    result.files = weights.names();
    result.parameters = weights.num_parameters(tied);
    const std::optional<tensor::DType> dtype = weights.dtype();
    result.dtype = dtype ? tensor::config_name(*dtype) : "mixed";
    if (hash) {
      for (const std::string& name : weights.tensor_names()) {
        const int64_t count = weights.count_not_finite(name);
        if (count == 0) continue;
        result.problems.push_back(fmt::format("{}, tensor \"{}\": {} of {} values are not finite",
                                              folder.string(), excerpt(name, 120), count,
                                              weights.entry(name).num_elements()));
      }
    }
    if (result.architecture.empty()) return;
    if (hash && tied) attempt([&] { weights.check_tied_head(); });
    weights.check(ParameterLayout(result.config), tied,
                  [&](const Error& error) { result.problems.push_back(error.what()); });
    if (dtype && *dtype != result.config.dtype) {
      result.problems.push_back(
          fmt::format("{}: config.json says {}, the weights are {}", folder.string(),
                      tensor::config_name(result.config.dtype), result.dtype));
    }
  });
  if (!fs::exists(folder / "tokenizer.json") && !fs::exists(folder / "tokenizer.json.gz")) {
    result.problems.push_back(
        fmt::format("{}: no tokenizer.json: text cannot be read or written", folder.string()));
  }
  if (hash && !result.files.empty()) {
    attempt([&] {
      result.sha256 = joined_sha256(hash_weight_files(folder, result.files));
      check_recorded(folder, result.sha256);
    });
  }
  return result;
}

}  // namespace ponder::model
