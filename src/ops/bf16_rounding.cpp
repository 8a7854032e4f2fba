#include "ops/bf16_rounding.h"

#include "ops/bf16_rounding_task.h"

namespace ponder::ops {
namespace {

constexpr int64_t kRoundedRows = 4;  // that a thread takes at least

}  // namespace

void round_to_bf16(Rows x, tensor::Bf16* kept, RowShape shape, ThreadPool& threads) {
  check_shape("bf16 rounding", shape, x.stride);
  threads.parallel_for(shape.T, kRoundedRows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      round_elements(x.data + t * x.stride, kept ? kept + t * shape.C : nullptr, shape.C);
  });
}

void widen_bf16(float* x, const tensor::Bf16* kept, RowShape shape, ThreadPool& threads) {
  check_shape("bf16 rounding", shape);
  threads.parallel_for(shape.T, kRoundedRows, [&](int64_t begin, int64_t end) {
    widen_elements(x + begin * shape.C, kept + begin * shape.C, (end - begin) * shape.C);
  });
}

}  // namespace ponder::ops
