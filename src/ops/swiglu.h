// SwiGLU (Shazeer 2020): act = silu(gate) * up, silu(x) = x / (1 + exp(-x)). gate_up (T, 2F) holds
// gate in columns [0, F) and up in [F, 2F); act (T, F), which is `shape`. In bf16 arithmetic gate and
// up are rounded first. Impossible shapes are an Error.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "ops/view.h"
#include "tensor/bf16.h"

namespace ponder::ops {

void swiglu(float* act, const float* gate_up, RowShape shape, ThreadPool& threads);
// In bf16; rounded (T, 2F) receives gate and up as rounded, unless it is null.
void bf16_swiglu(float* act, tensor::Bf16* rounded, const float* gate_up, RowShape shape,
                 ThreadPool& threads);

// dgate_up (T, 2F) and act (T, F), the same bits as swiglu's (the gradient of what reads it needs
// it again), overwritten; they may alias gate_up and dact.
void swiglu_backward(float* dgate_up, float* act, const float* dact, const float* gate_up,
                     RowShape shape, ThreadPool& threads);
// The same of gate and up as bf16_swiglu left them.
void swiglu_backward(float* dgate_up, float* act, const float* dact, const tensor::Bf16* gate_up,
                     RowShape shape, ThreadPool& threads);

}  // namespace ponder::ops
