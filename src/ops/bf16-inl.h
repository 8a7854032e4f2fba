// F16 (simd-inl.h) from bf16 in memory and back. Included once per target by foreach_target.
#if defined(PONDER_OPS_BF16_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PONDER_OPS_BF16_INL_H_
#undef PONDER_OPS_BF16_INL_H_
#else
#define PONDER_OPS_BF16_INL_H_
#endif

#include "ops/simd-inl.h"
#include "tensor/bf16.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

using tensor::Bf16;

// Widened, which is exact.
PONDER_INLINE F16 Load(const Bf16* p) {
  const hn::RebindToUnsigned<D16> du;
  const hn::Rebind<uint16_t, D16> dn;
  const auto* bits = reinterpret_cast<const uint16_t*>(p);
  F16 r;
  PONDER_EACH {
    const auto wide = hn::PromoteTo(du, hn::LoadU(dn, bits + i * kLanes));
    r.part[i] = hn::BitCast(D16(), hn::ShiftLeft<16>(wide));
  }
  return r;
}

// Rounded to bf16: to nearest, ties to even, in the upper half; what is below it is no part of the
// result. A NaN stays one: its upper half may not become that of an infinity, or carry into the
// sign.
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D16>> RoundedBits(V x) {
  const hn::RebindToUnsigned<D16> du;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  const auto up = hn::Add(hn::Add(bits, hn::Set(du, 0x7FFFu)), odd);
  const auto quiet = hn::Or(bits, hn::Set(du, 0x00400000u));
  return hn::IfThenElse(hn::RebindMask(du, hn::Eq(x, x)), up, quiet);
}
PONDER_INLINE F16 Rounded(F16 a) {
  const hn::RebindToUnsigned<D16> du;
  PONDER_EACH a.part[i] =
      hn::BitCast(D16(), hn::And(RoundedBits(a.part[i]), hn::Set(du, 0xFFFF0000u)));
  return a;
}
PONDER_INLINE void Store(F16 a, Bf16* p) {
  const hn::RebindToSigned<D16> di;
  const hn::Rebind<uint16_t, D16> dn;
  auto* bits = reinterpret_cast<uint16_t*>(p);
  PONDER_EACH {
    const auto high = hn::BitCast(di, hn::ShiftRight<16>(RoundedBits(a.part[i])));
    hn::StoreU(hn::DemoteTo(dn, high), dn, bits + i * kLanes);
  }
}
// The first n elements, and what is not there zero.
PONDER_INLINE F16 LoadPart(const Bf16* p, int64_t n) {
  Bf16 lane[16] = {};
  for (int i = 0; i < n; ++i) lane[i] = p[i];
  return Load(lane);
}
PONDER_INLINE void StorePart(F16 a, Bf16* p, int64_t n) {
  Bf16 lane[16];
  Store(a, lane);
  for (int i = 0; i < n; ++i) p[i] = lane[i];
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#endif
