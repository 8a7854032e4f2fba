// Element types of tensors in GGUF files, and the conversion of f32 values to them. Source: ggml's
// ggml.h (numbers) and its reference quantisation of Q8_0.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ponder::gguf {

enum class GgmlType : uint32_t { kF32 = 0, kF16 = 1, kQ8_0 = 8, kBF16 = 30 };

std::string_view to_string(GgmlType type);  // "f32", "f16", "q8_0", "bf16"
std::optional<GgmlType> ggml_type_from_string(std::string_view name);
// general.file_type of a file whose matrices are of this type (llama.cpp's llama_ftype).
uint32_t file_type_of(GgmlType type);

// Values to a block: rows of a tensor hold whole blocks. 32 for Q8_0, else 1.
int64_t block_size(GgmlType type);
int64_t block_bytes(GgmlType type);

// Appends `values` (whole blocks) to `to`. F16 and BF16 round to nearest, ties to even. A Q8_0
// block is an f16 scale, max |x| / 127, and 32 integers x / scale rounded half away from zero.
// Throws Error naming `tensor` for a value that is not finite, or whose magnitude the type cannot
// hold.
void append_as(GgmlType type, std::span<const float> values, const std::string& tensor,
               std::string& to);

}  // namespace ponder::gguf
