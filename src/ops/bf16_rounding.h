// Rounding to bf16 as the products in bf16 arithmetic round their operands (to nearest, ties to even,
// denormals too; a NaN stays one), outside of them: what is rounded here they take as it is.
// Impossible shapes are an Error.
#pragma once

#include "base/thread_pool.h"
#include "ops/view.h"
#include "tensor/bf16.h"

namespace ponder::ops {

// x in place; kept (T, C) receives it too, unless it is null.
void round_to_bf16(Rows x, tensor::Bf16* kept, RowShape shape, ThreadPool& threads);
// x (T, C) = kept, exactly.
void widen_bf16(float* x, const tensor::Bf16* kept, RowShape shape, ThreadPool& threads);

}  // namespace ponder::ops
