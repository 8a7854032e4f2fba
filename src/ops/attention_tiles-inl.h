// The three products of attention on tiles of N queries and one block of keys, shared by forward
// and backward. Included once per target by foreach_target.
#if defined(PONDER_OPS_ATTENTION_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PONDER_OPS_ATTENTION_TILES_INL_H_
#undef PONDER_OPS_ATTENTION_TILES_INL_H_
#else
#define PONDER_OPS_ATTENTION_TILES_INL_H_
#endif

#include "ops/attention.h"
#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder {
namespace HWY_NAMESPACE {

HWY_INLINE float Exp1(float x) {
  HWY_ALIGN float lane[16];
  Store(Exp(Set(x)), lane);
  return lane[0];
}

template <int N, int H>
HWY_INLINE void ProductsH(float* s, const float* const* q, const float* keys_transposed,
                          int64_t D) {
  F16 acc[N][H];
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) acc[i][h] = Set(0.0f);
  }
  for (int64_t d = 0; d < D; ++d) {
    F16 k[H];
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) k[h] = Load(keys_transposed + d * kKeyBlock + h * 16);
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) {
      const F16 qv = Set(q[i][d]);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) acc[i][h] = Fma(qv, k[h], acc[i][h]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) Store(acc[i][h], s + i * kKeyBlock + h * 16);
  }
}

// s (N, kKeyBlock): s[i][j] = fma chain over d of q[i][d] k[j][d], for j below `keys` rounded up
// to 16.
template <int N>
HWY_INLINE void Products(float* s, const float* const* q, const float* keys_transposed,
                         int64_t keys, int64_t D) {
  switch ((keys + 15) / 16) {
    case 1:
      ProductsH<N, 1>(s, q, keys_transposed, D);
      break;
    case 2:
      ProductsH<N, 2>(s, q, keys_transposed, D);
      break;
    case 3:
      ProductsH<N, 3>(s, q, keys_transposed, D);
      break;
    default:
      ProductsH<N, 4>(s, q, keys_transposed, D);
      break;
  }
}

template <int N, int H>
HWY_INLINE void CombineH(float* const* out, int64_t d, const float* p, const float* values,
                         int64_t ld, int64_t keys) {
  F16 acc[N][H];
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) acc[i][h] = Load(out[i] + d + h * 16);
  }
  for (int64_t j = 0; j < keys; ++j) {
    F16 v[H];
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) v[h] = Load(values + j * ld + d + h * 16);
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) {
      const F16 w = Set(p[i * kKeyBlock + j]);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) acc[i][h] = Fma(w, v[h], acc[i][h]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) Store(acc[i][h], out[i] + d + h * 16);
  }
}

// out[i][d] continues its chain over j of p[i][j] values[j][d].
template <int N>
HWY_INLINE void Combine(float* const* out, const float* p, const float* values, int64_t ld,
                        int64_t keys, int64_t D) {
  int64_t d = 0;
  for (; d + 64 <= D; d += 64) CombineH<N, 4>(out, d, p, values, ld, keys);
  for (; d + 32 <= D; d += 32) CombineH<N, 2>(out, d, p, values, ld, keys);
  for (; d < D; d += 16) CombineH<N, 1>(out, d, p, values, ld, keys);
}

template <int N, int H>
HWY_INLINE void ScatterH(float* to, int64_t ld, int64_t d, const float* p, const float* const* rows,
                         int64_t keys) {
  F16 r[N][H];
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) r[i][h] = Load(rows[i] + d + h * 16);
  }
  for (int64_t j = 0; j < keys; ++j) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) {
      F16 acc = Load(to + j * ld + d + h * 16);
#pragma GCC unroll 4
      for (int i = 0; i < N; ++i) acc = Fma(Set(p[i * kKeyBlock + j]), r[i][h], acc);
      Store(acc, to + j * ld + d + h * 16);
    }
  }
}

// to[j][d] continues its chain over i of p[i][j] rows[i][d].
template <int N>
HWY_INLINE void Scatter(float* to, int64_t ld, const float* p, const float* const* rows,
                        int64_t keys, int64_t D) {
  int64_t d = 0;
  for (; d + 32 <= D; d += 32) ScatterH<N, 2>(to, ld, d, p, rows, keys);
  for (; d < D; d += 16) ScatterH<N, 1>(to, ld, d, p, rows, keys);
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder
HWY_AFTER_NAMESPACE();

#endif
