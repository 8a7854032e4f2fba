// The kernels of SwiGLU, rows [begin, end): for swiglu.cpp, which checks and shares out.
#pragma once

#include <cstdint>

#include "ops/stored_rows.h"

namespace ponder::ops {

void swiglu_rows(float* act, const float* gate_up, int64_t F, int64_t begin, int64_t end);
void bf16_swiglu_rows(float* act, Bf16* rounded, const float* gate_up, int64_t F, int64_t begin,
                      int64_t end);
void swiglu_backward_rows(float* dgate_up, float* act, const float* dact, StoredRows gate_up,
                          int64_t F, int64_t begin, int64_t end);

}  // namespace ponder::ops
