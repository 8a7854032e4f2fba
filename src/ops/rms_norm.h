// RMSNorm (Zhang & Sennrich 2019), as in Llama, Qwen2 and Qwen3: y = x * inv_rms * weight, inv_rms
// = 1 / sqrt(mean(x^2) + eps). The mean is sixteen interleaved fma chains over ascending index,
// folded by the fixed tree. Shapes: x, y (T, C), inv_rms (T), weight (C).
#pragma once

#include <cstdint>

#include "base/thread_pool.h"

namespace ponder {

void rms_norm(float* y, float* inv_rms, const float* x, const float* weight, int64_t T, int64_t C,
              float eps, ThreadPool& pool);

// First sum = x + delta (the residual connection; delta nullptr: sum = x), then sum normed as
// above: one pass. sum may be x.
void add_rms_norm(float* y, float* inv_rms, float* sum, const float* x, const float* delta,
                  const float* weight, int64_t T, int64_t C, float eps, ThreadPool& pool);

// y from saved inv_rms: the same bits as rms_norm's y.
void rms_norm_apply(float* y, const float* x, const float* inv_rms, const float* weight, int64_t T,
                    int64_t C, ThreadPool& pool);

// dx += the gradient through the norm (dx holds the residual path's gradient already); dweight
// accumulates, each element one chain of fmas over ascending t.
void rms_norm_backward(float* dx, float* dweight, const float* dy, const float* x,
                       const float* inv_rms, const float* weight, int64_t T, int64_t C,
                       ThreadPool& pool);

// The norm of each head of queries or keys (Qwen3): every one of `heads` runs of D elements in each
// of T rows of x (row stride ld) is normed by itself, in place, with one weight (D) for all of
// them. kept (T, heads * D; row stride ld_kept) receives what x held, unless null. inv_rms (T,
// heads). A head's arithmetic is that of a row of rms_norm with C = D.
void head_norm(float* x, int64_t ld, float* kept, int64_t ld_kept, float* inv_rms,
               const float* weight, int64_t T, int64_t heads, int64_t D, float eps,
               ThreadPool& pool);

// dx (row stride ld): in, the gradient of the normed heads; out, of the heads before (no residual
// path here, so it is overwritten). dweight (D) accumulates, each element one chain of fmas over
// ascending t and, within it, ascending head.
void head_norm_backward(float* dx, int64_t ld, float* dweight, const float* kept, int64_t ld_kept,
                        const float* inv_rms, const float* weight, int64_t T, int64_t heads,
                        int64_t D, ThreadPool& pool);

}  // namespace ponder
