// The kernels of rounding: for bf16_rounding.cpp, which checks and shares out.
#pragma once

#include <cstdint>

#include "tensor/bf16.h"

namespace ponder::ops {

// In place; to `kept` too, unless it is null.
void round_elements(float* x, tensor::Bf16* kept, int64_t count);
void widen_elements(float* x, const tensor::Bf16* kept, int64_t count);

}  // namespace ponder::ops
