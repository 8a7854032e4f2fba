// A gated MLP in bf16 arithmetic in one go: g, u = x Wgu + b, rounded; y = (silu(g) u) Wd + c. Bit for bit
// what bf16_matmul, bf16_swiglu and bf16_matmul give one after the other, but some columns of gate and up
// at a time become a part of the second product's left operand where they were computed, in the cache:
// with AMX a product takes less time than writing its result and reading it again.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "ops/bf16_matmul.h"
#include "ops/view.h"
#include "tensor/bf16.h"

namespace ponder::ops {

struct Bf16Mlp {
  const Bf16Matrix* gate_up;  // (K, 2F): gate in columns [0, F)
  const float* gate_up_bias;  // (2F) or nullptr for zero
  const Bf16Matrix* down;     // (F, N)
  const float* down_bias;     // (N) or nullptr for zero
};

// Whether there is such a way here for so many rows: AMX, F and N multiples of 32, a group of 32 rows for
// every thread, and so many that reading all weights on every thread is worth it.
bool has_bf16_mlp(const Bf16Mlp& mlp, int64_t M, const ThreadPool& threads);
// y (M, N) is overwritten; kept (M, 2F), unless it is null, receives gate and up. x is (M, K). Where
// has_bf16_mlp() says no, and for impossible shapes, an Error.
void bf16_mlp(Rows y, tensor::Bf16* kept, ConstRows x, const Bf16Mlp& mlp, int64_t M,
              ThreadPool& threads);

}  // namespace ponder::ops
