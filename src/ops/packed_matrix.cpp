#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "base/error.h"
#include "ops/matmul.h"

namespace ponder::ops {

namespace {

// Where column j of a panel stands in a bf16 row of it.
int64_t narrow_place(int64_t j) { return (j % 16) * 2 + j / 16; }

// Sixteen k of a whole bf16 panel from 32 rows of bf16, what loading a model mostly does: a quarter
// of the time of going element by element.
void interleave_strip(const char* from, int64_t row_bytes, uint16_t* to) {
  uint32_t words[16][16];
  for (int64_t j = 0; j < 16; ++j) {
    uint16_t low[16], high[16];
    std::memcpy(low, from + j * row_bytes, sizeof low);
    std::memcpy(high, from + (j + 16) * row_bytes, sizeof high);
    for (int k = 0; k < 16; ++k) words[j][k] = low[k] | uint32_t{high[k]} << 16;
  }
  for (int k = 0; k < 16; ++k) {
    uint32_t row[16];
    for (int j = 0; j < 16; ++j) row[j] = words[j][k];
    std::memcpy(to + k * PackedMatrix::kPanel, row, sizeof row);
  }
}

int64_t floats_for(int64_t elements, tensor::DType storage) {
  return elements * tensor::size_bytes(storage) / tensor::size_bytes(tensor::DType::kF32);
}

}  // namespace

PackedMatrix::PackedMatrix(const char* name, int64_t K, int64_t N, tensor::DType storage)
    : K_(K),
      N_(N),
      storage_(storage),
      data_(name, floats_for((N + kPanel - 1) / kPanel * kPanel * K, storage)) {
  if (storage == tensor::DType::kF16) throw Error(name, "panels are f32 or bf16, not f16");
}

void PackedMatrix::pack_weight(const void* W, tensor::DType dtype, int64_t rows,
                               int64_t first_column, ThreadPool& threads) {
  threads.parallel_for(rows, kPanel, [&](int64_t begin, int64_t end) {
    const char* from = static_cast<const char*>(W) + begin * K_ * ponder::tensor::size_bytes(dtype);
    pack_weight(from, dtype, end - begin, first_column + begin);
  });
}

void PackedMatrix::pack_weight(const void* W, tensor::DType dtype, int64_t rows,
                               int64_t first_column) {
  if (rows < 0 || first_column < 0 || first_column + rows > N_) {
    refuse_shape("matmul",
                 fmt::format("{} weights from column {} on of {}", rows, first_column, N_));
  }
  // Sixteen k of up to 32 rows at a time: the reads run along rows of W, the writes stay in one
  // cache-sized strip of the panel.
  constexpr int64_t kStrip = 16;
  const auto* source = static_cast<const char*>(W);
  const int64_t width = ponder::tensor::size_bytes(dtype);
  float wide[kStrip];
  uint16_t bits[kStrip];
  for (int64_t r0 = 0; r0 < rows; r0 += kPanel) {
    const int64_t r1 = std::min(r0 + kPanel, rows);
    const bool whole = r1 - r0 == kPanel && (first_column + r0) % kPanel == 0;
    for (int64_t k0 = 0; k0 < K_; k0 += kStrip) {
      const int64_t kn = std::min(kStrip, K_ - k0);
      if (whole && kn == kStrip && storage_ == tensor::DType::kBF16 &&
          dtype == tensor::DType::kBF16) {
        interleave_strip(source + (r0 * K_ + k0) * width, K_ * width,
                         narrow() + (first_column + r0) * K_ + k0 * kPanel);
        continue;
      }
      const std::span<float> values(wide, static_cast<size_t>(kn));
      for (int64_t row = r0; row < r1; ++row) {
        const int64_t n = first_column + row, j = n % kPanel;
        const int64_t strip = (n / kPanel * K_ + k0) * kPanel;
        const char* from = source + (row * K_ + k0) * width;
        if (storage_ == tensor::DType::kF32) {
          tensor::to_f32(values, from, dtype);
          float* to = data_.data() + strip + j;
          for (int64_t k = 0; k < kn; ++k) to[k * kPanel] = wide[k];
          continue;
        }
        if (dtype == tensor::DType::kBF16) {
          std::memcpy(bits, from, static_cast<size_t>(kn) * sizeof(uint16_t));
        } else {
          tensor::to_f32(values, from, dtype);
          tensor::from_f32(bits, values, tensor::DType::kBF16);
        }
        uint16_t* to = narrow() + strip + narrow_place(j);
        for (int64_t k = 0; k < kn; ++k) to[k * kPanel] = bits[k];
      }
    }
  }
}

void PackedMatrix::read_column(int64_t n, float* to) const {
  if (n < 0 || n >= N_) refuse_shape("matmul", fmt::format("column {} of {}", n, N_));
  const int64_t panel_start = n / kPanel * K_ * kPanel, j = n % kPanel;
  if (storage_ == tensor::DType::kF32) {
    const float* from = data_.data() + panel_start + j;
    for (int64_t k = 0; k < K_; ++k) to[k] = from[k * kPanel];
    return;
  }
  const uint16_t* from = narrow() + panel_start + narrow_place(j);
  for (int64_t k = 0; k < K_; ++k) to[k] = std::bit_cast<float>(uint32_t{from[k * kPanel]} << 16);
}

}  // namespace ponder::ops
