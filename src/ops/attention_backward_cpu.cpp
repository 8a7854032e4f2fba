#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "ops/attention.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention_backward_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder {
namespace HWY_NAMESPACE {

// N consecutive queries of one head, from token `first`, against all keys they see.
//   p_ij = exp(s_ij - lse_i)   dp_ij = do_i . v_j   ds_ij = p_ij (dp_ij - do_i . o_i) scale
//   dv_j += p_ij do_i          dk_j += ds_ij q_i     dq_i += ds_ij k_j
template <int N>
void BackwardTile(const AttentionBackwardWork& w, int64_t D, int64_t head, int64_t first,
                  const float* keys_transposed, const float* values_transposed) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  HWY_ALIGN float p[N * kKeyBlock];
  HWY_ALIGN float ds[N * kKeyBlock];
  const float *q[N], *dout[N];
  float *dq[N], delta[N], lse[N];
  for (int i = 0; i < N; ++i) {
    const int64_t t = first + i;
    q[i] = w.q + t * w.ld + head * D;
    dout[i] = w.dout + t * w.ldo + head * D;
    dq[i] = w.dq + t * w.ld + head * D;
    lse[i] = w.lse[t * w.ld_lse + head];
    const float* out = w.out + t * w.ldo + head * D;
    F16 sum = Set(0.0f);
    for (int64_t d = 0; d < D; d += 16) sum = Fma(Load(dout[i] + d), Load(out + d), sum);
    delta[i] = Sum16(sum);
    std::memset(dq[i], 0, static_cast<size_t>(D) * sizeof(float));
  }
  const int64_t most = first + N;
  for (int64_t begin = 0; begin < most; begin += kKeyBlock) {
    const int64_t keys = std::min(kKeyBlock, most - begin);
    Products<N>(p, q, keys_transposed + begin * D, keys, D);
    Products<N>(ds, dout, values_transposed + begin * D, keys, D);
    for (int i = 0; i < N; ++i) {
      const int64_t mine = std::clamp<int64_t>(first + i + 1 - begin, 0, keys);
      for (int64_t j = 0; j < keys; j += 16) {
        float *pi = p + i * kKeyBlock + j, *di = ds + i * kKeyBlock + j;
        const F16 pv = Exp(Sub(Mul(Load(pi), Set(scale)), Set(lse[i])));
        const F16 dv = Mul(Mul(pv, Sub(Load(di), Set(delta[i]))), Set(scale));
        Store(pv, pi);
        Store(dv, di);
        for (int64_t n = std::max<int64_t>(0, mine - j); n < 16; ++n) pi[n] = di[n] = 0.0f;
      }
    }
    Combine<N>(dq, ds, w.k + begin * w.ld, w.ld, keys, D);
    Scatter<N>(w.dv + begin * w.ld, w.ld, p, dout, keys, D);
    Scatter<N>(w.dk + begin * w.ld, w.ld, ds, q, keys, D);
  }
}

void BackwardWork(const AttentionBackwardWork& w, int64_t D, float* scratch) {
  const int64_t padded = (w.num_tokens + kKeyBlock - 1) / kKeyBlock * kKeyBlock;
  float *keys = scratch, *values = scratch + padded * D;
  transpose_keys(keys, w.k, w.ld, w.num_tokens, D);
  transpose_keys(values, w.v, w.ld, w.num_tokens, D);
  for (int64_t t = 0; t < w.num_tokens; ++t) {
    std::memset(w.dk + t * w.ld, 0, static_cast<size_t>(D) * sizeof(float));
    std::memset(w.dv + t * w.ld, 0, static_cast<size_t>(D) * sizeof(float));
  }
  for (int64_t head = 0; head < w.group; ++head) {
    int64_t t = 0;
    for (; t + 4 <= w.num_tokens; t += 4) BackwardTile<4>(w, D, head, t, keys, values);
    for (; t < w.num_tokens; ++t) BackwardTile<1>(w, D, head, t, keys, values);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder {
HWY_EXPORT(BackwardWork);

int64_t attention_backward_scratch(int64_t max_tokens, int64_t D) {
  return 2 * ((max_tokens + kKeyBlock - 1) / kKeyBlock * kKeyBlock) * D;
}

void attention_backward(std::span<const AttentionBackwardWork> works, int64_t D, float* scratch,
                        int64_t scratch_per_thread, ThreadPool& pool) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(BackwardWork);
  std::atomic<size_t> next{0};
  pool.run([&](int part) {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < works.size();) {
      kernel(works[i], D, scratch + part * scratch_per_thread);
    }
  });
}

}  // namespace ponder
#endif
