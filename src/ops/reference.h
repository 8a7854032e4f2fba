// The arithmetic of every op as plain loops in f32: what each kernel, on any machine, must equal
// bit for bit. Test-only. docs/arithmetic.md says the same in words. Shapes and names are those of
// the ops' headers.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/portable_math.h"
#include "ops/attention.h"
#include "ops/rope.h"
#include "ops/softmax.h"
#include "tensor/dtype.h"
#include "tensor/precision.h"

namespace ponder::ops::reference {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

inline float exp(float x) {
  if (x < -87.3f) return 0.0f;
  if (x > 88.3f) x = 88.3f;
  const float magic = 12582912.0f;
  const float n = std::fma(x, 1.44269504f, magic) - magic;
  float r = std::fma(n, -0.693359375f, x);
  r = std::fma(n, 2.12194440e-4f, r);
  float p = 0x1.6a23dp-10f;
  for (const float c :
       {0x1.123a2p-7f, 0x1.5558f2p-5f, 0x1.555492p-3f, 0x1.fffffcp-2f, 1.0f, 1.0f}) {
    p = std::fma(p, r, c);
  }
  return p * std::ldexp(1.0f, static_cast<int>(n));
}

// Sixteen partial results; element i of a row belongs to lane i % 16.
using Lanes = std::array<float, 16>;

inline float fold(Lanes v) {
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) v[i] = v[i] + v[i + half];
  }
  return v[0];
}

// a (n) and b (n) are functions of the index.
template <class A, class B>
float dot(int64_t n, const A& a, const B& b) {
  Lanes lanes{};
  for (int64_t i = 0; i < n; ++i) {
    float& lane = lanes[static_cast<size_t>(i % 16)];
    lane = std::fma(a(i), b(i), lane);
  }
  return fold(lanes);
}

// a(k), b(k); the chain begins from `begin`.
template <class A, class B>
float chain(float begin, int64_t n, const A& a, const B& b) {
  for (int64_t k = 0; k < n; ++k) begin = std::fma(a(k), b(k), begin);
  return begin;
}

// ---- bf16 products

// To nearest, ties to even.
inline float to_bf16(float x) {
  uint16_t bits;
  tensor::from_f32(&bits, {&x, 1}, tensor::DType::kBF16);
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

inline float flushed(float x) { return std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }

// fma of flushed operands, at least one of a and b of bf16's precision; a result that is below the
// least normal number, as rounded to 24 bits without a bound to its exponent, becomes a zero of its
// sign.
inline float flushing_fma(float a, float b, float c) {
  a = flushed(a), b = flushed(b), c = flushed(c);
  const double product = double{a} * b, sum = product + c;  // the product is exact
  const float rounded = std::fma(a, b, c);
  if (std::abs(rounded) > 0x1p-126f || !std::isfinite(rounded)) return rounded;
  // sum + lost is exact.
  const double part = sum - product, lost = (product - (sum - part)) + (c - part);
  constexpr double kLeast = 0x1p-126 - 0x1p-151;
  const double over = (std::abs(sum) - kLeast) + std::copysign(1.0, sum) * lost;
  return over < 0 ? std::copysign(0.0f, static_cast<float>(sum)) : rounded;
}
inline float flushing_add(float a, float b) { return flushing_fma(a, 1.0f, b); }

// a(k), b(k) are rounded to bf16; in blocks of 32, the last filled up with zeros.
template <class A, class B>
float bf16_chain(float begin, int64_t n, const A& a, const B& b) {
  for (int64_t k0 = 0; k0 < n; k0 += 32) {
    float sum[2] = {};  // of even and of odd elements
    for (int64_t k = k0; k < k0 + 32; ++k) {
      float& s = sum[k % 2];
      s = k < n ? flushing_fma(to_bf16(a(k)), to_bf16(b(k)), s) : flushing_fma(0.0f, 0.0f, s);
    }
    begin = flushing_add(begin, flushing_add(sum[0], sum[1]));
  }
  return begin;
}

// An element of a product in either arithmetic.
template <class A, class B>
float product(tensor::Precision precision, float begin, int64_t n, const A& a, const B& b) {
  return precision == tensor::Precision::kBf16 ? bf16_chain(begin, n, a, b) : chain(begin, n, a, b);
}

// ---- rows of C elements

inline void rms_norm(float* y, float& inv_rms, const float* x, const float* weight, int64_t C,
                     float eps) {
  const auto value = [&](int64_t c) { return x[c]; };
  inv_rms = 1.0f / std::sqrt(dot(C, value, value) / static_cast<float>(C) + eps);
  for (int64_t c = 0; c < C; ++c) y[c] = (x[c] * inv_rms) * weight[c];
}

inline void rms_norm_backward(float* dx, float* dweight, const float* dy, const float* x,
                              float inv_rms, const float* weight, int64_t C) {
  const float mean =
      dot(
          C, [&](int64_t c) { return weight[c] * dy[c]; }, [&](int64_t c) { return x[c]; }) /
      static_cast<float>(C);
  const float pull = -(inv_rms * inv_rms) * mean;
  for (int64_t c = 0; c < C; ++c) {
    dx[c] = std::fma(std::fma(x[c], pull, weight[c] * dy[c]), inv_rms, dx[c]);
    dweight[c] = std::fma(dy[c], x[c] * inv_rms, dweight[c]);
  }
}

// One head of D: `dx` holds dy and becomes dx. Call for t ascending and, within it, heads
// ascending.
inline void head_norm_backward(float* dx, float* dweight, const float* x, float inv_rms,
                               const float* weight, int64_t D) {
  const float mean =
      dot(
          D, [&](int64_t d) { return weight[d] * dx[d]; }, [&](int64_t d) { return x[d]; }) /
      static_cast<float>(D);
  const float pull = -(inv_rms * inv_rms) * mean;
  for (int64_t d = 0; d < D; ++d) {
    dweight[d] = std::fma(dx[d], x[d] * inv_rms, dweight[d]);
    dx[d] = std::fma(x[d], pull, weight[d] * dx[d]) * inv_rms;
  }
}

// ---- single elements

inline float swiglu(float gate, float up) { return (gate / (1.0f + exp(-gate))) * up; }

inline void swiglu_backward(float& dgate, float& dup, float dact, float gate, float up) {
  const float sigmoid = 1.0f / (1.0f + exp(-gate));
  const float silu = gate * sigmoid;
  dup = dact * silu;
  dgate = (dact * up) * std::fma(silu, 1.0f - sigmoid, sigmoid);
}

// direction +1 or -1.
inline void rope(float& a, float& b, float cos, float sin, float direction) {
  const float s = direction * sin, x = a, y = b;
  a = std::fma(x, cos, -(y * s));
  b = std::fma(y, cos, x * s);
}

// ---- rows of logits

inline float log_sum_exp(const float* z, int64_t size) {
  float max = kMinusInfinity;
  for (int64_t i = 0; i < size; ++i) max = z[i] > max ? z[i] : max;
  Lanes lanes{};
  for (int64_t i = 0; i < size; ++i) lanes[static_cast<size_t>(i % 16)] += exp(z[i] - max);
  return static_cast<float>(static_cast<double>(max) +
                            portable_log(static_cast<double>(fold(lanes))));
}

inline void log_softmax_backward(float* z, int64_t size, int64_t target, float lse, float weight) {
  for (int64_t i = 0; i < size; ++i) z[i] = -weight * exp(z[i] - lse);
  z[target] += weight;
}

// ---- attention: one query (D) against keys and values 0 .. visible - 1, of which the last `window`
// are seen

struct Seen {
  ConstRows k, v;
  int64_t visible, D;
  int64_t window = kNoWindow;
  tensor::Precision precision = tensor::Precision::kF32;
};

inline int64_t first_seen(int64_t visible, int64_t window) {
  return window < visible ? visible - window : 0;
}

inline void attention(float* out, float& lse, const float* q, const Seen& seen) {
  const ConstRows keys = seen.k, values = seen.v;
  const int64_t visible = seen.visible, D = seen.D, window = seen.window;
  const int64_t first = first_seen(visible, window);
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  float m = kMinusInfinity, l = 0.0f;
  for (int64_t d = 0; d < D; ++d) out[d] = 0.0f;
  for (int64_t begin = first / kKeyBlock * kKeyBlock; begin < visible; begin += kKeyBlock) {
    std::array<float, kKeyBlock> p;
    p.fill(kMinusInfinity);
    const int64_t here = visible - begin < kKeyBlock ? visible - begin : kKeyBlock;
    const int64_t hidden = first > begin ? first - begin : 0;
    float top = m;
    for (int64_t j = hidden; j < here; ++j) {
      const float* key = keys.data + (begin + j) * keys.stride;
      const float s = product(
                          seen.precision, 0.0f, D, [&](int64_t d) { return q[d]; },
                          [&](int64_t d) { return key[d]; }) *
                      scale;
      p[static_cast<size_t>(j)] = s;
      top = s > top ? s : top;
    }
    for (float& x : p) x = exp(x - top);
    Lanes lanes;
    for (size_t i = 0; i < 16; ++i) lanes[i] = (p[i] + p[i + 16]) + (p[i + 32] + p[i + 48]);
    const float c = exp(m - top);
    l = std::fma(l, c, fold(lanes));
    m = top;
    for (int64_t d = 0; d < D; ++d) {
      out[d] = product(
          seen.precision, out[d] * c, here, [&](int64_t j) { return p[static_cast<size_t>(j)]; },
          [&](int64_t j) { return values.data[(begin + j) * values.stride + d]; });
    }
  }
  const float inverse = 1.0f / l;
  for (int64_t d = 0; d < D; ++d) out[d] = out[d] * inverse;
  lse = static_cast<float>(static_cast<double>(m) + portable_log(static_cast<double>(l)));
}

// Backward in f32 arithmetic: dq (D) is overwritten; dk and dv, strides as k and v, continue their chains: call for the heads of a
// group in order, for each of them over the queries in order.
inline void attention_backward(float* dq, float* dk, float* dv, const float* dout, const float* out,
                               float lse, const float* q, const Seen& seen) {
  const ConstRows keys = seen.k, values = seen.v;
  const int64_t visible = seen.visible, D = seen.D, window = seen.window;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  const auto dout_at = [&](int64_t d) { return dout[d]; };
  const float delta = dot(D, dout_at, [&](int64_t d) { return out[d]; });
  for (int64_t d = 0; d < D; ++d) dq[d] = 0.0f;
  for (int64_t j = first_seen(visible, window); j < visible; ++j) {
    const float *key = keys.data + j * keys.stride, *value = values.data + j * values.stride;
    const float s = chain(
        0.0f, D, [&](int64_t d) { return q[d]; }, [&](int64_t d) { return key[d]; });
    const float p = exp(s * scale - lse);
    const float dp = chain(0.0f, D, dout_at, [&](int64_t d) { return value[d]; });
    const float ds = (p * (dp - delta)) * scale;
    for (int64_t d = 0; d < D; ++d) {
      dq[d] = std::fma(ds, key[d], dq[d]);
      float &to_k = dk[j * keys.stride + d], &to_v = dv[j * values.stride + d];
      to_k = std::fma(ds, q[d], to_k);
      to_v = std::fma(p, dout[d], to_v);
    }
  }
}

// Backward of one head of a row of T in bf16 arithmetic; dq (T, D) is overwritten, dk and dv go on.
struct HeadGradients {
  Rows dq, dk, dv;
};
inline void bf16_attention_backward(const HeadGradients& to, ConstRows dout, ConstRows out,
                                    ConstRows lse, ConstRows q, const Seen& row) {
  const int64_t T = row.visible, D = row.D;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  std::vector<float> p(static_cast<size_t>(T * T)), ds(p.size());
  const auto cell = [&](int64_t t, int64_t j) { return static_cast<size_t>(t * T + j); };
  for (int64_t t = 0; t < T; ++t) {
    const auto element = [&](ConstRows rows, int64_t i) {
      return [rows, i](int64_t d) { return rows.data[i * rows.stride + d]; };
    };
    const float delta = dot(D, element(dout, t), element(out, t));
    for (int64_t j = first_seen(t + 1, row.window); j <= t; ++j) {
      const float s = bf16_chain(0.0f, D, element(q, t), element(row.k, j));
      const float dp = bf16_chain(0.0f, D, element(dout, t), element(row.v, j));
      p[cell(t, j)] = exp(s * scale - lse.data[t * lse.stride]);
      ds[cell(t, j)] = (p[cell(t, j)] * (dp - delta)) * scale;
    }
  }
  for (int64_t i = 0; i < T; ++i) {
    for (int64_t d = 0; d < D; ++d) {
      const auto column = [d](ConstRows rows) {
        return [rows, d](int64_t t) { return rows.data[t * rows.stride + d]; };
      };
      to.dq.data[i * to.dq.stride + d] = bf16_chain(
          0.0f, T, [&](int64_t j) { return ds[cell(i, j)]; }, column(row.k));
      float &dk = to.dk.data[i * to.dk.stride + d], &dv = to.dv.data[i * to.dv.stride + d];
      dk = bf16_chain(
          dk, T, [&](int64_t t) { return ds[cell(t, i)]; }, column(q));
      dv = bf16_chain(
          dv, T, [&](int64_t t) { return p[cell(t, i)]; }, column(dout));
    }
  }
}

}  // namespace ponder::ops::reference
