#include <cstdint>

#include "ops/bf16_rounding_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/bf16_rounding_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/bf16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

void RoundElements(float* x, Bf16* kept, int64_t count) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const F16 rounded = Rounded(Load(x + i));
    Store(rounded, x + i);
    if (kept) Store(rounded, kept + i);
  }
  if (i == count) return;
  const F16 rounded = Rounded(LoadPart(x + i, count - i));
  StorePart(rounded, x + i, count - i);
  if (kept) StorePart(rounded, kept + i, count - i);
}

void WidenElements(float* x, const Bf16* kept, int64_t count) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) Store(Load(kept + i), x + i);
  if (i < count) StorePart(LoadPart(kept + i, count - i), x + i, count - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(RoundElements);
HWY_EXPORT(WidenElements);

void round_elements(float* x, tensor::Bf16* kept, int64_t count) {
  HWY_DYNAMIC_DISPATCH(RoundElements)(x, kept, count);
}

void widen_elements(float* x, const tensor::Bf16* kept, int64_t count) {
  HWY_DYNAMIC_DISPATCH(WidenElements)(x, kept, count);
}

}  // namespace ponder::ops
#endif
