// Token embedding and its gradient, the column sums that are the gradient of a bias, and sums.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"

namespace ponder {

// x (T, C) = rows of weight (V, C). Token ids must be in [0, V).
void embedding(float* x, const int32_t* tokens, const float* weight, int64_t T, int64_t C,
               ThreadPool& pool);

// dweight[token] += dx[t], t ascending.
void embedding_backward(float* dweight, const int32_t* tokens, const float* dx, int64_t T,
                        int64_t C, ThreadPool& pool);

// dbias[n] += dy[t][n], t ascending; dy has row stride ld.
void bias_backward(float* dbias, const float* dy, int64_t ld, int64_t T, int64_t N,
                   ThreadPool& pool);

// sum = x + delta, element by element (delta nullptr: a copy). sum may be x or delta.
void add(float* sum, const float* x, const float* delta, int64_t size, ThreadPool& pool);

}  // namespace ponder
