#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "ops/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_cpu.cpp"
#include <hwy/cache_control.h>
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
// A block of k. Measured on AVX-512: at 256 a tile spends a tenth of its time loading and storing
// what it accumulates; beyond 512 a block of A (224 rows of it) leaves L2.
constexpr int64_t kBlockK = 512;
}  // namespace ponder
#endif

HWY_BEFORE_NAMESPACE();
namespace ponder {
namespace HWY_NAMESPACE {

constexpr int64_t kPanel = PackedMatrix::kPanel;

// How a tile of A lies in scratch: element (r, k) at r * kRow + k * kColumn. The row stride of the
// first is 17 cache lines, so that the rows of a tile spread over the sets of L1.
struct ByRow {
  static constexpr int64_t kRow = kBlockK + 16, kColumn = 1;
};
struct ByColumn {
  static constexpr int64_t kRow = 1, kColumn = 16;
};

// Half h (16 columns) of a panel's row.
HWY_INLINE F16 LoadHalf(const float* row, int h) { return Load(row + h * 16); }
HWY_INLINE F16 LoadHalf(const uint16_t* row, int h) {
  const D16 d;
  const hn::RebindToUnsigned<D16> du;
  F16 r;
  for (int i = 0; i < kParts; ++i) {
    const auto words = hn::LoadU(du, reinterpret_cast<const uint32_t*>(row) + i * kLanes);
    r.part[i] = hn::BitCast(
        d, h == 0 ? hn::ShiftLeft<16>(words) : hn::And(words, hn::Set(du, 0xFFFF0000u)));
  }
  return r;
}

// What to fetch into the cache while a tile is computed: `step` bytes for every k.
struct Ahead {
  const char* data;
  int64_t step;
};
template <class T>
Ahead FetchFrom(const T* row) {
  return {reinterpret_cast<const char*>(row), kPanel * int64_t{sizeof(T)}};
}
// Measured: tiles of few rows over f32 panels only lose by it, the processor's own prefetcher is
// enough for them.
template <int R, class T>
constexpr bool kFetches = sizeof(T) == 2 ? R > 2 : R > (kLanes == 16 ? 6 : 3);

// R rows times H half panels (16 columns each) from half h0 on, kept in registers over kn values
// of k.
template <int R, int H, class Layout, class T>
HWY_INLINE void Tile(const float* a, const T* b, Ahead ahead, int h0, int64_t panel_stride,
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
    for (int h = 0; h < H; ++h) {
      bv[h] = LoadHalf(b + ((h0 + h) / 2) * panel_stride + k * kPanel, (h0 + h) % 2);
      const char* line = ahead.data + (h / 2) * panel_stride * int64_t{sizeof(T)} + k * ahead.step;
      if (kFetches<R, T> && h % 2 == 0) hwy::Prefetch(line);
      if (kFetches<R, T> && h % 2 == 1 && sizeof(T) == sizeof(float)) hwy::Prefetch(line + 64);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F16 av = Set(a[r * Layout::kRow + k * Layout::kColumn]);
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

// One panel or several: the tile in whichever pieces fit the registers.
template <int R, int H, class Layout, class T>
HWY_INLINE void Panels(const float* a, const T* b, Ahead ahead, int64_t panel_stride, int64_t kn,
                       const float* begin, int64_t begin_stride, float* c, int64_t ldc) {
  if constexpr (H == 1) {
    Tile<R, 1, Layout>(a, b, ahead, 0, panel_stride, kn, begin, begin_stride, c, ldc);
    Tile<R, 1, Layout>(a, b, ahead, 1, panel_stride, kn, begin + 16, begin_stride, c + 16, ldc);
  } else {
    Tile<R, H, Layout>(a, b, ahead, 0, panel_stride, kn, begin, begin_stride, c, ldc);
  }
}

// Where a strip of R rows finds its operands. `b` is the block of k of the first panel.
template <class T>
struct StripTask {
  const float* a;
  const T* b;
  int64_t panel_stride, kn;
  const float* begin;
  int64_t begin_stride;
  float* c;
  int64_t ldc;
  int64_t columns;  // up to the end of the last panel or of C
  Ahead ahead;
  const float* next;  // of C: what the strip after this one begins with, or nullptr
};

template <int R, class Layout, class T>
void Strip(const StripTask<T>& t) {
  constexpr int H = HalvesFor<R>();
  constexpr int64_t kTogether = std::max(H / 2, 1) * kPanel;
  if (t.next) {
    for (int r = 0; r < R; ++r) {
      hwy::Prefetch(t.next + r * t.ldc);
      hwy::Prefetch(t.next + r * t.ldc + 16);
    }
  }
  const auto ahead = [&](int64_t column) {
    const int64_t bytes = column / kPanel * t.panel_stride * int64_t{sizeof(T)};
    return Ahead{t.ahead.data + bytes, t.ahead.step};
  };
  int64_t column = 0;
  for (; column + kTogether <= t.columns; column += kTogether) {
    Panels<R, H, Layout>(t.a, t.b + column / kPanel * t.panel_stride, ahead(column), t.panel_stride,
                         t.kn, t.begin + column, t.begin_stride, t.c + column, t.ldc);
  }
  for (; column < t.columns; column += kPanel) {
    const T* b = t.b + column / kPanel * t.panel_stride;
    const int64_t n = std::min(kPanel, t.columns - column);
    if (n == kPanel) {
      Panels<R, std::min(H, 2), Layout>(t.a, b, ahead(column), t.panel_stride, t.kn,
                                        t.begin + column, t.begin_stride, t.c + column, t.ldc);
      continue;
    }
    // The last columns, fewer than a panel's: through a buffer.
    float buffer[R * kPanel];
    for (int r = 0; r < R; ++r) {
      for (int64_t j = 0; j < kPanel; ++j) {
        buffer[r * kPanel + j] = j < n ? t.begin[r * t.begin_stride + column + j] : 0.0f;
      }
    }
    Panels<R, std::min(H, 2), Layout>(t.a, b, ahead(column), t.panel_stride, t.kn, buffer, kPanel,
                                      buffer, kPanel);
    for (int r = 0; r < R; ++r) {
      std::memcpy(t.c + r * t.ldc + column, buffer + r * kPanel,
                  static_cast<size_t>(n) * sizeof(float));
    }
  }
}

template <class Layout, class T, int... R>
void RunStrip(int rows, const StripTask<T>& t, std::integer_sequence<int, R...>) {
  static constexpr void (*kTable[])(const StripTask<T>&) = {&Strip<R + 1, Layout, T>...};
  kTable[rows - 1](t);
}

// Tile i of the rows [m0, m0 + rows), shared out evenly.
struct Tiling {
  int64_t m0, rows, tiles;
  int64_t begin(int64_t i) const { return m0 + rows * i / tiles; }
  int size(int64_t i) const { return static_cast<int>(begin(i + 1) - begin(i)); }
};

Tiling TilingOf(int64_t m0, int64_t m1) {
  return {m0, m1 - m0, (m1 - m0 + kMaxRows - 1) / kMaxRows};
}

constexpr int64_t kTileFloats = std::max<int64_t>(kMaxRows * ByRow::kRow, 16 * kBlockK);

// Copies k in [k0, k0 + kn) of tiles [0, tiling.tiles) of A, kTileFloats each.
template <class Layout>
void PackA(const MatrixA& A, const Tiling& tiling, int64_t k0, int64_t kn, int64_t M, float* to) {
  if constexpr (std::is_same_v<Layout, ByColumn>) {
    for (int64_t k = 0; k < kn; ++k) {
      const float* from = A.data + (k0 + k) * A.column_stride;
      for (int64_t i = 0; i < tiling.tiles; ++i) {
        const int64_t m = tiling.begin(i);
        float* tile = to + i * kTileFloats + k * 16;
        if (m + 16 <= M) {
          Store(Load(from + m), tile);
        } else {
          for (int r = 0; r < tiling.size(i); ++r) tile[r] = from[m + r];
        }
      }
    }
  } else {
    for (int64_t i = 0; i < tiling.tiles; ++i) {
      for (int r = 0; r < tiling.size(i); ++r) {
        const float* from = A.data + (tiling.begin(i) + r) * A.row_stride + k0 * A.column_stride;
        float* row = to + i * kTileFloats + r * ByRow::kRow;
        if (A.column_stride == 1) {
          std::memcpy(row, from, static_cast<size_t>(kn) * sizeof(float));
        } else {
          for (int64_t k = 0; k < kn; ++k) row[k] = from[k * A.column_stride];
        }
      }
    }
  }
}

void Widen(const uint16_t* from, int64_t kn, float* to) {
  for (int64_t k = 0; k < kn; ++k) {
    Store(LoadHalf(from + k * kPanel, 0), to + k * kPanel);
    Store(LoadHalf(from + k * kPanel, 1), to + k * kPanel + 16);
  }
}

const float* PanelOf(const PackedMatrix& B, int64_t p, const float*) { return B.panel(p); }
const uint16_t* PanelOf(const PackedMatrix& B, int64_t p, const uint16_t*) {
  return B.bf16_panel(p);
}

template <class Layout, class T>
void StripAt(const MatmulTask& t, const Tiling& tiling, int64_t i, const float* a, const T* b,
             int64_t panel_stride, int64_t panel0, int64_t panel1, int64_t k0, int64_t kn,
             Ahead ahead, const float* next) {
  const int64_t m = tiling.begin(i), column = panel0 * kPanel;
  float* c = t.C + m * t.ldc + column;
  const bool first = k0 == 0;
  StripTask<T> strip{a,
                     b,
                     panel_stride,
                     kn,
                     first ? t.begin + m * t.begin_row_stride + column : c,
                     first ? t.begin_row_stride : t.ldc,
                     c,
                     t.ldc,
                     std::min(panel1 * kPanel, t.B->N()) - column,
                     ahead,
                     next};
  RunStrip<Layout>(tiling.size(i), strip, std::make_integer_sequence<int, kMaxRows>());
}

// Few rows: the weights are read once, in the order in which they lie, whole k before the next
// panels; A is packed whole.
template <class T>
void RunFewRows(const MatmulTask& t, float* scratch) {
  const int64_t K = t.B->K(), panel_stride = K * kPanel;
  const Tiling tiling = TilingOf(t.m0, t.m1);
  const int64_t block_floats = tiling.tiles * kTileFloats;
  for (int64_t k0 = 0; k0 < K; k0 += kBlockK) {
    PackA<ByRow>(t.A, tiling, k0, std::min(kBlockK, K - k0), t.m1,
                 scratch + k0 / kBlockK * block_floats);
  }
  const int64_t step = tiling.tiles == 1 ? 12 : 1;  // any strip's panels divide 12
  for (int64_t p = t.panel0; p < t.panel1; p += step) {
    const int64_t end = std::min(p + step, t.panel1);
    for (int64_t k0 = 0; k0 < K || k0 == 0; k0 += kBlockK) {
      const int64_t kn = std::min(kBlockK, K - k0);
      const T* b = PanelOf(*t.B, p, static_cast<T*>(nullptr)) + k0 * kPanel;
      for (int64_t i = 0; i < tiling.tiles; ++i) {
        StripAt<ByRow>(t, tiling, i, scratch + k0 / kBlockK * block_floats + i * kTileFloats, b,
                       panel_stride, p, end, k0, kn,
                       FetchFrom(b + (sizeof(T) == 2 ? 16 * kPanel : 0)), nullptr);
      }
    }
  }
}

// Many rows: a block of k of a panel stays in L1 while the rows pass by, a block of rows in L2
// while the panels do.
template <class Layout, class T>
void RunManyRows(const MatmulTask& t, float* scratch, float* wide) {
  const int64_t K = t.B->K(), M = t.m1 - t.m0;
  constexpr int64_t kBlockM = 16 * kMaxRows;
  const int64_t blocks = (M + kBlockM - 1) / kBlockM;
  for (int64_t k0 = 0; k0 < K || k0 == 0; k0 += kBlockK) {
    const int64_t kn = std::min(kBlockK, K - k0);
    for (int64_t mb = 0; mb < blocks; ++mb) {
      const Tiling tiling = TilingOf(t.m0 + M * mb / blocks, t.m0 + M * (mb + 1) / blocks);
      PackA<Layout>(t.A, tiling, k0, kn, t.m1, scratch);
      for (int64_t p = t.panel0; p < t.panel1; ++p) {
        const T* narrow = PanelOf(*t.B, p, static_cast<T*>(nullptr)) + k0 * kPanel;
        const float* b;
        if constexpr (std::is_same_v<T, uint16_t>) {
          Widen(narrow, kn, wide);
          b = wide;
        } else {
          b = narrow;
        }
        for (int64_t i = 0; i < tiling.tiles; ++i) {
          const bool last = i + 1 == tiling.tiles;
          const float* next = t.C + tiling.begin(last ? 0 : i + 1) * t.ldc + (p + last) * kPanel;
          // The next panel comes from memory while the first tile of this one is computed.
          const T* fetch = narrow + (i == 0 && p + 1 < t.panel1 ? K * kPanel : 0);
          StripAt<Layout>(t, tiling, i, scratch + i * kTileFloats, b, 0, p, p + 1, k0, kn,
                          FetchFrom(fetch), next);
        }
      }
    }
  }
}

void RunMatmul(const MatmulTask& t) {
  const int64_t K = t.B->K(), M = t.m1 - t.m0;
  const bool few = M <= 2 * kMaxRows, narrow = t.B->storage() == DType::kBF16;
  const int64_t tiles = few ? (M + kMaxRows - 1) / kMaxRows * ((K + kBlockK - 1) / kBlockK) : 16;
  thread_local Buffer scratch("matmul scratch", 0);
  scratch.reserve(tiles * kTileFloats + kBlockK * kPanel);
  float* wide = scratch.data();
  float* a = wide + kBlockK * kPanel;
  if (few) return narrow ? RunFewRows<uint16_t>(t, a) : RunFewRows<float>(t, a);
  if (narrow) return RunManyRows<ByRow, uint16_t>(t, a, wide);
  if (t.A.row_stride == 1 && t.A.column_stride != 1)
    return RunManyRows<ByColumn, float>(t, a, wide);
  RunManyRows<ByRow, float>(t, a, wide);
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder {
HWY_EXPORT(RunMatmul);

namespace {

// How threads share out C: rows of it, panels, or both; never k.
struct Grid {
  int64_t rows = 1, columns = 1;
};

// The grid whose largest piece costs least. In units of one row times one panel: reading a panel
// costs about what a dozen rows do, packing a row of A about a quarter.
Grid grid_for(int64_t M, int64_t panels, int64_t threads) {
  Grid best;
  int64_t least = -1;
  for (int64_t rows = 1; rows <= threads; ++rows) {
    const Grid grid{rows, threads / rows};
    const int64_t m = (M + grid.rows - 1) / grid.rows;
    const int64_t p = (panels + grid.columns - 1) / grid.columns;
    const int64_t cost = 4 * (m + 12) * p + m;
    if (least >= 0 && cost >= least) continue;
    least = cost;
    best = grid;
  }
  return best;
}

void run(MatmulTask task, int64_t M, ThreadPool& pool) {
  const int64_t panels = task.B->num_panels();
  const int threads = pool.num_threads();
  const auto kernel = HWY_DYNAMIC_DISPATCH(RunMatmul);
  if (M == 0 || panels == 0) return;
  const Grid grid = grid_for(M, panels, threads);
  pool.run([&](int part) {
    const int64_t row = part / grid.columns, column = part % grid.columns;
    if (row >= grid.rows) return;
    MatmulTask mine = task;
    mine.m0 = M * row / grid.rows;
    mine.m1 = M * (row + 1) / grid.rows;
    mine.panel0 = panels * column / grid.columns;
    mine.panel1 = panels * (column + 1) / grid.columns;
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
