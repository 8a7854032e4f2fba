#include <algorithm>
#include <cstdint>
#include <cstring>

#include "ops/matmul_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_view_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/matmul_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

// Panels that are packed together: rows of A, which come from L3, are then read once for four of
// them, and B's rows in runs of 512 bytes. 256 KiB of L2.
constexpr int64_t kGroup = 4;
// Rows of A packed at a time; what is packed of B serves as many.
constexpr int64_t kChunkTiles = 64;

// Four values of k of four rows into four rows of a panel.
HWY_INLINE void Transpose4(const float* const* from, int64_t k, float* to) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) to[i * kPanel + j] = from[j][k + i];
  }
#else
  const hn::CappedTag<float, 4> d;
  const auto a = hn::LoadU(d, from[0] + k), b = hn::LoadU(d, from[1] + k);
  const auto c = hn::LoadU(d, from[2] + k), e = hn::LoadU(d, from[3] + k);
  const auto ab0 = hn::InterleaveLower(d, a, b), ab1 = hn::InterleaveUpper(d, a, b);
  const auto ce0 = hn::InterleaveLower(d, c, e), ce1 = hn::InterleaveUpper(d, c, e);
  hn::StoreU(hn::ConcatLowerLower(d, ce0, ab0), d, to);
  hn::StoreU(hn::ConcatUpperUpper(d, ce0, ab0), d, to + kPanel);
  hn::StoreU(hn::ConcatLowerLower(d, ce1, ab1), d, to + 2 * kPanel);
  hn::StoreU(hn::ConcatUpperUpper(d, ce1, ab1), d, to + 3 * kPanel);
#endif
}

// to (kn, kPanel) = columns of panel p, k from k0 on; columns past N are zero.
void FillTransposed(const MatrixView& B, int64_t p, int64_t k0, int64_t kn, float* to) {
  alignas(64) static constexpr float kZeros[kBlockK] = {};
  const float* rows[kPanel];
  for (int64_t j = 0; j < kPanel; ++j) {
    const int64_t n = p * kPanel + j;
    rows[j] = n < B.N() ? B.row(n) + k0 : kZeros;
  }
  // Sixty-four k at a time: what is written stays in L1.
  for (int64_t begin = 0; begin < kn; begin += 64) {
    const int64_t end = std::min(begin + 64, kn);
    for (int64_t j = 0; j < kPanel; j += 4) {
      int64_t k = begin;
      for (; k + 4 <= end; k += 4) Transpose4(rows + j, k, to + k * kPanel + j);
      for (; k < end; ++k) {
        for (int64_t i = 0; i < 4; ++i) to[k * kPanel + j + i] = rows[j + i][k];
      }
    }
  }
}

void FillRows(const MatrixView& B, const Block& b, float* to) {
  const int64_t first = b.panel0 * kPanel, columns = std::min(b.panel1 * kPanel, B.N()) - first;
  for (int64_t k = 0; k < b.kn; ++k) {
    const float* from = B.row(b.k0 + k) + first;
    int64_t column = 0;
    for (; column + kPanel <= columns; column += kPanel) {
      float* row = to + column * b.kn + k * kPanel;
      Store(Load(from + column), row);
      Store(Load(from + column + 16), row + 16);
    }
    if (column < columns) {
      float* row = to + column * b.kn + k * kPanel;
      for (int64_t j = 0; j < kPanel; ++j) row[j] = j < columns - column ? from[column + j] : 0.0f;
    }
  }
}

// Part i of n of what the block reads, into the cache. Inlined, or the compiler drops the call as
// one without effect.
HWY_INLINE void Fetch(const MatrixView& B, const Block& b, int64_t i, int64_t n) {
  const int64_t first = b.panel0 * kPanel, columns = std::min(b.panel1 * kPanel, B.N()) - first;
  const int64_t rows = B.transposed() ? columns : b.kn, floats = B.transposed() ? b.kn : columns;
  for (int64_t r = rows * i / n; r < rows * (i + 1) / n; ++r) {
    const float* row = B.transposed() ? B.row(first + r) + b.k0 : B.row(b.k0 + r) + first;
    for (int64_t at = 0; at < floats; at += 16) hwy::Prefetch(row + at);
  }
}

// For a chunk of rows and a block of k, group by group of panels: pack the group into L2, then pass
// every tile of rows by it, while the next group comes from memory.
template <class Layout>
void RunChunk(const MatmulTask& t, const Tiling& tiling, float* a, float* wide) {
  const MatrixView& B = *t.view;
  const int64_t panels = t.panel1 - t.panel0, groups = (panels + kGroup - 1) / kGroup;
  const int64_t blocks = std::max<int64_t>((t.K + kBlockK - 1) / kBlockK, 1);
  const auto block = [&](int64_t i) {
    const int64_t k0 = i / groups * kBlockK, g = i % groups;
    return Block{t.panel0 + panels * g / groups, t.panel0 + panels * (g + 1) / groups, k0,
                 std::min(kBlockK, t.K - k0)};
  };
  for (int64_t i = 0; i < blocks * groups; ++i) {
    const Block now = block(i);
    if (i % groups == 0) PackA<Layout>(t.A, tiling, now.k0, now.kn, t.m1, a);
    if (B.transposed()) {
      for (int64_t p = now.panel0; p < now.panel1; ++p)
        FillTransposed(B, p, now.k0, now.kn, wide + (p - now.panel0) * now.kn * kPanel);
    } else {
      FillRows(B, now, wide);
    }
    for (int64_t tile = 0; tile < tiling.tiles; ++tile) {
      if (i + 1 < blocks * groups) Fetch(B, block(i + 1), tile, tiling.tiles);
      const bool last = tile + 1 == tiling.tiles;
      const float* next =
          last ? nullptr : t.C.data + tiling.begin(tile + 1) * t.C.stride + now.panel0 * kPanel;
      const float* next_a = a + (last ? 0 : tile + 1) * kTileFloats;
      StripAt<Layout>(t, tiling, tile, a + tile * kTileFloats, now,
                      PanelRows<float>{wide, now.kn * kPanel},
                      Ahead{reinterpret_cast<const char*>(next_a), 64, 0}, next);
    }
  }
}

void RunView(const MatmulTask& t) {
  thread_local tensor::Buffer scratch("matmul scratch", 0);
  const int64_t chunk = kChunkTiles * kMaxRows, M = t.m1 - t.m0, chunks = (M + chunk - 1) / chunk;
  const int64_t tiles = std::min(kChunkTiles, (M + kMaxRows - 1) / kMaxRows);
  scratch.reserve(kGroup * kBlockK * kPanel + tiles * kTileFloats);
  float *wide = scratch.data(), *a = wide + kGroup * kBlockK * kPanel;
  for (int64_t i = 0; i < chunks; ++i) {
    const Tiling tiling = TilingOf(t.m0 + M * i / chunks, t.m0 + M * (i + 1) / chunks);
    if (t.A.row_stride == 1 && t.A.column_stride != 1) {
      RunChunk<ByColumn>(t, tiling, a, wide);
    } else {
      RunChunk<ByRow>(t, tiling, a, wide);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(RunView);

void run_on_view(const MatmulTask& task) { HWY_DYNAMIC_DISPATCH(RunView)(task); }

}  // namespace ponder::ops
#endif
