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

// A tile of `rows` rows of 32, side by side. act: a block of a group as bf16_pack_a leaves it. kept, unless
// it is null: gate's place in the first row of (rows, 2F), up's lies F behind.
struct Bf16SwigluTile {
  const float *gate, *up;
  uint32_t* act;
  Bf16* kept;
  int64_t F, rows;
};
void bf16_swiglu_tile(const Bf16SwigluTile& tile);

}  // namespace ponder::ops
