// What forward and backward of attention share: a block of keys turned around, and chains of
// multiply-adds on tiles of accumulators that stay in registers. Included once per target by
// foreach_target.
#if defined(PONDER_OPS_ATTENTION_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PONDER_OPS_ATTENTION_TILES_INL_H_
#undef PONDER_OPS_ATTENTION_TILES_INL_H_
#else
#define PONDER_OPS_ATTENTION_TILES_INL_H_
#endif

#include <algorithm>
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
template <int R, int H>
HWY_INLINE void Chains(F16 (&acc)[R][H], const float* a, int64_t ar, int64_t ak, const float* b,
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
template <int R, int H>
HWY_INLINE void Chains(F16 (&acc)[R][H], const float* a, int64_t ar, int64_t ak, const float* b,
                       int64_t ldb, int64_t n, Fetch& fetch) {
  for (int64_t k = 0; k < n; k += kFetchSteps) {
    Chains(acc, a + k * ak, ar, ak, b + k * ldb, ldb, std::min(kFetchSteps, n - k));
    // A block of keys and one of values in f32 fill the nearest cache. On AVX2 not measured.
    kLanes == 16 ? fetch.step_far() : fetch.step();
  }
}

// Rows of c (stride D), times their factors if there are any, continue their chains over k < n of a
// and the rows of b (stride D).
struct Update {
  float* c;
  const float* factors;
  const float* a;
  const float* b;
  int64_t n, D;
  Fetch fetch = {};
};

template <int R, int H, int kRowStep, int kStep>
HWY_INLINE void UpdateColumns(const Update& u, int64_t d, Fetch& fetch) {
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

template <int R, int kRowStep, int kStep>
void UpdateRows(const Update& u) {
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

template <int kRowStep, int kStep, int... R>
HWY_INLINE void RunUpdate(int rows, const Update& u, std::integer_sequence<int, R...>) {
  static constexpr void (*kTable[])(const Update&) = {&UpdateRows<R + 1, kRowStep, kStep>...};
  kTable[rows - 1](u);
}

using TileSizes = std::make_integer_sequence<int, kTileRows>;

// Row i of a is a row of weights (kKeyBlock of them), k its columns.
HWY_INLINE void UpdateByRows(int rows, const Update& u) {
  RunUpdate<kKeyBlock, 1>(rows, u, TileSizes());
}
// Row i of a is a column of weights.
HWY_INLINE void UpdateByColumns(int rows, const Update& u) {
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

// `count` rows shared out evenly among as few tiles as can be.
struct Tiles {
  explicit Tiles(int64_t n) : count(n), number((n + kTileRows - 1) / kTileRows) {}
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

// Of R queries, that meet a block of keys.
struct Softmax {
  const float* m;          // (R) maximum up to here
  float *top, *sum;        // (R) maximum with this block; sum of p
  const int64_t* visible;  // (R) how many of the block's keys a query sees, or nullptr: all
  const int64_t* hidden;   // (R) how many of these, the first, lie before its window; or nullptr
  float scale;
};

// s, of R queries from `first` on against the first 16 H keys of the block, becomes p = exp(s - top).
template <int R, int H>
HWY_INLINE void Weights(F16 (&s)[R][H], const Softmax& t, int first) {
  const F16 scale = Set(t.scale), nothing = Set(-__builtin_inff());
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) s[r][h] = Mul(s[r][h], scale);
  }
  if (t.visible) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h)
        s[r][h] = KeepFirst(s[r][h], t.visible[first + r] - h * 16, nothing);
    }
  }
  if (t.hidden) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h)
        s[r][h] = KeepFirst(nothing, t.hidden[first + r] - h * 16, s[r][h]);
    }
  }
  F16 top[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    F16 high = s[r][0];
#pragma GCC unroll 4
    for (int h = 1; h < H; ++h) high = Max(high, s[r][h]);
    const float x = std::max(t.m[first + r], Max16(high));
    t.top[first + r] = x;
    top[r] = Set(x);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) s[r][h] = Sub(s[r][h], top[r]);
    ExpBounded<H>(s[r]);
  }
  // (v0 + v1) + (v2 + v3); what is missing would be zeros.
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    F16 sum = s[r][0];
    if constexpr (H > 1) sum = Add(sum, s[r][1]);
    if constexpr (H == 3) sum = Add(sum, s[r][2]);
    if constexpr (H == 4) sum = Add(sum, Add(s[r][2], s[r][3]));
    t.sum[first + r] = Sum16(sum);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#endif
