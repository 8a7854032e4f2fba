// The weights of a folder: an index and the headers of up to three shards, each with 64 bytes of
// data, split at NUL bytes. Refused by an Error, or a set of tensors that is compared with a model.
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "fuzz.h"
#include "model/weight_files.h"

namespace {

namespace fs = std::filesystem;

// One folder for the whole process, emptied before every input.
const fs::path& scratch() {
  static const fs::path folder =
      fs::temp_directory_path() / ("ponder_fuzz_weights_" + std::to_string(::getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

void write(const fs::path& path, std::string_view text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  ponder::fuzz::require(file != nullptr, "a file to write to");
  std::fwrite(text.data(), 1, text.size(), file);
  std::fclose(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ponder;
  using fuzz::require;
  const auto parts = fuzz::parts_of(fuzz::text_of(data, size));
  const fs::path& folder = scratch();
  write(folder / "model.safetensors.index.json", parts[0]);
  for (size_t i = 1; i < parts.size() && i <= 3; ++i) {
    uint64_t length = parts[i].size();
    std::string shard(reinterpret_cast<const char*>(&length), sizeof length);
    shard += parts[i];
    shard += std::string(64, '\x3f');
    write(folder / (std::to_string(i) + ".safetensors"), shard);
  }
  model::ModelConfig config;
  config.vocab_size = 1000;
  config.hidden_size = config.intermediate_size = 2;
  config.num_hidden_layers = config.num_attention_heads = config.num_key_value_heads = 1;
  config.head_dim = 2;
  try {
    const model::WeightFiles weights(folder);
    require(!weights.names().empty(), "weights stand in files");
    require(weights.num_parameters(false) >= weights.num_parameters(true), "a head counts once");
    int problems = 0;
    weights.check(model::ParameterLayout(config), false, [&](const Error& error) {
      require(!error.where().empty() && !error.problem().empty(), "an error says where and what");
      ++problems;
    });
    require(problems > 0, "so few bytes are never a whole model");
  } catch (const Error& error) {
    require(!error.problem().empty() && !error.where().empty(), "an error says where and what");
  }
  fs::remove_all(folder);
  return 0;
}
