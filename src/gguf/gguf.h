// A checkpoint folder as one GGUF file, the format of llama.cpp and what is built on it: the same
// metadata, names and layouts as llama.cpp's convert_hf_to_gguf.py writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "gguf/ggml_type.h"

namespace ponder::gguf {

struct GgufResult {
  uint64_t num_bytes = 0;
  int64_t num_tensors = 0;
  std::string sha256;        // of the file
  std::string model_sha256;  // of the weights it was made from
  // Tensors stored as f16 because their rows do not hold whole q8_0 blocks.
  std::vector<std::string> not_quantised;
};

// Matrices become `type`; norms and biases stay f32. One tensor is in memory at a time. The file
// appears whole or not at all, and an older file of this name is replaced. Throws Error for a
// checkpoint that load_checkpoint would refuse, and naming the tensor whose values `type` cannot
// hold.
GgufResult export_gguf(const std::filesystem::path& folder, const std::filesystem::path& out,
                       GgmlType type);

}  // namespace ponder::gguf
