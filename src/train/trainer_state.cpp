#include "train/trainer_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/folder_swap.h"
#include "base/hash.h"
#include "base/json_fields.h"
#include "tensor/safetensors.h"

namespace ponder::train {
namespace fs = std::filesystem;
namespace {

constexpr int kFormat = 1;
constexpr const char* kStartAgain = "remove the folder to start this job again";

fs::path state_file(const fs::path& folder) { return folder / "trainer_state" / "state.json"; }
fs::path arrays_file(const fs::path& folder) {
  return folder / "trainer_state" / "optimizer.safetensors";
}

void write_arrays(const fs::path& path, const TrainingState& state) {
  std::vector<tensor::TensorToWrite> tensors;
  for (const TrainingState::Tensor& tensor : state.tensors()) {
    tensors.push_back({tensor.name, tensor.parameter.shape});
    tensors.back().read = [&state, tensor](int64_t begin, std::span<float> to) {
      state.read(tensor, begin, to);
    };
  }
  tensor::write_safetensors(path, tensors, tensor::DType::kF32);
}

// The file has f32; what was stored as bf16 is one there, so it comes back as it was.
void read_arrays(const fs::path& path, TrainingState& state) {
  constexpr int64_t kChunk = int64_t{1} << 18;
  const tensor::SafetensorsFile file(path);
  std::vector<char> bytes;
  std::vector<float> values;
  for (const TrainingState::Tensor& tensor : state.tensors()) {
    const tensor::TensorEntry* entry = file.find(tensor.name);
    if (!entry || entry->shape != tensor.parameter.shape) {
      throw Error(
          path.string(),
          fmt::format("expected a tensor {} of {} elements", tensor.name, tensor.parameter.size),
          kStartAgain);
    }
    const int64_t width = tensor::size_bytes(entry->dtype);
    for (int64_t done = 0; done < tensor.parameter.size; done += kChunk) {
      const int64_t count = std::min(kChunk, tensor.parameter.size - done);
      bytes.resize(static_cast<size_t>(count * width));
      values.resize(static_cast<size_t>(count));
      file.read_bytes(*entry, static_cast<uint64_t>(done * width), bytes);
      tensor::to_f32(values, bytes.data(), entry->dtype);
      state.write(tensor, done, values);
    }
  }
}

}  // namespace

void save_trainer_state(const fs::path& folder, TrainerState state, const Trainer& trainer) {
  fs::create_directories(folder / "trainer_state");
  state.optimizer_sha256.clear();
  if (!state.finished) {
    write_arrays(arrays_file(folder), trainer.state());
    state.optimizer_sha256 = sha256_file(arrays_file(folder));
  }
  write_file_atomic(state_file(folder), dump_json(to_json(state)) + "\n");
}

Json to_json(const TrainerState& state) {
  const TrainerPosition& position = state.position;
  Json json = {{"format", kFormat},
               {"finished", state.finished},
               {"step", position.step},
               {"num_updates", position.num_updates},
               {"consecutive_skips", position.consecutive_skips},
               {"total_tokens", position.total_tokens},
               {"model_sha256", state.model_sha256},
               {"optimizer_sha256", state.optimizer_sha256},
               {"job", state.job},
               {"losses", state.losses},
               {"task", state.source}};
  for (const ProbeReading& reading : state.probes) json["probes"].push_back(to_json(reading));
  return json;
}

std::optional<TrainerState> read_trainer_state(const fs::path& folder) {
  const fs::path path = state_file(folder);
  if (!fs::exists(path)) return std::nullopt;
  return trainer_state_from(read_json_file(path), path.string());
}

TrainerState trainer_state_from(const Json& json, const std::string& where) {
  const JsonFields fields(json, where, "", kStartAgain);
  const int64_t format = fields.integer("format");
  if (format != kFormat) {
    throw Error(where, fmt::format("expected format {}, found {}", kFormat, format),
                "a newer ponder wrote it");
  }
  TrainerState state;
  state.finished = fields.boolean("finished");
  state.position.step = fields.integer("step");
  state.position.num_updates = fields.integer("num_updates");
  state.position.consecutive_skips = fields.integer("consecutive_skips");
  state.position.total_tokens = fields.integer("total_tokens");
  state.model_sha256 = fields.text("model_sha256");
  state.optimizer_sha256 = fields.text("optimizer_sha256");
  state.job = fields.require("job");
  state.source = fields.require("task");
  for (const Json& loss : fields.array("losses")) {
    state.losses.push_back(loss.is_number() ? loss.get<double>()
                                            : std::numeric_limits<double>::quiet_NaN());
  }
  if (fields.has("probes")) {
    for (const Json& reading : fields.array("probes"))
      state.probes.push_back(probe_reading_from(reading, where));
  }
  return state;
}

void load_trainer_arrays(const fs::path& folder, const TrainerState& state, Trainer& trainer) {
  const fs::path path = arrays_file(folder);
  const std::string found = sha256_file(path);
  if (found != state.optimizer_sha256) {
    throw Error(path.string(),
                fmt::format("expected sha256 {}, found {}", state.optimizer_sha256, found),
                kStartAgain);
  }
  const int64_t num_steps = trainer.num_steps().value_or(state.position.step);
  if (state.position.step < 0 || state.position.step > num_steps ||
      state.position.num_updates > state.position.step) {
    throw Error(
        state_file(folder).string(),
        fmt::format("expected a step of at most {}, found {}", num_steps, state.position.step),
        kStartAgain);
  }
  read_arrays(path, trainer.mutable_state());
}

std::string job_differences(const Json& there, const Json& here) {
  std::string text;
  const auto add = [&](const std::string& key, const std::string& old_value,
                       const std::string& new_value) {
    text +=
        fmt::format("{}{}: {} there, {} here", text.empty() ? "" : "; ", key, old_value, new_value);
  };
  for (const auto& [key, value] : here.items()) {
    const auto other = there.find(key);
    if (other == there.end()) {
      add(key, "nothing", dump_json(value));
    } else if (*other != value) {
      add(key, dump_json(*other), dump_json(value));
    }
  }
  for (const auto& [key, value] : there.items()) {
    if (!here.contains(key)) add(key, dump_json(value), "nothing");
  }
  return text;
}

void recover_folder(const fs::path& out) {
  recover_swapped_folder(out, [](const fs::path& old) { return fs::exists(state_file(old)); });
  fs::path torn = beside(out, kNextFolder);
  fs::remove_all(torn);
  torn += ".tmp";  // where save_checkpoint builds it
  fs::remove_all(torn);
}

}  // namespace ponder::train
