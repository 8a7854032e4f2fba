#include <cmath>
#include <cstdint>

#include "ops/rms_norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rms_norm_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder {
namespace HWY_NAMESPACE {

void ApplyRow(float* y, const float* x, float inv_rms, const float* w, int64_t C) {
  const F16 inv = Set(inv_rms);
  int64_t c = 0;
  for (; c + 16 <= C; c += 16) Store(Mul(Mul(Load(x + c), inv), Load(w + c)), y + c);
  if (c < C) StorePart(Mul(Mul(LoadPart(x + c, C - c), inv), LoadPart(w + c, C - c)), y + c, C - c);
}

// delta may be null.
void NormRows(float* y, float* inv_rms, float* x, const float* delta, const float* w, int64_t begin,
              int64_t end, int64_t C, float eps) {
  for (int64_t t = begin; t < end; ++t) {
    float* row = x + t * C;
    F16 sum = Set(0.0f);
    int64_t c = 0;
    for (; c + 16 <= C; c += 16) {
      F16 v = Load(row + c);
      if (delta) {
        v = Add(v, Load(delta + t * C + c));
        Store(v, row + c);
      }
      sum = Fma(v, v, sum);
    }
    if (c < C) {
      F16 v = LoadPart(row + c, C - c);
      if (delta) {
        v = Add(v, LoadPart(delta + t * C + c, C - c));
        StorePart(v, row + c, C - c);
      }
      sum = Fma(v, v, sum);
    }
    inv_rms[t] = 1.0f / std::sqrt(Sum16(sum) / static_cast<float>(C) + eps);
    ApplyRow(y + t * C, row, inv_rms[t], w, C);
  }
}

void ApplyRows(float* y, const float* x, const float* inv_rms, const float* w, int64_t begin,
               int64_t end, int64_t C) {
  for (int64_t t = begin; t < end; ++t) ApplyRow(y + t * C, x + t * C, inv_rms[t], w, C);
}

// dx_c += inv * (w_c dy_c - x_c * inv^2 * mean(w dy x)).
void BackwardRows(float* dx, const float* dy, const float* x, const float* inv_rms, const float* w,
                  int64_t begin, int64_t end, int64_t C) {
  for (int64_t t = begin; t < end; ++t) {
    const float *g = dy + t * C, *v = x + t * C;
    float* out = dx + t * C;
    F16 sum = Set(0.0f);
    int64_t c = 0;
    for (; c + 16 <= C; c += 16) sum = Fma(Mul(Load(w + c), Load(g + c)), Load(v + c), sum);
    if (c < C) {
      sum = Fma(Mul(LoadPart(w + c, C - c), LoadPart(g + c, C - c)), LoadPart(v + c, C - c), sum);
    }
    const float inv = inv_rms[t];
    const F16 scale = Set(inv);
    const F16 pull = Set(-(inv * inv) * (Sum16(sum) / static_cast<float>(C)));
    for (c = 0; c + 16 <= C; c += 16) {
      const F16 d = Fma(Load(v + c), pull, Mul(Load(w + c), Load(g + c)));
      Store(Fma(d, scale, Load(out + c)), out + c);
    }
    if (c < C) {
      const int64_t n = C - c;
      const F16 d = Fma(LoadPart(v + c, n), pull, Mul(LoadPart(w + c, n), LoadPart(g + c, n)));
      StorePart(Fma(d, scale, LoadPart(out + c, n)), out + c, n);
    }
  }
}

// Columns [begin, end), begin a multiple of 16.
void WeightGradient(float* dw, const float* dy, const float* x, const float* inv_rms, int64_t begin,
                    int64_t end, int64_t T, int64_t C) {
  for (int64_t c = begin; c < end; c += 16) {
    const int64_t n = end - c < 16 ? end - c : 16;
    F16 acc = LoadPart(dw + c, n);
    for (int64_t t = 0; t < T; ++t) {
      const float *g = dy + t * C + c, *v = x + t * C + c;
      const F16 gv = n == 16 ? Load(g) : LoadPart(g, n), xv = n == 16 ? Load(v) : LoadPart(v, n);
      acc = Fma(gv, Mul(xv, Set(inv_rms[t])), acc);
    }
    StorePart(acc, dw + c, n);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder {
HWY_EXPORT(NormRows);
HWY_EXPORT(ApplyRows);
HWY_EXPORT(BackwardRows);
HWY_EXPORT(WeightGradient);

void rms_norm(float* y, float* inv_rms, const float* x, const float* weight, int64_t T, int64_t C,
              float eps, ThreadPool& pool) {
  // Without a delta the rows of x are only read.
  add_rms_norm(y, inv_rms, const_cast<float*>(x), nullptr, weight, T, C, eps, pool);
}

void add_rms_norm(float* y, float* inv_rms, float* x, const float* delta, const float* weight,
                  int64_t T, int64_t C, float eps, ThreadPool& pool) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(NormRows);
  pool.parallel_for(T, 4, [&](int64_t begin, int64_t end) {
    kernel(y, inv_rms, x, delta, weight, begin, end, C, eps);
  });
}

void rms_norm_apply(float* y, const float* x, const float* inv_rms, const float* weight, int64_t T,
                    int64_t C, ThreadPool& pool) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(ApplyRows);
  pool.parallel_for(
      T, 4, [&](int64_t begin, int64_t end) { kernel(y, x, inv_rms, weight, begin, end, C); });
}

void rms_norm_backward(float* dx, float* dweight, const float* dy, const float* x,
                       const float* inv_rms, const float* weight, int64_t T, int64_t C,
                       ThreadPool& pool) {
  const auto rows = HWY_DYNAMIC_DISPATCH(BackwardRows);
  const auto columns = HWY_DYNAMIC_DISPATCH(WeightGradient);
  pool.parallel_for(
      T, 4, [&](int64_t begin, int64_t end) { rows(dx, dy, x, inv_rms, weight, begin, end, C); });
  pool.parallel_for(C, 16, [&](int64_t begin, int64_t end) {
    columns(dweight, dy, x, inv_rms, begin, end, T, C);
  });
}

}  // namespace ponder
#endif
