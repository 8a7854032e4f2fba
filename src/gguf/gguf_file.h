// The GGUF container, version 3, little-endian: a header, metadata (typed keys), one record per
// tensor, then the tensors' bytes, each from a multiple of 32. Source: ggml's docs/gguf.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/ggml_type.h"

namespace ponder::gguf {

// Metadata in the order in which it is added; a key must not come twice.
class GgufMetadata {
 public:
  void add_u32(std::string_view key, uint32_t value);
  void add_f32(std::string_view key, float value);
  void add_bool(std::string_view key, bool value);
  void add_string(std::string_view key, std::string_view value);
  void add_strings(std::string_view key, const std::vector<std::string>& values);
  void add_i32s(std::string_view key, const std::vector<int32_t>& values);

  uint64_t size() const { return size_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(std::string_view key, uint32_t type);

  uint64_t size_ = 0;
  std::string bytes_;
};

struct GgufTensor {
  std::string name;  // "blk.0.attn_q.weight"
  std::vector<int64_t>
      shape;  // (out, in), as in the checkpoint; GGUF stores it the other way round
  GgmlType type = GgmlType::kF32;

  int64_t num_elements() const;
  int64_t row_size() const { return shape.back(); }
  uint64_t num_bytes() const;  // without the padding behind it
};

constexpr uint64_t kGgufAlignment = 32;
// Zero bytes that bring `num_bytes` to the next multiple of the alignment.
inline uint64_t gguf_padding(uint64_t num_bytes) {
  return (kGgufAlignment - num_bytes % kGgufAlignment) % kGgufAlignment;
}

// Everything before the first tensor's bytes, padded. The bytes of the tensors follow in the order
// given, each with its padding.
std::string gguf_header(const GgufMetadata& metadata, const std::vector<GgufTensor>& tensors);

}  // namespace ponder::gguf
