#include "ops/embedding.h"

#include "ops/embedding_task.h"

namespace ponder::ops {

void embedding(float* x, const int32_t* tokens, const float* weight, RowShape shape,
               ThreadPool& threads) {
  check_shape("embedding", shape);
  threads.parallel_for(shape.T, 16, [&](int64_t begin, int64_t end) {
    embedding_rows(x, tokens, weight, shape.C, begin, end);
  });
}

void embedding_backward(float* dweight, const int32_t* tokens, const float* dx, RowShape shape,
                        ThreadPool& threads) {
  check_shape("embedding", shape);
  threads.parallel_for(shape.C, 16, [&](int64_t begin, int64_t end) {
    embedding_backward_columns(dweight, tokens, dx, shape, begin, end);
  });
}

void bias_backward(float* dbias, ConstRows dy, RowShape shape, ThreadPool& threads) {
  check_shape("bias", shape, dy.stride);
  threads.parallel_for(shape.C, 16, [&](int64_t begin, int64_t end) {
    bias_backward_columns(dbias, dy, shape.T, begin, end);
  });
}

void add(float* sum, const float* x, const float* delta, RowShape shape, ThreadPool& threads) {
  check_shape("add", shape);
  threads.parallel_for(shape.T * shape.C, 1024, [&](int64_t begin, int64_t end) {
    add_elements(sum, x, delta, begin, end);
  });
}

}  // namespace ponder::ops
