// Element types of stored tensors, and exact or correctly rounded conversion to and from f32, in
// which all arithmetic happens.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ponder::tensor {

enum class DType { kF32, kBF16, kF16 };

int64_t size_bytes(DType dtype);
std::string_view safetensors_name(DType dtype);  // "F32", "BF16", "F16"
std::string_view config_name(DType dtype);       // "float32", "bfloat16", "float16"
std::optional<DType> dtype_from_name(
    std::string_view name);  // either spelling, or "f32", "bf16", "f16"

// `from` holds to.size() elements of `dtype`, little-endian, unaligned allowed. Exact.
void to_f32(std::span<float> to, const void* from, DType dtype);
// Rounds to nearest, ties to even; overflow to infinity; NaN stays NaN.
void from_f32(void* to, std::span<const float> from, DType dtype);

}  // namespace ponder::tensor
