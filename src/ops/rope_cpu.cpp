#include <cmath>
#include <cstdint>

#include "ops/rope_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rope_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

void RopeRows(const RopeTask& task, int64_t begin, int64_t end) {
  const auto [x, ld] = task.x;
  const int64_t heads = task.shape.heads, D = task.shape.D, half = D / 2;
  const F16 sgn = Set(task.sign);
  for (int64_t t = begin; t < end; ++t) {
    const float *cos = task.table->cos(task.positions[t]),
                *sin = task.table->sin(task.positions[t]);
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
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(RopeRows);

void rope_rows(const RopeTask& task, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(RopeRows)(task, begin, end);
}

}  // namespace ponder::ops
#endif
