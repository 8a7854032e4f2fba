// The thin vector layer of all kernels: F16, sixteen floats, as one 512-bit, two 256-bit or four
// 128-bit registers (Highway). Sixteen lanes are part of the arithmetic's definition (interleaved
// accumulators, fixed folding tree), so a kernel written on F16 gives the same bits on every
// instruction set. Included once per target by foreach_target.
//
// Definitions (the plain-loop forms stand in ops/reference.h):
//   fma(a, b, c)  a * b + c with one rounding, everywhere
//   sum16(v)      fold 16 -> 8 -> 4 -> 2 -> 1, lane i with lane i + half: ((v0+v8)+(v4+v12)) + ...
//   exp(x)        n = round(x log2 e); r = x - n ln 2 in two fmas; a polynomial of degree 6 in r by
//                 Horner in fmas; times 2^n. x below -87.3 gives 0, x above 88.3 is taken as 88.3.
//                 Relative error below 9e-8.
#if defined(PONDER_OPS_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PONDER_OPS_SIMD_INL_H_
#undef PONDER_OPS_SIMD_INL_H_
#else
#define PONDER_OPS_SIMD_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D16 = hn::CappedTag<float, 16>;
using V = hn::Vec<D16>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D16()));
constexpr int kParts = 16 / kLanes;

struct F16 {
  V part[kParts];
};

// The baseline's sixteen single floats are worked on in functions of their own: inlined everywhere
// they take half of the kernels' compile time, and its speed is that of std::fma anyway.
#undef PONDER_INLINE
#if HWY_TARGET == HWY_SCALAR
#define PONDER_INLINE HWY_NOINLINE inline
#else
#define PONDER_INLINE HWY_INLINE
#endif

// fma of one register; instruction sets without it (the baseline) go lane by lane through std::fma.
HWY_INLINE V FmaV(V a, V b, V c) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
  return hn::MulAdd(a, b, c);
#else
  const D16 d;
  HWY_ALIGN float x[kLanes], y[kLanes], z[kLanes];
  hn::Store(a, d, x);
  hn::Store(b, d, y);
  hn::Store(c, d, z);
  for (int i = 0; i < kLanes; ++i) z[i] = std::fma(x[i], y[i], z[i]);
  return hn::Load(d, z);
#endif
}

#define PONDER_EACH _Pragma("GCC unroll 4") for (int i = 0; i < kParts; ++i)

PONDER_INLINE F16 Set(float x) {
  F16 r;
  PONDER_EACH r.part[i] = hn::Set(D16(), x);
  return r;
}
PONDER_INLINE F16 Load(const float* p) {
  F16 r;
  PONDER_EACH r.part[i] = hn::LoadU(D16(), p + i * kLanes);
  return r;
}
PONDER_INLINE void Store(F16 a, float* p) {
  PONDER_EACH hn::StoreU(a.part[i], D16(), p + i * kLanes);
}
// The first n lanes; the others are `fill`.
PONDER_INLINE F16 LoadPart(const float* p, int64_t n, float fill = 0.0f) {
  float lane[16];
  for (int i = 0; i < 16; ++i) lane[i] = i < n ? p[i] : fill;
  return Load(lane);
}
PONDER_INLINE void StorePart(F16 a, float* p, int64_t n) {
  float lane[16];
  Store(a, lane);
  for (int i = 0; i < n; ++i) p[i] = lane[i];
}
PONDER_INLINE F16 Fma(F16 a, F16 b, F16 c) {
  PONDER_EACH c.part[i] = FmaV(a.part[i], b.part[i], c.part[i]);
  return c;
}
PONDER_INLINE F16 Add(F16 a, F16 b) {
  PONDER_EACH a.part[i] = hn::Add(a.part[i], b.part[i]);
  return a;
}
PONDER_INLINE F16 Sub(F16 a, F16 b) {
  PONDER_EACH a.part[i] = hn::Sub(a.part[i], b.part[i]);
  return a;
}
PONDER_INLINE F16 Mul(F16 a, F16 b) {
  PONDER_EACH a.part[i] = hn::Mul(a.part[i], b.part[i]);
  return a;
}
PONDER_INLINE F16 Div(F16 a, F16 b) {
  PONDER_EACH a.part[i] = hn::Div(a.part[i], b.part[i]);
  return a;
}
PONDER_INLINE F16 Sqrt(F16 a) {
  PONDER_EACH a.part[i] = hn::Sqrt(a.part[i]);
  return a;
}
PONDER_INLINE F16 Neg(F16 a) {
  PONDER_EACH a.part[i] = hn::Neg(a.part[i]);
  return a;
}
// b > a ? b : a. Its operands are swapped because x86 takes the second where one is a NaN.
PONDER_INLINE F16 Max(F16 a, F16 b) {
  PONDER_EACH a.part[i] = hn::Max(b.part[i], a.part[i]);
  return a;
}
// The first n lanes (none for n <= 0, all for n >= 16); the others are `fill`.
PONDER_INLINE F16 KeepFirst(F16 a, int64_t n, F16 fill) {
  PONDER_EACH {
    const int64_t here = n - i * kLanes;
    const auto keep = hn::FirstN(D16(), static_cast<size_t>(here > 0 ? here : 0));
    a.part[i] = hn::IfThenElse(keep, a.part[i], fill.part[i]);
  }
  return a;
}

// Folds one register.
template <class D, class X, class Op>
HWY_INLINE float FoldLanes(D d, X x, const Op& op) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    return FoldLanes(half, op(hn::LowerHalf(half, x), hn::UpperHalf(half, x)), op);
  } else {
    x = op(x, hn::Shuffle1032(x));
    x = op(x, hn::Shuffle2301(x));
  }
#endif
  (void)d, (void)op;
  return hn::GetLane(x);
}
// The folding tree: lane i with lane i + half, for half = 8, 4, 2, 1.
template <class Op>
HWY_INLINE float Fold16(F16 a, const Op& op) {
  for (int half = kParts / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) a.part[i] = op(a.part[i], a.part[i + half]);
  }
  return FoldLanes(D16(), a.part[0], op);
}
HWY_INLINE float Sum16(F16 a) {
  return Fold16(a, [](auto x, auto y) HWY_ATTR { return hn::Add(x, y); });
}
HWY_INLINE float Max16(F16 a) {
  return Fold16(a, [](auto x, auto y) HWY_ATTR { return hn::Max(x, y); });
}

// N registers in step, since one exp alone is a long chain; kBounded: no x is above 0.
template <bool kBounded, int N>
PONDER_INLINE void ExpInStep(V (&x)[N]) {
  const D16 d;
  const hn::RebindToSigned<D16> di;
  const V low = hn::Set(d, -87.3f), high = hn::Set(d, 88.3f);
  // 1.5 * 2^23: adding it rounds to the nearest integer, ties to even, and leaves that integer in
  // the low bits.
  const V magic = hn::Set(d, 12582912.0f);
#define PONDER_ALL _Pragma("GCC unroll 16") for (int i = 0; i < N; ++i)
  V shifted[N], n[N], p[N];
  decltype(hn::Lt(low, low)) tiny[N];
  PONDER_ALL tiny[i] = hn::Lt(x[i], low);
  // In this order of operands a NaN stays one.
  if (!kBounded) PONDER_ALL x[i] = hn::Min(high, x[i]);
  PONDER_ALL x[i] = hn::Max(low, x[i]);
  PONDER_ALL shifted[i] = FmaV(x[i], hn::Set(d, 1.44269504f), magic);
  PONDER_ALL n[i] = hn::Sub(shifted[i], magic);
  PONDER_ALL x[i] = FmaV(n[i], hn::Set(d, -0.693359375f), x[i]);
  PONDER_ALL x[i] = FmaV(n[i], hn::Set(d, 2.12194440e-4f), x[i]);
  // 1 + r + r^2 q(r), q of least relative error (4e-9) on |r| <= ln(2) / 2; Taylor's is off
  // by 1.6e-7 there.
  PONDER_ALL p[i] = FmaV(hn::Set(d, 0x1.6a23dp-10f), x[i], hn::Set(d, 0x1.123a2p-7f));
  PONDER_ALL p[i] = FmaV(p[i], x[i], hn::Set(d, 0x1.5558f2p-5f));
  PONDER_ALL p[i] = FmaV(p[i], x[i], hn::Set(d, 0x1.555492p-3f));
  PONDER_ALL p[i] = FmaV(p[i], x[i], hn::Set(d, 0x1.fffffcp-2f));
  PONDER_ALL p[i] = FmaV(p[i], x[i], hn::Set(d, 1.0f));
  PONDER_ALL p[i] = FmaV(p[i], x[i], hn::Set(d, 1.0f));
  PONDER_ALL {
    const auto exponent =
        hn::Add(hn::ShiftLeft<23>(hn::BitCast(di, shifted[i])), hn::Set(di, int32_t{127} << 23));
    x[i] = hn::IfThenZeroElse(tiny[i], hn::Mul(p[i], hn::BitCast(d, exponent)));
  }
#undef PONDER_ALL
}
PONDER_INLINE F16 Exp(F16 a) {
  ExpInStep<false>(a.part);
  return a;
}
// Of `kCount` vectors from x[0] on, none of them above 0.
template <int kCount>
PONDER_INLINE void ExpBounded(F16* x) {
  V parts[kCount * kParts];
  _Pragma("GCC unroll 16") for (int i = 0; i < kCount; ++i) {
    _Pragma("GCC unroll 4") for (int j = 0; j < kParts; ++j) parts[i * kParts + j] = x[i].part[j];
  }
  ExpInStep<true>(parts);
  _Pragma("GCC unroll 16") for (int i = 0; i < kCount; ++i) {
    _Pragma("GCC unroll 4") for (int j = 0; j < kParts; ++j) x[i].part[j] = parts[i * kParts + j];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#endif
