#include <algorithm>
#include <cstring>

#include "ops/embedding_task.h"

namespace ponder::ops {

void embedding_rows(float* x, const int32_t* tokens, const float* weight, int64_t C, int64_t begin,
                    int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    std::memcpy(x + t * C, weight + tokens[t] * C, static_cast<size_t>(C) * sizeof(float));
  }
}

void embedding_backward_columns(float* dweight, const int32_t* tokens, const float* dx,
                                RowShape shape, int64_t begin, int64_t end) {
  for (int64_t t = 0; t < shape.T; ++t) {
    float* to = dweight + tokens[t] * shape.C;
    const float* from = dx + t * shape.C;
    for (int64_t c = begin; c < end; ++c) to[c] += from[c];
  }
}

void bias_backward_columns(float* dbias, ConstRows dy, int64_t T, int64_t begin, int64_t end) {
  for (int64_t t = 0; t < T; ++t) {
    const float* from = dy.data + t * dy.stride;
    for (int64_t n = begin; n < end; ++n) dbias[n] += from[n];
  }
}

void add_elements(float* sum, const float* x, const float* delta, int64_t begin, int64_t end) {
  if (!delta) {
    std::copy(x + begin, x + end, sum + begin);
    return;
  }
  for (int64_t i = begin; i < end; ++i) sum[i] = x[i] + delta[i];
}

}  // namespace ponder::ops
