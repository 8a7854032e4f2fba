#include "tensor/precision.h"

namespace ponder::tensor {

std::string_view to_string(Precision precision) {
  return precision == Precision::kBf16 ? "bf16" : "f32";
}

std::optional<Precision> precision_from_string(std::string_view text) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    if (to_string(precision) == text) return precision;
  }
  return std::nullopt;
}

}  // namespace ponder::tensor
