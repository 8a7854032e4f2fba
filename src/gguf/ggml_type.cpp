#include "gguf/ggml_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "tensor/dtype.h"

namespace ponder::gguf {
namespace {

constexpr int64_t kQ8Block = 32;
constexpr uint16_t kF16Infinity = 0x7C00;

struct TypeInfo {
  GgmlType type;
  std::string_view name;
  uint32_t file_type;
  int64_t block_size, block_bytes;
};
constexpr std::array<TypeInfo, 4> kTypes = {{
    {GgmlType::kF32, "f32", 0, 1, 4},
    {GgmlType::kF16, "f16", 1, 1, 2},
    {GgmlType::kBF16, "bf16", 32, 1, 2},
    {GgmlType::kQ8_0, "q8_0", 7, kQ8Block, 2 + kQ8Block},
}};

const TypeInfo& info_of(GgmlType type) {
  return *std::find_if(kTypes.begin(), kTypes.end(),
                       [&](const TypeInfo& info) { return info.type == type; });
}

[[noreturn]] void fail_range(const std::string& tensor, GgmlType type, float value) {
  throw Error(fmt::format("tensor \"{}\"", tensor),
              fmt::format("expected values that {} can hold, found {}", to_string(type), value),
              "export as bf16 or f32");
}

uint16_t f16_bits(float value) {
  uint16_t bits;
  tensor::from_f32(&bits, std::span(&value, 1), tensor::DType::kF16);
  return bits;
}

bool overflows_16_bits(uint16_t bits, tensor::DType dtype) {
  const uint16_t infinity = dtype == tensor::DType::kF16 ? kF16Infinity : 0x7F80;
  return (bits & 0x7FFF) >= infinity;
}

void append_halves(GgmlType type, std::span<const float> values, const std::string& tensor,
                   std::string& to) {
  const tensor::DType dtype = type == GgmlType::kF16 ? tensor::DType::kF16 : tensor::DType::kBF16;
  const size_t at = to.size();
  to.resize(at + 2 * values.size());
  tensor::from_f32(to.data() + at, values, dtype);
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t bits;
    to.copy(reinterpret_cast<char*>(&bits), 2, at + 2 * i);
    if (overflows_16_bits(bits, dtype)) fail_range(tensor, type, values[i]);
  }
}

void append_q8_block(std::span<const float> values, const std::string& tensor, std::string& to) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  const float scale = largest / 127.0f;
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  const uint16_t bits = f16_bits(scale);
  if (overflows_16_bits(bits, tensor::DType::kF16)) fail_range(tensor, GgmlType::kQ8_0, largest);
  to.append(reinterpret_cast<const char*>(&bits), 2);
  for (const float value : values) {
    // A subnormal scale has no finite inverse; such a block is zero in f16 anyway.
    const float scaled = std::isfinite(inverse) ? std::round(value * inverse) : 0.0f;
    to.push_back(static_cast<char>(static_cast<int8_t>(scaled)));
  }
}

}  // namespace

std::string_view to_string(GgmlType type) { return info_of(type).name; }

std::optional<GgmlType> ggml_type_from_string(std::string_view name) {
  for (const TypeInfo& info : kTypes) {
    if (info.name == name) return info.type;
  }
  return std::nullopt;
}

uint32_t file_type_of(GgmlType type) { return info_of(type).file_type; }
int64_t block_size(GgmlType type) { return info_of(type).block_size; }
int64_t block_bytes(GgmlType type) { return info_of(type).block_bytes; }

void append_as(GgmlType type, std::span<const float> values, const std::string& tensor,
               std::string& to) {
  for (const float value : values) {
    if (std::isfinite(value)) continue;
    throw Error(fmt::format("tensor \"{}\"", tensor),
                fmt::format("expected finite values, found {}", value),
                "the weights are damaged: train from an earlier checkpoint");
  }
  switch (type) {
    case GgmlType::kF32:
      to.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
      return;
    case GgmlType::kF16:
    case GgmlType::kBF16:
      return append_halves(type, values, tensor, to);
    case GgmlType::kQ8_0:
      for (size_t i = 0; i < values.size(); i += kQ8Block)
        append_q8_block(values.subspan(i, kQ8Block), tensor, to);
      return;
  }
}

}  // namespace ponder::gguf
