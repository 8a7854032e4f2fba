// The register tiles of the matrix product and how a block of A lies in scratch, shared by the
// loops over packed panels and over views (matmul_cpu.cpp). Included once per target by
// foreach_target.
#if defined(PONDER_OPS_MATMUL_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PONDER_OPS_MATMUL_TILES_INL_H_
#undef PONDER_OPS_MATMUL_TILES_INL_H_
#else
#define PONDER_OPS_MATMUL_TILES_INL_H_
#endif

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "ops/matmul_task.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
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

// What to fetch into the cache while a tile is computed: `step` bytes for every k, from a place
// that lies `panel_step` bytes further for every panel.
struct Ahead {
  const char* data;
  int64_t step, panel_step;
};
// Measured: tiles of few rows over f32 panels only lose by it, the processor's own prefetcher is
// enough for them.
template <int R, class T>
constexpr bool kFetches = sizeof(T) == 2 ? R > 2 : R > (kLanes == 16 ? 6 : 3);

// Where a strip of R rows finds its operands. `b` is the block of k of the first panel.
template <class T>
struct StripTask {
  const float* a;
  const T* b;
  int64_t panel_stride, kn;
  ConstRows begin;  // null: chains begin from zero
  Rows c;
  int64_t columns;  // up to the end of the last panel or of C
  Ahead ahead;
  const float* next;  // of C: what the strip after this one begins with, or nullptr
};

// R rows times H half panels (16 columns each) from half h0 on, kept in registers over kn values
// of k.
template <int R, int H, class Layout, class T>
HWY_INLINE void Tile(const StripTask<T>& t, int h0) {
  F16 acc[R][H];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int h = 0; h < H; ++h)
      acc[r][h] =
          t.begin.data ? Load(t.begin.data + r * t.begin.stride + (h0 + h) * 16) : Set(0.0f);
  }
  for (int64_t k = 0; k < t.kn; ++k) {
    F16 bv[H];
#pragma GCC unroll 16
    for (int h = 0; h < H; ++h) {
      bv[h] = LoadHalf(t.b + ((h0 + h) / 2) * t.panel_stride + k * kPanel, (h0 + h) % 2);
      const char* line = t.ahead.data + (h / 2) * t.ahead.panel_step + k * t.ahead.step;
      if (kFetches<R, T> && h % 2 == 0) hwy::Prefetch(line);
      if (kFetches<R, T> && h % 2 == 1 && sizeof(T) == sizeof(float)) hwy::Prefetch(line + 64);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F16 av = Set(t.a[r * Layout::kRow + k * Layout::kColumn]);
#pragma GCC unroll 16
      for (int h = 0; h < H; ++h) acc[r][h] = Fma(av, bv[h], acc[r][h]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int h = 0; h < H; ++h) Store(acc[r][h], t.c.data + r * t.c.stride + (h0 + h) * 16);
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
HWY_INLINE void Panels(const StripTask<T>& t) {
  Tile<R, H, Layout>(t, 0);
  if constexpr (H == 1) Tile<R, 1, Layout>(t, 1);
}

template <int R, class Layout, class T>
void Strip(const StripTask<T>& t) {
  constexpr int H = HalvesFor<R>();
  constexpr int64_t kTogether = std::max(H / 2, 1) * kPanel;
  const auto at = [&](int64_t column) {
    return StripTask<T>{
        t.a,
        t.b + column / kPanel * t.panel_stride,
        t.panel_stride,
        t.kn,
        {t.begin.data ? t.begin.data + column : nullptr, t.begin.stride},
        {t.c.data + column, t.c.stride},
        t.columns - column,
        {t.ahead.data + column / kPanel * t.ahead.panel_step, t.ahead.step, t.ahead.panel_step},
        t.next ? t.next + column : nullptr};
  };
  int64_t column = 0;
  for (; column + kTogether <= t.columns; column += kTogether) {
    const StripTask<T> u = at(column);
    if (u.next) {
      for (int r = 0; r < R; ++r) {
        hwy::Prefetch(u.next + r * t.c.stride);
        hwy::Prefetch(u.next + r * t.c.stride + 16);
      }
    }
    Panels<R, H, Layout>(u);
  }
  for (; column < t.columns; column += kPanel) {
    const StripTask<T> u = at(column);
    if (u.columns >= kPanel) {
      Panels<R, std::min(H, 2), Layout>(u);
      continue;
    }
    // The last columns, fewer than a panel's: through a buffer.
    float buffer[R * kPanel];
    for (int r = 0; r < R; ++r) {
      for (int64_t j = 0; j < kPanel; ++j) {
        buffer[r * kPanel + j] =
            u.begin.data && j < u.columns ? u.begin.data[r * u.begin.stride + j] : 0.0f;
      }
    }
    StripTask<T> buffered = u;
    buffered.begin = buffered.c = Rows{buffer, kPanel};
    Panels<R, std::min(H, 2), Layout>(buffered);
    for (int r = 0; r < R; ++r) {
      std::memcpy(u.c.data + r * u.c.stride, buffer + r * kPanel,
                  static_cast<size_t>(u.columns) * sizeof(float));
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

HWY_INLINE Tiling TilingOf(int64_t m0, int64_t m1) {
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

// A block of k of some panels.
struct Block {
  int64_t panel0, panel1, k0, kn;
};

// Where such a block lies, panel by panel.
template <class T>
struct PanelRows {
  const T* data;
  int64_t panel_stride;
};

// Tile i, packed at a, over a block.
template <class Layout, class T>
void StripAt(const MatmulTask& t, const Tiling& tiling, int64_t i, const float* a,
             const Block& block, PanelRows<T> b, Ahead ahead, const float* next) {
  const int64_t m = tiling.begin(i), column = block.panel0 * kPanel;
  const Rows c{t.C.data + m * t.C.stride + column, t.C.stride};
  ConstRows begin = c;
  if (block.k0 == 0) {
    begin.data = t.begin.data ? t.begin.data + m * t.begin.stride + column : nullptr;
    begin.stride = t.begin.stride;
  }
  const StripTask<T> strip{a,
                           b.data,
                           b.panel_stride,
                           block.kn,
                           begin,
                           c,
                           std::min(block.panel1 * kPanel, t.N) - column,
                           ahead,
                           next};
  RunStrip<Layout>(tiling.size(i), strip, std::make_integer_sequence<int, kMaxRows>());
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#endif
