#include <cmath>
#include <cstdint>
#include <cstring>

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

// delta may be null, sum may be x.
void NormRows(float* y, float* inv_rms, float* sum, const float* x, const float* delta,
              const float* w, int64_t begin, int64_t end, int64_t C, float eps) {
  for (int64_t t = begin; t < end; ++t) {
    float* row = sum + t * C;
    inv_rms[t] = InverseRms(row, x + t * C, delta ? delta + t * C : nullptr, C, eps);
    ApplyRow(y + t * C, row, inv_rms[t], w, C);
  }
}

// kept may be null.
void NormHeads(float* x, int64_t ld, float* kept, int64_t ld_kept, float* inv_rms, const float* w,
               int64_t begin, int64_t end, int64_t heads, int64_t D, float eps) {
  for (int64_t t = begin; t < end; ++t) {
    float* row = x + t * ld;
    if (kept) {
      std::memcpy(kept + t * ld_kept, row, static_cast<size_t>(heads * D) * sizeof(float));
    }
    for (int64_t h = 0; h < heads; ++h) {
      float& inv = inv_rms[t * heads + h];
      inv = InverseRms(row + h * D, row + h * D, nullptr, D, eps);
      ApplyRow(row + h * D, row + h * D, inv, w, D);
    }
  }
}

void ApplyRows(float* y, const float* x, const float* inv_rms, const float* w, int64_t begin,
               int64_t end, int64_t C) {
  for (int64_t t = begin; t < end; ++t) ApplyRow(y + t * C, x + t * C, inv_rms[t], w, C);
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

void BackwardRows(float* dx, const float* dy, const float* x, const float* inv_rms, const float* w,
                  int64_t begin, int64_t end, int64_t C) {
  for (int64_t t = begin; t < end; ++t) {
    BackwardRow<true>(dx + t * C, dy + t * C, x + t * C, inv_rms[t], w, C);
  }
}

void BackwardHeads(float* dx, int64_t ld, const float* kept, int64_t ld_kept, const float* inv_rms,
                   const float* w, int64_t begin, int64_t end, int64_t heads, int64_t D) {
  for (int64_t t = begin; t < end; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      float* head = dx + t * ld + h * D;
      BackwardRow<false>(head, head, kept + t * ld_kept + h * D, inv_rms[t * heads + h], w, D);
    }
  }
}

// Columns [begin, end), begin a multiple of 16, over all heads of C elements of all rows.
void WeightGradient(float* dw, const float* dy, int64_t ld_dy, const float* x, int64_t ld_x,
                    const float* inv_rms, int64_t begin, int64_t end, int64_t T, int64_t heads,
                    int64_t C) {
  for (int64_t c = begin; c < end; c += 16) {
    const int64_t n = end - c < 16 ? end - c : 16;
    F16 acc = LoadPart(dw + c, n);
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        const float *g = dy + t * ld_dy + h * C + c, *v = x + t * ld_x + h * C + c;
        const F16 gv = n == 16 ? Load(g) : LoadPart(g, n), xv = n == 16 ? Load(v) : LoadPart(v, n);
        acc = Fma(gv, Mul(xv, Set(inv_rms[t * heads + h])), acc);
      }
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
HWY_EXPORT(NormHeads);
HWY_EXPORT(ApplyRows);
HWY_EXPORT(BackwardRows);
HWY_EXPORT(BackwardHeads);
HWY_EXPORT(WeightGradient);

void rms_norm(float* y, float* inv_rms, const float* x, const float* weight, int64_t T, int64_t C,
              float eps, ThreadPool& pool) {
  // Without a delta the rows of x are only read.
  add_rms_norm(y, inv_rms, const_cast<float*>(x), x, nullptr, weight, T, C, eps, pool);
}

void add_rms_norm(float* y, float* inv_rms, float* sum, const float* x, const float* delta,
                  const float* weight, int64_t T, int64_t C, float eps, ThreadPool& pool) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(NormRows);
  pool.parallel_for(T, 4, [&](int64_t begin, int64_t end) {
    kernel(y, inv_rms, sum, x, delta, weight, begin, end, C, eps);
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
    columns(dweight, dy, C, x, C, inv_rms, begin, end, T, 1, C);
  });
}

void head_norm(float* x, int64_t ld, float* kept, int64_t ld_kept, float* inv_rms,
               const float* weight, int64_t T, int64_t heads, int64_t D, float eps,
               ThreadPool& pool) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(NormHeads);
  pool.parallel_for(T, 4, [&](int64_t begin, int64_t end) {
    kernel(x, ld, kept, ld_kept, inv_rms, weight, begin, end, heads, D, eps);
  });
}

void head_norm_backward(float* dx, int64_t ld, float* dweight, const float* kept, int64_t ld_kept,
                        const float* inv_rms, const float* weight, int64_t T, int64_t heads,
                        int64_t D, ThreadPool& pool) {
  const auto columns = HWY_DYNAMIC_DISPATCH(WeightGradient);
  const auto rows = HWY_DYNAMIC_DISPATCH(BackwardHeads);
  // The weight's gradient first: the rows then write over what it reads.
  pool.parallel_for(D, 16, [&](int64_t begin, int64_t end) {
    columns(dweight, dx, ld, kept, ld_kept, inv_rms, begin, end, T, heads, D);
  });
  pool.parallel_for(T, 4, [&](int64_t begin, int64_t end) {
    rows(dx, ld, kept, ld_kept, inv_rms, weight, begin, end, heads, D);
  });
}

}  // namespace ponder
#endif
