// What one thread does of a matrix product: for matmul.cpp, which shares it out, and the kernels.
#pragma once

#include <cstdint>

#include "ops/matmul.h"

namespace ponder {

// Rows [m0, m1) of C times panels (kPanel columns) [panel0, panel1) of it.
struct MatmulTask {
  float* C;
  int64_t ldc;
  MatrixA A;
  const PackedMatrix* panels;  // B, or nullptr where it is
  const MatrixView* view;      // this
  int64_t K, N;
  const float* begin;        // what the chains begin from: C itself, a bias row; nullptr for zero
  int64_t begin_row_stride;  // 0 for a row shared by all
  int64_t m0, m1, panel0, panel1;
};

// A block of k. Measured on AVX-512: at 256 a tile spends a tenth of its time loading and storing
// what it accumulates; beyond 512 a block of A (224 rows of it) leaves L2.
constexpr int64_t kBlockK = 512;

void run_on_panels(const MatmulTask& task);
void run_on_view(const MatmulTask& task);

}  // namespace ponder
