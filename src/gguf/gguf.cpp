#include "gguf/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "gguf/gguf_file.h"
#include "gguf/gguf_names.h"
#include "gguf/gguf_vocabulary.h"
#include "model/checkpoint.h"
#include "model/weight_files.h"

namespace ponder::gguf {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kQuantizationVersion = 2;      // of ggml's block formats
constexpr size_t kChunkValues = size_t{1} << 19;  // converted and written at once

// One tensor of the file, and where its values come from.
struct Piece {
  GgufTensor tensor;
  std::string source;              // the checkpoint's name for it
  std::vector<int64_t> row_order;  // of a matrix whose rows change places
};

// "494M", as llama.cpp writes it: two digits at least.
std::string size_label(int64_t num_parameters) {
  const auto n = static_cast<double>(num_parameters);
  const auto [scale, suffix] = n > 1e12  ? std::pair{1e-12, "T"}
                               : n > 1e9 ? std::pair{1e-9, "B"}
                               : n > 1e6 ? std::pair{1e-6, "M"}
                                         : std::pair{1e-3, "K"};
  const int digits = static_cast<int>(std::to_string(std::llround(n * scale)).size());
  const bool zero = std::llround(n * scale) == 0;
  return fmt::format("{:.{}f}{}", n * scale, std::max(0, 2 - (zero ? 0 : digits)), suffix);
}

// llama.cpp has YaRN's published constants built in and takes the attention factor from the factor.
void add_yarn(GgufMetadata& metadata, const std::string& prefix, const ops::RopeScaling& scaling,
              const fs::path& folder) {
  ops::RopeScaling published = scaling;
  published.beta_fast = 32.0;
  published.beta_slow = 1.0;
  published.truncate = true;
  const double usual = ops::yarn_attention_factor(scaling.factor);
  if (!(published == scaling) || std::abs(scaling.attention_factor / usual - 1) > 1e-6) {
    throw Error((folder / "config.json").string() + ", key \"rope_scaling\"",
                "llama.cpp knows yarn with beta_fast 32, beta_slow 1 and the attention factor that "
                "follows from the factor only");
  }
  metadata.add_string(prefix + "type", "yarn");
  metadata.add_f32(prefix + "factor", static_cast<float>(scaling.factor));
  metadata.add_u32(prefix + "original_context_length",
                   static_cast<uint32_t>(scaling.original_max_position_embeddings));
}

void add_model(GgufMetadata& metadata, const fs::path& folder, const model::ModelConfig& config,
               const model::GgufLayout& architecture, GgmlType type) {
  const auto key = [&](std::string_view name) {
    return fmt::format("{}.{}", architecture.name, name);
  };
  const auto count = [&](std::string_view name, int64_t value) {
    metadata.add_u32(key(name), static_cast<uint32_t>(value));
  };
  metadata.add_string("general.architecture", architecture.name);
  metadata.add_string("general.type", "model");
  metadata.add_string("general.name", fs::canonical(folder).filename().string());
  metadata.add_string("general.size_label", size_label(config.num_parameters()));
  count("block_count", config.num_hidden_layers);
  count("context_length", config.max_position_embeddings);
  count("embedding_length", config.hidden_size);
  count("feed_forward_length", config.intermediate_size);
  count("attention.head_count", config.num_attention_heads);
  count("attention.head_count_kv", config.num_key_value_heads);
  metadata.add_f32(key("rope.freq_base"), static_cast<float>(config.rope_theta));
  metadata.add_f32(key("attention.layer_norm_rms_epsilon"),
                   static_cast<float>(config.rms_norm_eps));
  if (config.rope_scaling.type == ops::RopeScaling::Type::kLinear) {
    metadata.add_string(key("rope.scaling.type"), "linear");
    metadata.add_f32(key("rope.scaling.factor"), static_cast<float>(config.rope_scaling.factor));
  }
  if (config.rope_scaling.type == ops::RopeScaling::Type::kYarn) {
    add_yarn(metadata, key("rope.scaling."), config.rope_scaling, folder);
  }
  const Json json = read_json_file(folder / "config.json");
  if (json.contains("head_dim") && !json.at("head_dim").is_null()) {
    count("attention.key_length", config.head_dim);
    count("attention.value_length", config.head_dim);
  }
  metadata.add_u32("general.file_type", file_type_of(type));
  if (architecture.writes_vocab_size) count("vocab_size", config.vocab_size);
  if (architecture.writes_rope_dimension_count) count("rope.dimension_count", config.head_dim);
  metadata.add_u32("general.quantization_version", kQuantizationVersion);
}

std::vector<Piece> pieces_of(const model::ModelConfig& config,
                             const model::GgufLayout& architecture, GgmlType type,
                             GgufResult& result) {
  std::vector<Piece> pieces;
  const model::ParameterLayout layout(config);
  for (const model::ParameterInfo& info : layout.entries()) {
    Piece piece{{info.gguf_name, info.shape, GgmlType::kF32},
                info.name,
                gguf_row_order(architecture, config, info.role)};
    if (info.is_matrix()) {
      piece.tensor.type = type;
      if (piece.tensor.row_size() % block_size(type) != 0) {
        piece.tensor.type = GgmlType::kF16;
        result.not_quantised.push_back(piece.tensor.name);
      }
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

// What llama.cpp divides each rotary frequency by; empty where it needs none. Llama 3's stretching
// is not metadata but this tensor.
std::vector<float> rope_factors(const model::ModelConfig& config) {
  const ops::RopeScaling& scaling = config.rope_scaling;
  std::vector<float> factors;
  if (scaling.type != ops::RopeScaling::Type::kLlama3) return factors;
  const auto context = static_cast<double>(scaling.original_max_position_embeddings);
  for (int64_t i = 0; i < config.head_dim; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(config.head_dim);
    const double wavelength = 2 * std::numbers::pi * std::pow(config.rope_theta, exponent);
    // 0 for waves longer than the old context over low_freq_factor, 1 for the short ones.
    const double unchanged = std::clamp((context / wavelength - scaling.low_freq_factor) /
                                            (scaling.high_freq_factor - scaling.low_freq_factor),
                                        0.0, 1.0);
    factors.push_back(static_cast<float>(1 / ((1 - unchanged) / scaling.factor + unchanged)));
  }
  return factors;
}

// Counts and hashes what goes to the file.
class HashingWriter {
 public:
  explicit HashingWriter(FileWriter& writer) : writer_(writer) {}
  void write(const std::string& bytes) {
    writer_.write(bytes.data(), bytes.size());
    sha256_.update(bytes);
    num_bytes_ += bytes.size();
  }
  uint64_t num_bytes() const { return num_bytes_; }
  std::string hex() { return sha256_.hex(); }

 private:
  FileWriter& writer_;
  Sha256 sha256_;
  uint64_t num_bytes_ = 0;
};

void write_values(HashingWriter& writer, const Piece& piece, std::span<const float> values) {
  const auto row = static_cast<size_t>(piece.tensor.row_size());
  const size_t num_rows = values.size() / row;
  const size_t rows_at_once = std::max<size_t>(1, kChunkValues / row);
  std::string bytes;
  for (size_t begin = 0; begin < num_rows; begin += rows_at_once) {
    const size_t end = std::min(num_rows, begin + rows_at_once);
    bytes.clear();
    if (piece.row_order.empty()) {
      append_as(piece.tensor.type, values.subspan(begin * row, (end - begin) * row), piece.source,
                bytes);
    } else {
      for (size_t r = begin; r < end; ++r) {
        append_as(piece.tensor.type,
                  values.subspan(static_cast<size_t>(piece.row_order[r]) * row, row), piece.source,
                  bytes);
      }
    }
    writer.write(bytes);
  }
  writer.write(std::string(gguf_padding(piece.tensor.num_bytes()), '\0'));
}

}  // namespace

GgufResult export_gguf(const fs::path& folder, const fs::path& out, GgmlType type) {
  if (fs::is_directory(out))
    throw Error(out.string(), "expected the name of a file, found a folder",
                "add a file name: model.gguf");
  const model::ModelConfig config = model::load_config(folder);
  const model::GgufLayout& architecture = gguf_layout(config);
  const model::WeightFiles weights(folder);
  weights.check(model::ParameterLayout(config), config.tie_word_embeddings,
                [](const Error& error) { throw error; });

  GgufResult result;
  const std::vector<Piece> pieces = pieces_of(config, architecture, type, result);
  const std::vector<float> factors = rope_factors(config);
  if (!factors.empty() && !architecture.reads_rope_factors) {
    throw Error((folder / "config.json").string() + ", key \"rope_scaling\"",
                fmt::format("llama.cpp knows no llama3 scaling for {}", architecture.name));
  }
  GgufMetadata metadata;
  add_model(metadata, folder, config, architecture, type);
  add_vocabulary(metadata, folder, config.vocab_size);
  result.model_sha256 = model::verified_sha256(folder);

  std::vector<GgufTensor> tensors;
  if (!factors.empty())
    tensors.push_back({"rope_freqs.weight", {static_cast<int64_t>(factors.size())}});
  for (const Piece& piece : pieces) tensors.push_back(piece.tensor);
  result.num_tensors = static_cast<int64_t>(tensors.size());
  write_file_atomic(out, [&](FileWriter& file) {
    HashingWriter writer(file);
    writer.write(gguf_header(metadata, tensors));
    if (!factors.empty()) write_values(writer, {tensors.front(), "rope_freqs.weight", {}}, factors);
    std::vector<float> values;
    for (const Piece& piece : pieces) {
      values.resize(static_cast<size_t>(piece.tensor.num_elements()));
      weights.read_tensor(piece.source, values);
      write_values(writer, piece, values);
    }
    result.num_bytes = writer.num_bytes();
    result.sha256 = writer.hex();
  });
  return result;
}

}  // namespace ponder::gguf
