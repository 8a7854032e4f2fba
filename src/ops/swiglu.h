// SwiGLU (Shazeer 2020): act = silu(gate) * up, silu(x) = x / (1 + exp(-x)). gate_up (T, 2F) holds
// gate in columns [0, F) and up in [F, 2F); act (T, F), which is `shape`. Impossible shapes are an
// Error.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "ops/view.h"

namespace ponder::ops {

void swiglu(float* act, const float* gate_up, RowShape shape, ThreadPool& threads);

// dgate_up (T, 2F) and act (T, F), the same bits as swiglu's (the gradient of what reads it needs
// it again), overwritten; they may alias gate_up and dact.
void swiglu_backward(float* dgate_up, float* act, const float* dact, const float* gate_up,
                     RowShape shape, ThreadPool& threads);

}  // namespace ponder::ops
