#include <cstdint>
#include <limits>

#include "ops/softmax_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/softmax_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

constexpr float kMinusInfinity = -__builtin_inff();

float MaxValue(const float* x, int64_t size) {
  F16 best = Set(kMinusInfinity);
  int64_t i = 0;
  for (; i + 16 <= size; i += 16) best = Max(best, Load(x + i));
  if (i < size) best = Max(best, LoadPart(x + i, size - i, kMinusInfinity));
  return Max16(best);
}

// NaN and +infinity, which a maximum and Exp pass over.
int64_t NumBroken(const float* x, int64_t size) {
  int64_t broken = 0;
  for (int64_t i = 0; i < size; ++i) broken += !(x[i] <= std::numeric_limits<float>::max());
  return broken;
}

float SumExp(const float* x, int64_t size, float max) {
  const F16 shift = Set(max);
  F16 sum = Set(0.0f);
  int64_t i = 0;
  for (; i + 16 <= size; i += 16) sum = Add(sum, Exp(Sub(Load(x + i), shift)));
  if (i < size) sum = Add(sum, Exp(Sub(LoadPart(x + i, size - i, kMinusInfinity), shift)));
  return Sum16(sum);
}

void ExpShifted(float* out, const float* x, int64_t size, float shift, float scale) {
  const F16 s = Set(shift), m = Set(scale);
  int64_t i = 0;
  for (; i + 16 <= size; i += 16) Store(Exp(Mul(Sub(Load(x + i), s), m)), out + i);
  if (i < size) StorePart(Exp(Mul(Sub(LoadPart(x + i, size - i), s), m)), out + i, size - i);
}

void LogSoftmaxBackward(float* x, int64_t size, int64_t target, float lse, float weight) {
  const F16 s = Set(lse), w = Set(-weight);
  int64_t i = 0;
  for (; i + 16 <= size; i += 16) Store(Mul(w, Exp(Sub(Load(x + i), s))), x + i);
  if (i < size) StorePart(Mul(w, Exp(Sub(LoadPart(x + i, size - i), s))), x + i, size - i);
  x[target] += weight;
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(MaxValue);
HWY_EXPORT(NumBroken);
HWY_EXPORT(SumExp);
HWY_EXPORT(ExpShifted);
HWY_EXPORT(LogSoftmaxBackward);

float max_of_row(const float* logits, int64_t size) {
  return HWY_DYNAMIC_DISPATCH(MaxValue)(logits, size);
}

int64_t num_broken_of_row(const float* logits, int64_t size) {
  return HWY_DYNAMIC_DISPATCH(NumBroken)(logits, size);
}

float sum_exp_of_row(const float* logits, int64_t size, float max) {
  return HWY_DYNAMIC_DISPATCH(SumExp)(logits, size, max);
}

void exp_shifted_row(float* out, const float* logits, int64_t size, float shift, float scale) {
  HWY_DYNAMIC_DISPATCH(ExpShifted)(out, logits, size, shift, scale);
}

void log_softmax_backward_row(float* logits, int64_t size, int64_t target, float lse,
                              float weight) {
  HWY_DYNAMIC_DISPATCH(LogSoftmaxBackward)(logits, size, target, lse, weight);
}

}  // namespace ponder::ops
#endif
