#include "tensor/dtype.h"

#include <array>
#include <bit>
#include <cstring>

namespace ponder::tensor {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors bytes are little-endian");

struct Names {
  DType dtype;
  int64_t size_bytes;
  std::string_view safetensors, config, brief;
};
constexpr std::array<Names, 3> kNames = {{
    {DType::kF32, 4, "F32", "float32", "f32"},
    {DType::kBF16, 2, "BF16", "bfloat16", "bf16"},
    {DType::kF16, 2, "F16", "float16", "f16"},
}};

const Names& names_of(DType dtype) { return kNames[static_cast<size_t>(dtype)]; }

float bf16_to_f32(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

uint16_t f32_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  // Rounding could carry a NaN into infinity or cut its payload to nothing: keep the top bits and
  // make it quiet.
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

float f16_to_f32(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1F, mantissa = bits & 0x3FF;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000 | (mantissa << 13));
  if (exponent == 0) {  // a multiple of 2^-24: exact in f32
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t f32_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000)
    return static_cast<uint16_t>(sign | 0x7E00 | ((magnitude >> 13) & 0x3FF));
  if (magnitude >= 0x477FF000)
    return static_cast<uint16_t>(sign | 0x7C00);  // 65520 and above round to infinity
  if (magnitude < 0x38800000) {  // below 2^-14: the sum with 0.5 rounds at 2^-24, ties to even
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3F000000));
  }
  const uint32_t rounded = magnitude + 0xFFF + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000) >> 13));
}

template <class Convert>
void widen(std::span<float> to, const void* from, Convert convert) {
  const char* source = static_cast<const char*>(from);
  for (size_t i = 0; i < to.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, source + 2 * i, 2);
    to[i] = convert(bits);
  }
}

template <class Convert>
void narrow(void* to, std::span<const float> from, Convert convert) {
  char* target = static_cast<char*>(to);
  for (size_t i = 0; i < from.size(); ++i) {
    const uint16_t bits = convert(from[i]);
    std::memcpy(target + 2 * i, &bits, 2);
  }
}

}  // namespace

int64_t size_bytes(DType dtype) { return names_of(dtype).size_bytes; }
std::string_view safetensors_name(DType dtype) { return names_of(dtype).safetensors; }
std::string_view config_name(DType dtype) { return names_of(dtype).config; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Names& names : kNames) {
    if (name == names.safetensors || name == names.config || name == names.brief)
      return names.dtype;
  }
  return std::nullopt;
}

void to_f32(std::span<float> to, const void* from, DType dtype) {
  switch (dtype) {
    case DType::kF32:
      if (!to.empty()) std::memcpy(to.data(), from, to.size_bytes());
      return;
    case DType::kBF16:
      return widen(to, from, bf16_to_f32);
    case DType::kF16:
      return widen(to, from, f16_to_f32);
  }
}

void from_f32(void* to, std::span<const float> from, DType dtype) {
  switch (dtype) {
    case DType::kF32:
      if (!from.empty()) std::memcpy(to, from.data(), from.size_bytes());
      return;
    case DType::kBF16:
      return narrow(to, from, f32_to_bf16);
    case DType::kF16:
      return narrow(to, from, f32_to_f16);
  }
}

}  // namespace ponder::tensor
