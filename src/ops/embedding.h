// Token embedding and its gradient, the column sums that are the gradient of a bias, and sums.
// Impossible shapes are an Error.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "ops/view.h"

namespace ponder::ops {

// x (T, C) = rows of weight (V, C). Token ids must be in [0, V).
void embedding(float* x, const int32_t* tokens, const float* weight, RowShape shape,
               ThreadPool& threads);

// dweight[token] += dx[t], dx (T, C), t ascending.
void embedding_backward(float* dweight, const int32_t* tokens, const float* dx, RowShape shape,
                        ThreadPool& threads);

// dbias[n] += dy[t][n], dy (T, N), t ascending.
void bias_backward(float* dbias, ConstRows dy, RowShape shape, ThreadPool& threads);

// sum = x + delta (T, C), element by element (delta nullptr: a copy). sum may be x or delta.
void add(float* sum, const float* x, const float* delta, RowShape shape, ThreadPool& threads);

}  // namespace ponder::ops
