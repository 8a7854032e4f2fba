// The arithmetic in which a model computes (docs/arithmetic.md). It decides the last bits of every
// number a model gives, so it is part of what a job is, and stands beside what is kept of it.
#pragma once

#include <optional>
#include <string_view>

namespace ponder::tensor {

enum class Precision {
  kF32,   // float32 throughout
  kBf16,  // operands of matrix products are rounded to bf16
};

std::string_view to_string(Precision precision);  // "f32", "bf16"
std::optional<Precision> precision_from_string(std::string_view text);

}  // namespace ponder::tensor
