// The kernels of embedding.h, on a part of its rows, columns or elements: for embedding.cpp, which
// checks and shares out.
#pragma once

#include <cstdint>

#include "ops/view.h"

namespace ponder::ops {

// Rows [begin, end).
void embedding_rows(float* x, const int32_t* tokens, const float* weight, int64_t C, int64_t begin,
                    int64_t end);
// Columns [begin, end) of all rows.
void embedding_backward_columns(float* dweight, const int32_t* tokens, const float* dx,
                                RowShape shape, int64_t begin, int64_t end);
void bias_backward_columns(float* dbias, ConstRows dy, int64_t T, int64_t begin, int64_t end);
// Elements [begin, end).
void add_elements(float* sum, const float* x, const float* delta, int64_t begin, int64_t end);

}  // namespace ponder::ops
