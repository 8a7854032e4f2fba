// What one thread does of a matrix product: for matmul.cpp, which shares it out, and the kernels;
// and the one check of a product's shapes.
#pragma once

#include <cstdint>

#include "ops/matmul.h"

namespace ponder::ops {

// Rows [m0, m1) of C times panels (kPanel columns) [panel0, panel1) of it.
struct MatmulTask {
  Rows C;
  MatrixA A;
  const PackedMatrix* panels;  // B, or nullptr where it is
  const MatrixView* view;      // this
  int64_t K, N;
  // What the chains begin from: C itself; a bias row, shared by all with stride 0; null for zero.
  ConstRows begin;
  int64_t m0 = 0, m1 = 0, panel0 = 0, panel1 = 0;
};

// A block of k. Measured on AVX-512: at 256 a tile spends a tenth of its time loading and storing
// what it accumulates; beyond 512 a block of A (224 rows of it) leaves L2.
constexpr int64_t kBlockK = 512;

// Refuses what cannot be C (M, N) and A (M, K).
void check_product(Rows C, MatrixA A, int64_t M, int64_t K, int64_t N);

void run_on_panels(const MatmulTask& task);
void run_on_view(const MatmulTask& task);

}  // namespace ponder::ops
