#include "ops/matmul.h"

#include <algorithm>
#include <cstring>

namespace ponder {

PackedMatrix::PackedMatrix(const char* name, int64_t K, int64_t N)
    : K_(K),
      N_(N),
      data_(name, (N + kPanel - 1) / kPanel * kPanel * K),
      zeros_("matmul zeros", N) {}

void PackedMatrix::reshape(int64_t K, int64_t N) {
  K_ = K;
  N_ = N;
  data_.reserve(num_panels() * kPanel * K);
  zeros_.reserve(N);
}

void PackedMatrix::pack_weight(const float* W, int64_t rows, int64_t first_column,
                               ThreadPool& pool) {
  // Sixteen k at a time: the reads run along rows of W, the writes stay in one cache-sized strip of
  // the panel.
  pool.parallel_for(rows, kPanel, [&](int64_t begin, int64_t end) {
    for (int64_t k0 = 0; k0 < K_; k0 += 16) {
      const int64_t kn = std::min<int64_t>(16, K_ - k0);
      for (int64_t row = begin; row < end; ++row) {
        const int64_t n = first_column + row;
        float* to = data_.data() + (n / kPanel) * K_ * kPanel + k0 * kPanel + n % kPanel;
        const float* from = W + row * K_ + k0;
        for (int64_t k = 0; k < kn; ++k) to[k * kPanel] = from[k];
      }
    }
  });
}

void PackedMatrix::pack_rows(const float* X, int64_t ld, int64_t first_k, int64_t count,
                             ThreadPool& pool) {
  pool.parallel_for(num_panels(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      float* to = data_.data() + (p * K_ + first_k) * kPanel;
      const int64_t columns = std::min(kPanel, N_ - p * kPanel);
      for (int64_t k = 0; k < count; ++k) {
        const float* from = X + k * ld + p * kPanel;
        if (columns == kPanel) {
          std::memcpy(to + k * kPanel, from, kPanel * sizeof(float));
        } else {
          for (int64_t j = 0; j < kPanel; ++j) to[k * kPanel + j] = j < columns ? from[j] : 0.0f;
        }
      }
    }
  });
}

}  // namespace ponder
