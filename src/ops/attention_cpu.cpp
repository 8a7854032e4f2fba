#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "ops/attention.h"
#include "ops/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder {
namespace HWY_NAMESPACE {

// N queries, each with its own count of visible keys.
template <int N>
void ForwardTile(const AttentionWork& w, int64_t D, const float* const* q, const int64_t* visible,
                 float* const* out, float* const* lse) {
  constexpr float kMinusInfinity = -__builtin_inff();
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  HWY_ALIGN float p[N * kKeyBlock];
  float m[N], l[N];
  int64_t most = 0;
  for (int i = 0; i < N; ++i) {
    m[i] = kMinusInfinity;
    l[i] = 0.0f;
    most = std::max(most, visible[i]);
    std::memset(out[i], 0, static_cast<size_t>(D) * sizeof(float));
  }
  for (int64_t begin = 0; begin < most; begin += kKeyBlock) {
    const int64_t block = begin / kKeyBlock;
    const int64_t keys = std::min(kKeyBlock, most - begin);
    Products<N>(p, q, w.key_blocks[block], keys, D);
    for (int i = 0; i < N; ++i) {
      float* s = p + i * kKeyBlock;
      const int64_t mine = std::clamp<int64_t>(visible[i] - begin, 0, keys);
      F16 v[4];
      F16 high = Set(kMinusInfinity);
      for (int h = 0; h < 4; ++h) {
        const int64_t n = mine - h * 16;
        v[h] = n >= 16 ? Mul(Load(s + h * 16), Set(scale)) : Set(kMinusInfinity);
        if (n > 0 && n < 16) {
          HWY_ALIGN float lane[16];
          Store(Mul(Load(s + h * 16), Set(scale)), lane);
          for (int64_t j = n; j < 16; ++j) lane[j] = kMinusInfinity;
          v[h] = Load(lane);
        }
        high = Max(high, v[h]);
      }
      const float top = std::max(m[i], Max16(high));
      for (int h = 0; h < 4; ++h) {
        v[h] = Exp(Sub(v[h], Set(top)));
        Store(v[h], s + h * 16);
      }
      const float sum = Sum16(Add(Add(v[0], v[1]), Add(v[2], v[3])));
      float c = 1.0f;
      if (m[i] != top) {
        c = Exp1(m[i] - top);
        for (int64_t d = 0; d < D; d += 16) Store(Mul(Load(out[i] + d), Set(c)), out[i] + d);
      }
      l[i] = std::fma(l[i], c, sum);
      m[i] = top;
    }
    Combine<N>(out, p, w.value_blocks[block], w.ld_value, keys, D);
  }
  for (int i = 0; i < N; ++i) {
    const F16 inverse = Set(1.0f / l[i]);
    for (int64_t d = 0; d < D; d += 16) Store(Mul(Load(out[i] + d), inverse), out[i] + d);
    if (lse[i])
      *lse[i] =
          static_cast<float>(static_cast<double>(m[i]) + stable_log(static_cast<double>(l[i])));
  }
}

void ForwardWork(const AttentionWork& w, int64_t D) {
  // All (head, token) pairs of the work in head-major order; four at a time share each key and
  // value they load.
  const int64_t count = w.num_queries * w.group;
  for (int64_t first = 0; first < count; first += 4) {
    const int n = static_cast<int>(std::min<int64_t>(4, count - first));
    const float* q[4];
    float *out[4], *lse[4];
    int64_t visible[4];
    for (int i = 0; i < n; ++i) {
      const int64_t g = (first + i) / w.num_queries, t = (first + i) % w.num_queries;
      q[i] = w.q + t * w.ldq + g * D;
      out[i] = w.out + t * w.ldo + g * D;
      lse[i] = w.lse ? w.lse + t * w.ld_lse + g : nullptr;
      visible[i] = w.first_position + t + 1;
    }
    switch (n) {
      case 1:
        ForwardTile<1>(w, D, q, visible, out, lse);
        break;
      case 2:
        ForwardTile<2>(w, D, q, visible, out, lse);
        break;
      case 3:
        ForwardTile<3>(w, D, q, visible, out, lse);
        break;
      default:
        ForwardTile<4>(w, D, q, visible, out, lse);
        break;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder {
HWY_EXPORT(ForwardWork);

void attention(std::span<const AttentionWork> works, int64_t D, ThreadPool& pool) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(ForwardWork);
  // Works differ in length, so threads take the next one when they are free; who computes a work
  // changes nothing in it.
  std::atomic<size_t> next{0};
  pool.run([&](int) {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < works.size();)
      kernel(works[i], D);
  });
}

void transpose_keys(float* blocks, const float* keys, int64_t ld, int64_t count, int64_t D) {
  for (int64_t begin = 0; begin < count; begin += kKeyBlock) {
    float* block = blocks + begin * D;
    const int64_t n = std::min(kKeyBlock, count - begin);
    for (int64_t d0 = 0; d0 < D; d0 += 16) {
      for (int64_t j = 0; j < n; ++j) {
        for (int64_t d = d0; d < d0 + 16; ++d)
          block[d * kKeyBlock + j] = keys[(begin + j) * ld + d];
      }
    }
    for (int64_t d = 0; d < D && n < kKeyBlock; ++d) {
      for (int64_t j = n; j < kKeyBlock; ++j) block[d * kKeyBlock + j] = 0.0f;
    }
  }
}

}  // namespace ponder
#endif
