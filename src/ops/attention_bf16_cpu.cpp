#include <algorithm>
#include <cstdint>

#include "ops/attention_bf16_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention_bf16_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

constexpr int64_t kRowElements = Bf16Matrix::kBlock;       // of a block
constexpr int64_t kBlockElements = kGroup * kRowElements;  // of a group
// Rows whose exponentials are computed in step.
constexpr int kRowsInStep = kLanes == 16 ? 4 : 1;

void GroupRows(const Bf16GroupRows& from, uint32_t* to) {
  auto* elements = reinterpret_cast<Bf16*>(to);
  const int64_t filled = (from.D + kRowElements - 1) / kRowElements * kRowElements;
  for (int64_t r = 0; r < kGroup; ++r) {
    for (int64_t d = 0; d < filled; d += 16) {
      const bool here = r < from.rows && d < from.D;
      Store(here ? Load(from.row[r] + d) : Set(0.0f),
            elements + d / kRowElements * kBlockElements + r * kRowElements + d % kRowElements);
    }
  }
}

// R rows from `row` on of 16 H keys.
template <int R, int H>
HWY_INLINE void SoftmaxRows(const Bf16Softmax& t, const Softmax& softmax, int row) {
  F16 s[R][H];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) s[r][h] = Load(t.s + (row + r) * kKeyBlock + h * 16);
  }
  Weights(s, softmax, row);
  auto* p = reinterpret_cast<Bf16*>(t.p);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h)
      Store(s[r][h], p + h / 2 * kBlockElements + (row + r) * kRowElements + h % 2 * 16);
  }
}

template <int H>
void SoftmaxBlock(const Bf16Softmax& t, const Softmax& softmax) {
  int row = 0;
  for (; row + kRowsInStep <= t.rows; row += kRowsInStep)
    SoftmaxRows<kRowsInStep, H>(t, softmax, row);
  if constexpr (kRowsInStep > 1) {
    for (; row < t.rows; ++row) SoftmaxRows<1, H>(t, softmax, row);
  }
}

void SoftmaxOfBlock(const Bf16Softmax& t) {
  HWY_ALIGN float top[kGroup], sum[kGroup], factors[kGroup];
  for (int64_t r = t.rows; r < (t.rows + 15) / 16 * 16; ++r) top[r] = sum[r] = 0.0f;
  const Softmax softmax{t.m, top, sum, t.visible, t.hidden, t.scale};
  t.keys > Bf16Matrix::kBlock ? SoftmaxBlock<4>(t, softmax) : SoftmaxBlock<2>(t, softmax);
  for (int64_t r = 0; r < t.rows; r += 16) {
    const F16 factor = Exp(Sub(Load(t.m + r), Load(top + r)));
    Store(factor, factors + r);
    Store(Fma(Load(t.l + r), factor, Load(sum + r)), t.l + r);
    Store(Load(top + r), t.m + r);
  }
  for (int64_t r = 0; r < t.rows; ++r) {
    if (factors[r] == 1.0f) continue;
    const F16 factor = Set(factors[r]);
    float* out = t.out + r * t.out_stride;
    for (int64_t d = 0; d < t.out_stride; d += 16) Store(Mul(Load(out + d), factor), out + d);
  }
}

template <int R>
HWY_INLINE void GradientRows(const Bf16WeightGradients& t, int64_t row, bool masked) {
  const F16 scale = Set(t.scale), zero = Set(0.0f);
  auto* words = reinterpret_cast<Bf16*>(t.ds);
#pragma GCC unroll 4
  for (int h = 0; h < kKeyBlock / 16; ++h) {
    F16 p[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      p[r] = Sub(Mul(Load(t.s + (row + r) * kKeyBlock + h * 16), scale), Set(t.lse[row + r]));
    }
    ExpBounded<R>(p);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const int64_t i = row + r;
      float *s = t.s + i * kKeyBlock + h * 16, *dp = t.dp + i * kKeyBlock + h * 16;
      F16 ds = Mul(Mul(p[r], Sub(Load(dp), Set(t.delta[i]))), scale);
      if (masked) {
        const int64_t visible = t.visible + i - h * 16, hidden = t.hidden + i - h * 16;
        p[r] = KeepFirst(zero, hidden, KeepFirst(p[r], visible, zero));
        ds = KeepFirst(zero, hidden, KeepFirst(ds, visible, zero));
      }
      Store(p[r], s);
      Store(ds, dp);
      Store(ds, words + h / 2 * kBlockElements + i * kRowElements + h % 2 * 16);
    }
  }
}

void WeightGradients(const Bf16WeightGradients& t) {
  const bool masked = t.visible < kKeyBlock || t.hidden + t.rows - 1 > 0;
  int64_t row = 0;
  for (; row + kRowsInStep <= t.rows; row += kRowsInStep) GradientRows<kRowsInStep>(t, row, masked);
  if constexpr (kRowsInStep > 1) {
    for (; row < t.rows; ++row) GradientRows<1>(t, row, masked);
  }
}

void WidenRows(float* to, const StoredRows& rows, int64_t first, RowShape shape) {
  rows.at(0, first, [&](const auto* from) HWY_ATTR {
    CopyRows(to, shape.C, from, rows.stride, shape.T, shape.C);
  });
}

void OutputGradients(float* to, float* delta, ConstRows out, ConstRows dout, RowShape shape) {
  for (int64_t t = 0; t < shape.T; ++t) {
    F16 sum = Set(0.0f);
    for (int64_t d = 0; d < shape.C; d += 16) {
      const F16 x = Load(dout.data + t * dout.stride + d);
      sum = Fma(x, Load(out.data + t * out.stride + d), sum);
      Store(x, to + t * shape.C + d);
    }
    delta[t] = Sum16(sum);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(GroupRows);
HWY_EXPORT(SoftmaxOfBlock);
HWY_EXPORT(WeightGradients);
HWY_EXPORT(WidenRows);
HWY_EXPORT(OutputGradients);

void bf16_group_rows(const Bf16GroupRows& from, uint32_t* to) {
  HWY_DYNAMIC_DISPATCH(GroupRows)(from, to);
}
void bf16_softmax(const Bf16Softmax& task) { HWY_DYNAMIC_DISPATCH(SoftmaxOfBlock)(task); }
void bf16_weight_gradients(const Bf16WeightGradients& task) {
  HWY_DYNAMIC_DISPATCH(WeightGradients)(task);
}
void bf16_widen_rows(float* to, const StoredRows& rows, int64_t first, RowShape shape) {
  HWY_DYNAMIC_DISPATCH(WidenRows)(to, rows, first, shape);
}
void bf16_output_gradients(float* to, float* delta, ConstRows out, ConstRows dout, RowShape shape) {
  HWY_DYNAMIC_DISPATCH(OutputGradients)(to, delta, out, dout, shape);
}

}  // namespace ponder::ops
#endif
