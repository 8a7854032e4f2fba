#include "model/no_checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/checkpoint.h"

namespace ponder::model {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxAdapterBytes = uint64_t{1} << 18;

// Folders in `folder` that hold a config.json, by name.
std::vector<std::string> checkpoints_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(folder, gone)) {
    if (fs::exists(entry.path() / "config.json", gone))
      names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// "organisation/name", as hubs write it.
bool is_hub_name(const fs::path& path) {
  const std::string text = path.string();
  const size_t slash = text.find('/');
  return slash != std::string::npos && slash > 0 && slash + 1 < text.size() && text[0] != '.' &&
         text[0] != '~' && text.find('/', slash + 1) == std::string::npos &&
         !fs::exists(path.parent_path());
}

}  // namespace

std::string hub_advice(const fs::path& path) {
  if (!is_hub_name(path)) return "";
  return fmt::format("of a model on the Hub: hf download {0} --local-dir {1}, then give {1}",
                     path.string(), path.filename().string());
}

namespace {

[[noreturn]] void fail_as_absent(const fs::path& path) {
  // "http://host" where the path was not normalised.
  if (path.string().find(":/") != std::string::npos) {
    throw Error(
        ErrorKind::kNotFound, path.string(), "is an address; ponder downloads nothing",
        "give the folder of a checkpoint that is on this machine, and --server with it where "
        "servers have it; ponder eval --model takes a server's address");
  }
  if (const std::string hub = hub_advice(path); !hub.empty()) {
    throw Error(ErrorKind::kNotFound, path.string(),
                "there is no such folder, and ponder downloads nothing", hub);
  }
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::vector<std::string> names = checkpoints_in(parent);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string near = nearest(path.filename().string(), views.data(), views.size());
  std::string advice = "check the path";
  if (!near.empty()) {
    advice = fmt::format("did you mean {}?",
                         (path.has_parent_path() ? parent / near : fs::path(near)).string());
  } else if (!names.empty()) {
    advice = fmt::format("the checkpoints beside it are {}", fmt::join(names, ", "));
  }
  throw Error(ErrorKind::kNotFound, path.string(), "expected a checkpoint folder, found nothing",
              advice);
}

[[noreturn]] void fail_as_file(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const bool inside = fs::exists(folder / "config.json");
  const std::string what = path.extension() == ".gguf" ? "a GGUF file" : "a file";
  throw Error(path.string(), fmt::format("expected a checkpoint folder, found {}", what),
              inside ? fmt::format("give its folder: {}", folder.string())
                     : "give the folder that holds config.json, tokenizer.json and safetensors");
}

}  // namespace

void fail_as_checkpoint(const fs::path& path) {
  if (!fs::exists(path)) fail_as_absent(path);
  if (!fs::is_directory(path)) fail_as_file(path);
  const fs::path adapter = path / "adapter_config.json";
  if (fs::exists(adapter)) {
    std::string base;
    const Json json = parse_json(read_file(adapter, kMaxAdapterBytes), adapter.string());
    const auto found = json.is_object() ? json.find("base_model_name_or_path") : json.end();
    if (json.is_object() && found != json.end() && found->is_string())
      base = fmt::format(" of {}", excerpt(found->get<std::string>()));
    throw Error(path.string(), fmt::format("is a LoRA adapter{}, no model of its own", base),
                "merge it into its base (peft: merge_and_unload, then save_pretrained)");
  }
  const bool is_run = fs::exists(path / "run.db");
  const fs::path within = is_run ? path / "checkpoints" : path;
  const std::vector<std::string> names = checkpoints_in(within);
  if (!names.empty()) {
    throw Error(path.string(),
                fmt::format("is {}; its models are {}",
                            is_run ? "a run" : "a folder of checkpoints", fmt::join(names, ", ")),
                fmt::format("give one of them: {}", (within / names.back()).string()));
  }
  if (is_run) {
    throw Error(path.string(), "is a run that has made no model yet",
                "give the folder of a checkpoint");
  }
  throw Error(path.string(), "holds no config.json",
              "give the folder that holds config.json, tokenizer.json and safetensors");
}

}  // namespace ponder::model
