#include <cmath>
#include <cstdint>
#include <cstring>

#include "ops/rms_norm_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rms_norm_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

void ApplyRow(float* y, const float* x, float inv_rms, const float* w, int64_t C) {
  const F16 inv = Set(inv_rms);
  int64_t c = 0;
  for (; c + 16 <= C; c += 16) Store(Mul(Mul(Load(x + c), inv), Load(w + c)), y + c);
  if (c < C) StorePart(Mul(Mul(LoadPart(x + c, C - c), inv), LoadPart(w + c, C - c)), y + c, C - c);
}

// 1 / rms of the row x + delta, which goes to sum (may be x); delta may be null.
float InverseRms(float* sum, const float* x, const float* delta, int64_t C, float eps) {
  F16 squares = Set(0.0f);
  int64_t c = 0;
  for (; c + 16 <= C; c += 16) {
    F16 v = Load(x + c);
    if (delta) v = Add(v, Load(delta + c));
    if (sum != x || delta) Store(v, sum + c);
    squares = Fma(v, v, squares);
  }
  if (c < C) {
    F16 v = LoadPart(x + c, C - c);
    if (delta) v = Add(v, LoadPart(delta + c, C - c));
    if (sum != x || delta) StorePart(v, sum + c, C - c);
    squares = Fma(v, v, squares);
  }
  return 1.0f / std::sqrt(Sum16(squares) / static_cast<float>(C) + eps);
}

void NormRows(const NormTask& task, int64_t begin, int64_t end) {
  const auto [sum, x, delta] = task.residual;
  const int64_t C = task.C;
  for (int64_t t = begin; t < end; ++t) {
    float* row = sum + t * C;
    const float inv = InverseRms(row, x + t * C, delta ? delta + t * C : nullptr, C, task.eps);
    task.inv_rms[t] = inv;
    ApplyRow(task.y + t * C, row, inv, task.weight, C);
  }
}

void NormHeads(const HeadNormTask& task, int64_t begin, int64_t end) {
  const int64_t heads = task.shape.heads, D = task.shape.D;
  for (int64_t t = begin; t < end; ++t) {
    float* row = task.x.data + t * task.x.stride;
    if (task.kept.data) {
      std::memcpy(task.kept.data + t * task.kept.stride, row,
                  static_cast<size_t>(heads * D) * sizeof(float));
    }
    for (int64_t h = 0; h < heads; ++h) {
      const float inv = InverseRms(row + h * D, row + h * D, nullptr, D, task.eps);
      task.inv_rms[t * heads + h] = inv;
      ApplyRow(row + h * D, row + h * D, inv, task.weight, D);
    }
  }
}

void ApplyRows(float* y, const Normed& normed, int64_t C, int64_t begin, int64_t end) {
  const auto [x, inv_rms, weight] = normed;
  for (int64_t t = begin; t < end; ++t) ApplyRow(y + t * C, x + t * C, inv_rms[t], weight, C);
}

// inv * (w_c dy_c - x_c * inv^2 * mean(w dy x)), added to dx_c or in its place; then dx may be dy.
template <bool kAdd>
void BackwardRow(float* dx, const float* dy, const float* x, float inv, const float* w, int64_t C) {
  F16 sum = Set(0.0f);
  int64_t c = 0;
  for (; c + 16 <= C; c += 16) sum = Fma(Mul(Load(w + c), Load(dy + c)), Load(x + c), sum);
  if (c < C) {
    sum = Fma(Mul(LoadPart(w + c, C - c), LoadPart(dy + c, C - c)), LoadPart(x + c, C - c), sum);
  }
  const F16 scale = Set(inv);
  const F16 pull = Set(-(inv * inv) * (Sum16(sum) / static_cast<float>(C)));
  for (c = 0; c + 16 <= C; c += 16) {
    const F16 d = Fma(Load(x + c), pull, Mul(Load(w + c), Load(dy + c)));
    Store(kAdd ? Fma(d, scale, Load(dx + c)) : Mul(d, scale), dx + c);
  }
  if (c < C) {
    const int64_t n = C - c;
    const F16 d = Fma(LoadPart(x + c, n), pull, Mul(LoadPart(w + c, n), LoadPart(dy + c, n)));
    StorePart(kAdd ? Fma(d, scale, LoadPart(dx + c, n)) : Mul(d, scale), dx + c, n);
  }
}

void BackwardRows(const NormBackwardTask& task, int64_t begin, int64_t end) {
  const auto [x, inv_rms, weight] = task.normed;
  const int64_t C = task.C;
  for (int64_t t = begin; t < end; ++t) {
    BackwardRow<true>(task.dx + t * C, task.dy + t * C, x + t * C, inv_rms[t], weight, C);
  }
}

void BackwardHeads(const HeadNormBackwardTask& task, int64_t begin, int64_t end) {
  const int64_t heads = task.shape.heads, D = task.shape.D;
  for (int64_t t = begin; t < end; ++t) {
    const float* kept = task.kept.data + t * task.kept.stride;
    for (int64_t h = 0; h < heads; ++h) {
      float* head = task.dx.data + t * task.dx.stride + h * D;
      BackwardRow<false>(head, head, kept + h * D, task.inv_rms[t * heads + h], task.weight, D);
    }
  }
}

void WeightGradient(const NormWeightTask& task, int64_t begin, int64_t end) {
  const auto [dy, ld_dy] = task.dy;
  const auto [x, ld_x] = task.x;
  const auto [T, heads, C] = task.shape;
  const float* inv_rms = task.inv_rms;
  for (int64_t c = begin; c < end; c += 16) {
    const int64_t n = end - c < 16 ? end - c : 16;
    F16 acc = LoadPart(task.dweight + c, n);
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        const float *g = dy + t * ld_dy + h * C + c, *v = x + t * ld_x + h * C + c;
        const F16 gv = n == 16 ? Load(g) : LoadPart(g, n), xv = n == 16 ? Load(v) : LoadPart(v, n);
        acc = Fma(gv, Mul(xv, Set(inv_rms[t * heads + h])), acc);
      }
    }
    StorePart(acc, task.dweight + c, n);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(NormRows);
HWY_EXPORT(NormHeads);
HWY_EXPORT(ApplyRows);
HWY_EXPORT(BackwardRows);
HWY_EXPORT(BackwardHeads);
HWY_EXPORT(WeightGradient);

void norm_rows(const NormTask& task, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(NormRows)(task, begin, end);
}
void norm_heads(const HeadNormTask& task, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(NormHeads)(task, begin, end);
}
void apply_norm(float* y, const Normed& normed, int64_t C, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(ApplyRows)(y, normed, C, begin, end);
}
void norm_backward_rows(const NormBackwardTask& task, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(BackwardRows)(task, begin, end);
}
void norm_backward_heads(const HeadNormBackwardTask& task, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(BackwardHeads)(task, begin, end);
}
void norm_weight_gradient(const NormWeightTask& task, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(WeightGradient)(task, begin, end);
}

}  // namespace ponder::ops
#endif
