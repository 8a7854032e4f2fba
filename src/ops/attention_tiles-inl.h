// What forward and backward of attention share: a block of keys turned around, and chains of
// multiply-adds on tiles of accumulators that stay in registers. Included once per target by
// foreach_target.
#if defined(PONDER_OPS_ATTENTION_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PONDER_OPS_ATTENTION_TILES_INL_H_
#undef PONDER_OPS_ATTENTION_TILES_INL_H_
#else
#define PONDER_OPS_ATTENTION_TILES_INL_H_
#endif

#include <utility>

#include "ops/attention.h"
#include "ops/bf16-inl.h"
#include "ops/fetch.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

// A tile's rows and its columns in vectors of 16: accumulators, a row of the other operand and a
// broadcast fill the 32 registers of AVX-512, or the 16 of AVX2. Few rows take more columns, so that
// what they wait for, memory, is read as it lies.
constexpr int kTileRows = 6;
constexpr int64_t kFetchSteps = 4;
template <int R>
constexpr int kTileVectors = kLanes == 16            ? (R <= kTileRows ? 4 : 2)
                             : kLanes == 8 && R <= 2 ? 4 / R
                                                     : 1;

// acc[r][h] continues its chain over k < n of a[r * ar + k * ak], b[k * ldb + h * 16 + lane].
template <int R, int H, class B>
HWY_INLINE void Chains(F16 (&acc)[R][H], const float* a, int64_t ar, int64_t ak, const B* b,
                       int64_t ldb, int64_t n) {
  for (int64_t k = 0; k < n; ++k) {
    F16 row[H];
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) row[h] = Load(b + k * ldb + h * 16);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F16 x = Set(a[r * ar + k * ak]);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) acc[r][h] = Fma(x, row[h], acc[r][h]);
    }
  }
}

// The same; what is to be fetched is asked for on the way.
template <int R, int H, class B>
HWY_INLINE void Chains(F16 (&acc)[R][H], const float* a, int64_t ar, int64_t ak, const B* b,
                       int64_t ldb, int64_t n, Fetch& fetch) {
  for (int64_t k = 0; k < n; k += kFetchSteps) {
    Chains(acc, a + k * ak, ar, ak, b + k * ldb, ldb, std::min(kFetchSteps, n - k));
    // A block of keys and one of values in f32 fill the nearest cache. On AVX2 not measured.
    kLanes == 16 ? fetch.step_far() : fetch.step();
  }
}

// Rows of c (stride D), times their factors if there are any, continue their chains over k < n of a
// and the rows of b (stride D).
template <class B>
struct Update {
  float* c;
  const float* factors;
  const float* a;
  const B* b;
  int64_t n, D;
  Fetch fetch = {};
};

template <int R, int H, int kRowStep, int kStep, class B>
HWY_INLINE void UpdateColumns(const Update<B>& u, int64_t d, Fetch& fetch) {
  F16 acc[R][H];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) acc[r][h] = Load(u.c + r * u.D + d + h * 16);
  }
  if (u.factors) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F16 factor = Set(u.factors[r]);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) acc[r][h] = Mul(acc[r][h], factor);
    }
  }
  Chains(acc, u.a, kRowStep, kStep, u.b + d, u.D, u.n, fetch);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) Store(acc[r][h], u.c + r * u.D + d + h * 16);
  }
}

template <int R, int kRowStep, int kStep, class B>
void UpdateRows(const Update<B>& u) {
  constexpr int kVectors = kTileVectors<R>;
  int64_t d = 0;
  Fetch fetch = u.fetch;
  for (; d + 16 * kVectors <= u.D; d += 16 * kVectors) {
    UpdateColumns<R, kVectors, kRowStep, kStep>(u, d, fetch);
  }
  if constexpr (kVectors > 2) {
    if (u.D - d == 48) UpdateColumns<R, 3, kRowStep, kStep>(u, d, fetch);
    if (u.D - d == 32) UpdateColumns<R, 2, kRowStep, kStep>(u, d, fetch);
  }
  if constexpr (kVectors > 1) {
    if (u.D - d == 16) UpdateColumns<R, 1, kRowStep, kStep>(u, d, fetch);
  }
}

template <int kRowStep, int kStep, class B, int... R>
HWY_INLINE void RunUpdate(int rows, const Update<B>& u, std::integer_sequence<int, R...>) {
  static constexpr void (*kTable[])(const Update<B>&) = {&UpdateRows<R + 1, kRowStep, kStep, B>...};
  kTable[rows - 1](u);
}

// Seven queries, a group of Qwen2.5-0.5B that decodes, are one tile where registers suffice.
constexpr int kMostTileRows = kLanes == 16 ? 7 : kTileRows;
using TileSizes = std::make_integer_sequence<int, kMostTileRows>;

// Row i of a is a row of weights (kKeyBlock of them), k its columns.
template <class B>
HWY_INLINE void UpdateByRows(int rows, const Update<B>& u) {
  RunUpdate<kKeyBlock, 1>(rows, u, TileSizes());
}
// Row i of a is a column of weights.
template <class B>
HWY_INLINE void UpdateByColumns(int rows, const Update<B>& u) {
  RunUpdate<1, kKeyBlock>(rows, u, TileSizes());
}

// Between types too: widened, or rounded.
template <class To, class From>
HWY_INLINE void CopyRow(To* to, const From* from, int64_t D) {
  for (int64_t d = 0; d < D; d += 16) Store(Load(from + d), to + d);
}

// Rows of D between a layer's layout and rows side by side.
template <class To, class From>
HWY_INLINE void CopyRows(To* to, int64_t ldt, const From* from, int64_t ldf, int64_t count,
                         int64_t D) {
  for (int64_t t = 0; t < count; ++t) CopyRow(to + t * ldt, from + t * ldf, D);
}

// `count` rows shared out evenly among as few tiles as can be; kMostTileRows of them are one if so asked.
struct Tiles {
  explicit Tiles(int64_t n, bool most = false)
      : count(n), number(most && n == kMostTileRows ? 1 : (n + kTileRows - 1) / kTileRows) {}
  int64_t begin(int64_t tile) const { return count * tile / number; }
  int size(int64_t tile) const { return static_cast<int>(begin(tile + 1) - begin(tile)); }
  int64_t count, number;
};

// to (D, kKeyBlock) = the transpose of `count` rows of D; the columns after them are zero.
HWY_INLINE void TransposeBlock(float* to, const float* from, int64_t ld, int64_t count, int64_t D) {
  int64_t j = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<float, 4> four;
  for (; j + 4 <= count; j += 4) {
    const float* rows = from + j * ld;
    for (int64_t d = 0; d < D; d += 4) {
      const auto r0 = hn::LoadU(four, rows + d), r1 = hn::LoadU(four, rows + ld + d);
      const auto r2 = hn::LoadU(four, rows + 2 * ld + d), r3 = hn::LoadU(four, rows + 3 * ld + d);
      const auto a = hn::InterleaveLower(four, r0, r1), b = hn::InterleaveLower(four, r2, r3);
      const auto e = hn::InterleaveUpper(four, r0, r1), f = hn::InterleaveUpper(four, r2, r3);
      float* column = to + d * kKeyBlock + j;
      hn::StoreU(hn::ConcatLowerLower(four, b, a), four, column);
      hn::StoreU(hn::ConcatUpperUpper(four, b, a), four, column + kKeyBlock);
      hn::StoreU(hn::ConcatLowerLower(four, f, e), four, column + 2 * kKeyBlock);
      hn::StoreU(hn::ConcatUpperUpper(four, f, e), four, column + 3 * kKeyBlock);
    }
  }
#endif
  for (; j < kKeyBlock; ++j) {
    for (int64_t d = 0; d < D; ++d) to[d * kKeyBlock + j] = j < count ? from[j * ld + d] : 0.0f;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#endif
