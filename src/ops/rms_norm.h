// RMSNorm (Zhang & Sennrich 2019), as in Llama, Qwen2 and Qwen3: y = x * inv_rms * weight, inv_rms
// = 1 / sqrt(mean(x^2) + eps). The mean is sixteen interleaved fma chains over ascending index,
// folded by the fixed tree. Shapes: x, y (T, C), inv_rms (T), weight (C). Impossible shapes are an
// Error.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "ops/view.h"

namespace ponder::ops {

void rms_norm(float* y, float* inv_rms, const float* x, const float* weight, RowShape shape,
              float eps, ThreadPool& threads);

// The residual connection: sum = x + delta (delta nullptr: sum = x). sum may be x.
struct Residual {
  float* sum;
  const float *x, *delta;
};

// First the sum, then the sum normed as above: one pass.
void add_rms_norm(float* y, float* inv_rms, const Residual& residual, const float* weight,
                  RowShape shape, float eps, ThreadPool& threads);

// What a norm was given, what it divided by, and its weight: all that comes after it needs.
struct Normed {
  const float *x, *inv_rms, *weight;
};

// y again: the same bits as rms_norm's y.
void rms_norm_apply(float* y, const Normed& normed, RowShape shape, ThreadPool& threads);

// dx += the gradient through the norm (dx holds the residual path's gradient already); dweight
// accumulates, each element one chain of fmas over ascending t.
void rms_norm_backward(float* dx, float* dweight, const float* dy, const Normed& normed,
                       RowShape shape, ThreadPool& threads);

// The norm of each head of queries or keys (Qwen3): every head of every row of x is normed by
// itself, in place, with one weight (D) for all of them. kept (T, heads * D) receives what x held,
// unless its data is null. inv_rms (T, heads). A head's arithmetic is that of a row of rms_norm
// with C = D.
void head_norm(Rows x, Rows kept, float* inv_rms, const float* weight, HeadShape shape, float eps,
               ThreadPool& threads);

// dx: in, the gradient of the normed heads; out, of the heads before (no residual path here, so it
// is overwritten). dweight (D) accumulates, each element one chain of fmas over ascending t and,
// within it, ascending head.
void head_norm_backward(Rows dx, float* dweight, ConstRows kept, const float* inv_rms,
                        const float* weight, HeadShape shape, ThreadPool& threads);

}  // namespace ponder::ops
