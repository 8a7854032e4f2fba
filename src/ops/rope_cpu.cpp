#include <cmath>
#include <cstdint>

#include "ops/rope.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rope_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder {
namespace HWY_NAMESPACE {

void RopeRows(float* x, int64_t ld, const int32_t* positions, const RopeTable* table, int64_t begin,
              int64_t end, int64_t heads, int64_t D, float sign) {
  const int64_t half = D / 2;
  const F16 sgn = Set(sign);
  for (int64_t t = begin; t < end; ++t) {
    const float *cos = table->cos(positions[t]), *sin = table->sin(positions[t]);
    for (int64_t h = 0; h < heads; ++h) {
      float *a = x + t * ld + h * D, *b = a + half;
      for (int64_t i = 0; i < half; i += 16) {
        const int64_t n = half - i < 16 ? half - i : 16;
        const bool whole = n == 16;
        const F16 av = whole ? Load(a + i) : LoadPart(a + i, n),
                  bv = whole ? Load(b + i) : LoadPart(b + i, n);
        const F16 c = whole ? Load(cos + i) : LoadPart(cos + i, n);
        const F16 s = Mul(sgn, whole ? Load(sin + i) : LoadPart(sin + i, n));
        const F16 ya = Fma(av, c, Neg(Mul(bv, s))), yb = Fma(bv, c, Mul(av, s));
        if (whole) {
          Store(ya, a + i);
          Store(yb, b + i);
        } else {
          StorePart(ya, a + i, n);
          StorePart(yb, b + i, n);
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
HWY_EXPORT(RopeRows);

void rope(float* x, int64_t ld, const int32_t* positions, const RopeTable& table, int64_t T,
          int64_t heads, int64_t D, RopeDirection direction, ThreadPool& pool) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(RopeRows);
  const float sign = direction == RopeDirection::kForward ? 1.0f : -1.0f;
  pool.parallel_for(T, 4, [&](int64_t begin, int64_t end) {
    kernel(x, ld, positions, &table, begin, end, heads, D, sign);
  });
}

}  // namespace ponder
#endif
