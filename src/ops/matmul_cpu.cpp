#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "ops/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/simd-inl.h"

#ifndef PONDER_OPS_MATMUL_TASK_
#define PONDER_OPS_MATMUL_TASK_
namespace ponder {
struct MatmulTask {
  float* C;
  int64_t ldc;
  MatrixA A;
  const PackedMatrix* B;
  const float* begin;        // what the chains begin from: C itself, a bias row, or zeros
  int64_t begin_row_stride;  // 0 for a row shared by all
  int64_t m0, m1, panel0, panel1;
};
}  // namespace ponder
#endif

HWY_BEFORE_NAMESPACE();
namespace ponder {
namespace HWY_NAMESPACE {

constexpr int64_t kPanel = PackedMatrix::kPanel;

// R rows times H half panels (16 columns each), kept in registers over all of k.
template <int R, int H>
HWY_INLINE void Tile(const float* a, int64_t rs, int64_t cs, const float* b, int64_t panel_stride,
                     int64_t kn, const float* begin, int64_t begin_stride, float* c, int64_t ldc) {
  F16 acc[R][H];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int h = 0; h < H; ++h) acc[r][h] = Load(begin + r * begin_stride + h * 16);
  }
  for (int64_t k = 0; k < kn; ++k) {
    F16 bv[H];
#pragma GCC unroll 16
    for (int h = 0; h < H; ++h)
      bv[h] = Load(b + (h / 2) * panel_stride + k * kPanel + (h % 2) * 16);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F16 av = Set(a[r * rs + k * cs]);
#pragma GCC unroll 16
      for (int h = 0; h < H; ++h) acc[r][h] = Fma(av, bv[h], acc[r][h]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int h = 0; h < H; ++h) Store(acc[r][h], c + r * ldc + h * 16);
  }
}

// Rows of a tile and half panels side by side, such that accumulators fill but do not overflow the
// register file.
constexpr int kMaxRows = kLanes == 16 ? 14 : 6;
template <int R>
constexpr int HalvesFor() {
  if (kLanes == 16) return R <= 2 ? 8 : R <= 4 ? 6 : R <= 6 ? 4 : 2;
  return R <= 1 ? 4 : R <= 3 ? 2 : 1;
}

// R rows against whole panels [panel0, panel1) over k in [k0, k0 + kn).
template <int R>
void Strip(const MatmulTask& t, int64_t m, int64_t k0, int64_t kn, int64_t panel0, int64_t panel1) {
  constexpr int H = HalvesFor<R>();
  constexpr int kPanelsAtOnce = H >= 2 ? H / 2 : 1;
  const PackedMatrix& B = *t.B;
  const int64_t panel_stride = B.K() * kPanel;
  const float* a = t.A.data + m * t.A.row_stride + k0 * t.A.column_stride;
  const bool first = k0 == 0;
  const float* begin = first ? t.begin + m * t.begin_row_stride : t.C + m * t.ldc;
  const int64_t begin_stride = first ? t.begin_row_stride : t.ldc;
  float* c = t.C + m * t.ldc;
  int64_t p = panel0;
  while (p < panel1) {
    const float* b = B.panel(p) + k0 * kPanel;
    const int64_t column = p * kPanel;
    if (p + kPanelsAtOnce <= panel1 && column + kPanelsAtOnce * kPanel <= B.N()) {
      if constexpr (H == 1) {
        for (int half = 0; half < 2; ++half) {
          Tile<R, 1>(a, t.A.row_stride, t.A.column_stride, b + half * 16, panel_stride, kn,
                     begin + column + half * 16, begin_stride, c + column + half * 16, t.ldc);
        }
      } else {
        Tile<R, H>(a, t.A.row_stride, t.A.column_stride, b, panel_stride, kn, begin + column,
                   begin_stride, c + column, t.ldc);
      }
      p += kPanelsAtOnce;
      continue;
    }
    // A panel alone, or the last one with fewer columns: by halves, through a buffer where it is
    // narrow.
    for (int half = 0; half < 2; ++half) {
      const int64_t n = std::min<int64_t>(16, B.N() - column - half * 16);
      if (n <= 0) break;
      float buffer[R * 16];
      for (int r = 0; r < R; ++r) {
        for (int64_t j = 0; j < 16; ++j) {
          buffer[r * 16 + j] = j < n ? begin[r * begin_stride + column + half * 16 + j] : 0.0f;
        }
      }
      Tile<R, 1>(a, t.A.row_stride, t.A.column_stride, b + half * 16, panel_stride, kn, buffer, 16,
                 buffer, 16);
      for (int r = 0; r < R; ++r) {
        for (int64_t j = 0; j < n; ++j) c[r * t.ldc + column + half * 16 + j] = buffer[r * 16 + j];
      }
    }
    ++p;
  }
}

using StripFunction = void (*)(const MatmulTask&, int64_t, int64_t, int64_t, int64_t, int64_t);
template <int... R>
constexpr StripFunction StripTable(int rows, std::integer_sequence<int, R...>) {
  constexpr StripFunction table[] = {&Strip<R + 1>...};
  return table[rows - 1];
}

void RunMatmul(const MatmulTask& t) {
  const int64_t K = t.B->K(), M = t.m1 - t.m0;
  // A panel's block of k (kBlockK * 32 floats) stays in L1 while the rows pass; the rows' block
  // stays in L2.
  const int64_t kBlockK = M <= 2 * kMaxRows ? K : 256;
  const int64_t kBlockM = 16 * kMaxRows;
  for (int64_t k0 = 0; k0 < K || k0 == 0; k0 += std::max<int64_t>(kBlockK, 1)) {
    const int64_t kn = std::min(kBlockK, K - k0);
    for (int64_t mb = t.m0; mb < t.m1; mb += kBlockM) {
      const int64_t rows = std::min(kBlockM, t.m1 - mb);
      const int64_t tiles = (rows + kMaxRows - 1) / kMaxRows;
      const int64_t panel_step = tiles == 1 ? t.panel1 - t.panel0 : 1;
      for (int64_t p = t.panel0; p < t.panel1; p += panel_step) {
        for (int64_t i = 0; i < tiles; ++i) {
          const int64_t begin = rows * i / tiles, end = rows * (i + 1) / tiles;
          StripTable(static_cast<int>(end - begin), std::make_integer_sequence<int, kMaxRows>())(
              t, mb + begin, k0, kn, p, std::min(p + panel_step, t.panel1));
        }
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder {
HWY_EXPORT(RunMatmul);

namespace {

void run(MatmulTask task, int64_t M, ThreadPool& pool) {
  const int64_t panels = task.B->num_panels();
  const int threads = pool.num_threads();
  const auto kernel = HWY_DYNAMIC_DISPATCH(RunMatmul);
  if (M == 0 || panels == 0) return;
  // Threads share out rows when there are many, panels otherwise; never k.
  const bool by_rows = M >= 112 * threads || panels < threads;
  pool.run([&](int part) {
    MatmulTask mine = task;
    mine.m0 = by_rows ? M * part / threads : 0;
    mine.m1 = by_rows ? M * (part + 1) / threads : M;
    mine.panel0 = by_rows ? 0 : panels * part / threads;
    mine.panel1 = by_rows ? panels : panels * (part + 1) / threads;
    if (mine.m0 < mine.m1 && mine.panel0 < mine.panel1) kernel(mine);
  });
}

}  // namespace

void matmul(float* C, int64_t ldc, MatrixA A, const PackedMatrix& B, const float* bias, int64_t M,
            ThreadPool& pool) {
  run({C, ldc, A, &B, bias ? bias : B.zeros(), 0, 0, 0, 0, 0}, M, pool);
}

void matmul_continue(float* C, int64_t ldc, MatrixA A, const PackedMatrix& B, int64_t M,
                     ThreadPool& pool) {
  run({C, ldc, A, &B, C, ldc, 0, 0, 0, 0}, M, pool);
}

}  // namespace ponder
#endif
