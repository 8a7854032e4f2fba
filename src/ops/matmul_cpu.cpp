#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "ops/matmul_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/matmul_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

void Widen(const uint16_t* from, int64_t kn, float* to) {
  for (int64_t k = 0; k < kn; ++k) {
    Store(LoadHalf(from + k * kPanel, 0), to + k * kPanel);
    Store(LoadHalf(from + k * kPanel, 1), to + k * kPanel + 16);
  }
}

template <class T>
Ahead FetchFrom(const T* row, int64_t panel_stride) {
  return {reinterpret_cast<const char*>(row), kPanel * int64_t{sizeof(T)},
          panel_stride * int64_t{sizeof(T)}};
}

// Part i of n of a block of kn rows of a panel, which so comes from memory at an even pace.
template <class T>
Ahead FetchPart(const T* block, int64_t kn, int64_t i, int64_t n) {
  const int64_t bytes = kPanel * int64_t{sizeof(T)};
  return {reinterpret_cast<const char*>(block) + kn * bytes * i / n, (bytes + n - 1) / n, 0};
}

const float* PanelOf(const PackedMatrix& B, int64_t p, const float*) { return B.panel(p); }
const uint16_t* PanelOf(const PackedMatrix& B, int64_t p, const uint16_t*) {
  return B.bf16_panel(p);
}

// Few rows: the weights are read once, in the order in which they lie, whole k before the next
// panels; A is packed whole.
template <class T>
void RunFewRows(const MatmulTask& t, float* scratch) {
  const int64_t K = t.K, panel_stride = K * kPanel;
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
      const T* b = PanelOf(*t.panels, p, static_cast<T*>(nullptr)) + k0 * kPanel;
      for (int64_t i = 0; i < tiling.tiles; ++i) {
        StripAt<ByRow>(t, tiling, i, scratch + k0 / kBlockK * block_floats + i * kTileFloats,
                       {p, end, k0, kn}, PanelRows<T>{b, panel_stride},
                       FetchFrom(b + (sizeof(T) == 2 ? 16 * kPanel : 0), panel_stride), nullptr);
      }
    }
  }
}

// Many rows: a block of k of a panel stays in L1 while the rows pass by, a block of rows in L2
// while the panels do.
template <class Layout, class T>
void RunManyRows(const MatmulTask& t, float* scratch, float* wide) {
  const int64_t K = t.K, M = t.m1 - t.m0;
  constexpr int64_t kBlockM = 16 * kMaxRows;
  const int64_t blocks = (M + kBlockM - 1) / kBlockM;
  const auto block = [&](int64_t p, int64_t k) {
    return PanelOf(*t.panels, p, static_cast<T*>(nullptr)) + (k < K ? k : 0) * kPanel;
  };
  for (int64_t k0 = 0; k0 < K || k0 == 0; k0 += kBlockK) {
    const int64_t kn = std::min(kBlockK, K - k0);
    for (int64_t mb = 0; mb < blocks; ++mb) {
      const Tiling tiling = TilingOf(t.m0 + M * mb / blocks, t.m0 + M * (mb + 1) / blocks);
      PackA<Layout>(t.A, tiling, k0, kn, t.m1, scratch);
      for (int64_t p = t.panel0; p < t.panel1; ++p) {
        const T* narrow = block(p, k0);
        const T* following =
            block(p + 1 < t.panel1 ? p + 1 : t.panel0, p + 1 < t.panel1 ? k0 : k0 + kn);
        const float* b;
        if constexpr (std::is_same_v<T, uint16_t>) {
          Widen(narrow, kn, wide);
          b = wide;
        } else {
          b = narrow;
        }
        for (int64_t i = 0; i < tiling.tiles; ++i) {
          const bool last = i + 1 == tiling.tiles;
          const float* next =
              t.C.data + tiling.begin(last ? 0 : i + 1) * t.C.stride + (p + last) * kPanel;
          StripAt<Layout>(t, tiling, i, scratch + i * kTileFloats, {p, p + 1, k0, kn},
                          PanelRows<float>{b, 0}, FetchPart(following, kn, i, tiling.tiles), next);
        }
      }
    }
  }
}

void RunMatmul(const MatmulTask& t) {
  const int64_t K = t.K, M = t.m1 - t.m0;
  const bool few = M <= 2 * kMaxRows, narrow = t.panels->storage() == tensor::DType::kBF16;
  const int64_t tiles = few ? (M + kMaxRows - 1) / kMaxRows * ((K + kBlockK - 1) / kBlockK) : 16;
  thread_local tensor::Buffer scratch("matmul scratch", 0);
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
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(RunMatmul);

void run_on_panels(const MatmulTask& task) { HWY_DYNAMIC_DISPATCH(RunMatmul)(task); }

}  // namespace ponder::ops
#endif
