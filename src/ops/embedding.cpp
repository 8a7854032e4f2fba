#include "ops/embedding.h"

#include <algorithm>
#include <cstring>

namespace ponder {

void embedding(float* x, const int32_t* tokens, const float* weight, int64_t T, int64_t C,
               ThreadPool& pool) {
  pool.parallel_for(T, 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::memcpy(x + t * C, weight + tokens[t] * C, static_cast<size_t>(C) * sizeof(float));
    }
  });
}

void embedding_backward(float* dweight, const int32_t* tokens, const float* dx, int64_t T,
                        int64_t C, ThreadPool& pool) {
  pool.parallel_for(C, 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < T; ++t) {
      float* to = dweight + tokens[t] * C;
      const float* from = dx + t * C;
      for (int64_t c = begin; c < end; ++c) to[c] += from[c];
    }
  });
}

void bias_backward(float* dbias, const float* dy, int64_t ld, int64_t T, int64_t N,
                   ThreadPool& pool) {
  pool.parallel_for(N, 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < T; ++t) {
      const float* from = dy + t * ld;
      for (int64_t n = begin; n < end; ++n) dbias[n] += from[n];
    }
  });
}

void add(float* sum, const float* x, const float* delta, int64_t size, ThreadPool& pool) {
  pool.parallel_for(size, 1024, [&](int64_t begin, int64_t end) {
    if (!delta) {
      std::copy(x + begin, x + end, sum + begin);
      return;
    }
    for (int64_t i = begin; i < end; ++i) sum[i] = x[i] + delta[i];
  });
}

}  // namespace ponder
