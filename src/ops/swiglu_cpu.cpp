#include <cstdint>

#include "ops/swiglu_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/swiglu_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/bf16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

HWY_INLINE F16 Act(F16 gate, F16 up) {
  const F16 denominator = Add(Set(1.0f), Exp(Neg(gate)));
  return Mul(Div(gate, denominator), up);
}

HWY_INLINE void ActBackward(F16 gate, F16 up, F16 d, F16& dgate, F16& dup, F16& act) {
  const F16 one = Set(1.0f);
  const F16 denominator = Add(one, Exp(Neg(gate)));
  act = Mul(Div(gate, denominator), up);
  const F16 sigmoid = Div(one, denominator);
  const F16 silu = Mul(gate, sigmoid);
  dup = Mul(d, silu);
  // silu' = s + g s (1 - s)
  dgate = Mul(Mul(d, up), Fma(silu, Sub(one, sigmoid), sigmoid));
}

void SwigluRows(float* act, const float* gate_up, int64_t F, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    const float *gate = gate_up + t * 2 * F, *up = gate + F;
    float* out = act + t * F;
    int64_t f = 0;
    for (; f + 16 <= F; f += 16) Store(Act(Load(gate + f), Load(up + f)), out + f);
    if (f < F) StorePart(Act(LoadPart(gate + f, F - f), LoadPart(up + f, F - f)), out + f, F - f);
  }
}

void Bf16SwigluRows(float* act, Bf16* rounded, const float* gate_up, int64_t F, int64_t begin,
                    int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    const float *gate = gate_up + t * 2 * F, *up = gate + F;
    Bf16* kept = rounded ? rounded + t * 2 * F : nullptr;
    float* out = act + t * F;
    int64_t f = 0;
    for (; f + 16 <= F; f += 16) {
      const F16 g = Rounded(Load(gate + f)), u = Rounded(Load(up + f));
      Store(Act(g, u), out + f);
      if (!kept) continue;
      Store(g, kept + f);
      Store(u, kept + F + f);
    }
    if (f == F) continue;
    const int64_t n = F - f;
    const F16 g = Rounded(LoadPart(gate + f, n)), u = Rounded(LoadPart(up + f, n));
    StorePart(Act(g, u), out + f, n);
    if (!kept) continue;
    StorePart(g, kept + f, n);
    StorePart(u, kept + F + f, n);
  }
}

void Bf16SwigluOfTile(const Bf16SwigluTile& t) {
  constexpr int64_t kWidth = 32;
  auto* act = reinterpret_cast<Bf16*>(t.act);
  for (int64_t i = 0; i < t.rows * kWidth; i += 16) {
    const F16 gate = Rounded(Load(t.gate + i)), up = Rounded(Load(t.up + i));
    Store(Act(gate, up), act + i);
    if (!t.kept) continue;
    Bf16* kept = t.kept + i / kWidth * 2 * t.F + i % kWidth;
    Store(gate, kept);
    Store(up, kept + t.F);
  }
}

template <class Kept>
void BackwardRow(float* dgate, float* act, const float* d, const Kept* gate, int64_t F) {
  const Kept* up = gate + F;
  float* dup = dgate + F;
  F16 a, b, c;
  int64_t f = 0;
  for (; f + 16 <= F; f += 16) {
    ActBackward(Load(gate + f), Load(up + f), Load(d + f), a, b, c);
    Store(a, dgate + f);
    Store(b, dup + f);
    Store(c, act + f);
  }
  if (f < F) {
    const int64_t n = F - f;
    ActBackward(LoadPart(gate + f, n), LoadPart(up + f, n), LoadPart(d + f, n), a, b, c);
    StorePart(a, dgate + f, n);
    StorePart(b, dup + f, n);
    StorePart(c, act + f, n);
  }
}

void SwigluBackwardRows(float* dgate_up, float* act, const float* dact, StoredRows gate_up,
                        int64_t F, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    gate_up.at(t, 0, [&](const auto* gate) HWY_ATTR {
      BackwardRow(dgate_up + t * 2 * F, act + t * F, dact + t * F, gate, F);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(SwigluRows);
HWY_EXPORT(Bf16SwigluRows);
HWY_EXPORT(Bf16SwigluOfTile);
HWY_EXPORT(SwigluBackwardRows);

void swiglu_rows(float* act, const float* gate_up, int64_t F, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(SwigluRows)(act, gate_up, F, begin, end);
}

void bf16_swiglu_rows(float* act, Bf16* rounded, const float* gate_up, int64_t F, int64_t begin,
                      int64_t end) {
  HWY_DYNAMIC_DISPATCH(Bf16SwigluRows)(act, rounded, gate_up, F, begin, end);
}

void bf16_swiglu_tile(const Bf16SwigluTile& tile) { HWY_DYNAMIC_DISPATCH(Bf16SwigluOfTile)(tile); }

void swiglu_backward_rows(float* dgate_up, float* act, const float* dact, StoredRows gate_up,
                          int64_t F, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(SwigluBackwardRows)(dgate_up, act, dact, gate_up, F, begin, end);
}

}  // namespace ponder::ops
#endif
