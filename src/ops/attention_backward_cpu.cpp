#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "ops/attention_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention_backward_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

// Twice the accumulators, for s and dp, in the same registers.
constexpr int kScoreRows = kLanes == 16 ? 6 : 3;
constexpr int kScoreVectors = kLanes == 16 ? 2 : 1;

// R queries against keys of a block: p and ds.
struct GradientTile {
  const float *q, *dout;       // (R, D)
  const float *lse, *delta;    // (R)
  const float *keys, *values;  // (D, kKeyBlock)
  float *p, *ds;               // (R, kKeyBlock)
  int64_t visible;             // how many of the block's keys the first query sees; more may be
  int64_t hidden;  // how many of these, the first, lie before its window; the next hides one more
  int64_t D;
  float scale;
  bool masked, windowed;  // or all see all
};

template <int R, int H>
HWY_INLINE void GradientColumns(const GradientTile& t, int64_t j) {
  F16 s[R][H], dp[R][H];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) s[r][h] = dp[r][h] = Set(0.0f);
  }
  for (int64_t d = 0; d < t.D; ++d) {
    F16 k[H], v[H];
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) {
      k[h] = Load(t.keys + d * kKeyBlock + j + h * 16);
      v[h] = Load(t.values + d * kKeyBlock + j + h * 16);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F16 q = Set(t.q[r * t.D + d]), dout = Set(t.dout[r * t.D + d]);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) {
        s[r][h] = Fma(q, k[h], s[r][h]);
        dp[r][h] = Fma(dout, v[h], dp[r][h]);
      }
    }
  }
  const F16 scale = Set(t.scale), zero = Set(0.0f);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const F16 lse = Set(t.lse[r]);
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) s[r][h] = Sub(Mul(s[r][h], scale), lse);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) ExpBounded<H>(s[r]);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const F16 delta = Set(t.delta[r]);
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) dp[r][h] = Mul(Mul(s[r][h], Sub(dp[r][h], delta)), scale);
  }
  if (t.masked) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) {
        const int64_t visible = t.visible + r - j - h * 16;
        s[r][h] = KeepFirst(s[r][h], visible, zero);
        dp[r][h] = KeepFirst(dp[r][h], visible, zero);
      }
    }
  }
  if (t.windowed) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) {
        const int64_t hidden = t.hidden + r - j - h * 16;
        s[r][h] = KeepFirst(zero, hidden, s[r][h]);
        dp[r][h] = KeepFirst(zero, hidden, dp[r][h]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) {
      Store(s[r][h], t.p + r * kKeyBlock + j + h * 16);
      Store(dp[r][h], t.ds + r * kKeyBlock + j + h * 16);
    }
  }
}

template <int R>
void GradientRows(const GradientTile& t) {
  // Beyond what the last query sees there are zeros.
  const int64_t end =
      t.masked ? std::clamp<int64_t>(t.visible + R - 1, 0, kKeyBlock) : int64_t{kKeyBlock};
  int64_t j = 0;
  for (; j + 16 * kScoreVectors <= (end + 15) / 16 * 16; j += 16 * kScoreVectors) {
    GradientColumns<R, kScoreVectors>(t, j);
  }
  for (; j < end; j += 16) GradientColumns<R, 1>(t, j);
  for (; j < kKeyBlock; j += 16) {
    for (int r = 0; r < R; ++r) {
      Store(Set(0.0f), t.p + r * kKeyBlock + j);
      Store(Set(0.0f), t.ds + r * kKeyBlock + j);
    }
  }
}

template <int... R>
HWY_INLINE void RunGradients(int rows, const GradientTile& t, std::integer_sequence<int, R...>) {
  static constexpr void (*kTable[])(const GradientTile&) = {&GradientRows<R + 1>...};
  kTable[rows - 1](t);
}

// Queries [first, first + count) of a head against the block of keys [begin, begin + keys); each
// query sees a key of the block.
void BackwardBlock(const BackwardScratch& s, int64_t D, int64_t first, int64_t count, int64_t begin,
                   int64_t keys, int64_t window) {
  const int64_t before = first - begin;        // query i sees keys 0 .. before + i of the block,
  const int64_t hidden = before + 1 - window;  // less those before hidden + i
  const bool masked = before + 1 < keys, windowed = hidden + count - 1 > 0;
  const float* q = s.q + first * D;
  const float* dout = s.dout + first * D;
  for (int64_t i = 0; i < count; i += kScoreRows) {
    const int rows = static_cast<int>(std::min<int64_t>(kScoreRows, count - i));
    RunGradients(
        rows,
        {q + i * D, dout + i * D, s.lse + first + i, s.delta + first + i, s.keys_transposed,
         s.values_transposed, s.p + i * kKeyBlock, s.ds + i * kKeyBlock, before + i + 1, hidden + i,
         D, 1.0f / std::sqrt(static_cast<float>(D)), masked, windowed},
        std::make_integer_sequence<int, kScoreRows>());
  }
  const Tiles key_tiles(keys), query_tiles(count);
  for (const bool values : {true, false}) {
    for (int64_t tile = 0; tile < key_tiles.number; ++tile) {
      const int64_t j = key_tiles.begin(tile);
      const int64_t i = std::max<int64_t>(0, j - before);  // the first query that sees key j
      if (i >= count) break;
      UpdateByColumns(key_tiles.size(tile), Update{(values ? s.dv : s.dk) + j * D, nullptr,
                                                   (values ? s.p : s.ds) + i * kKeyBlock + j,
                                                   (values ? dout : q) + i * D, count - i, D});
    }
  }
  for (int64_t tile = 0; tile < query_tiles.number; ++tile) {
    const int64_t i = query_tiles.begin(tile);
    const int64_t sees = std::min(keys, before + query_tiles.begin(tile + 1));
    UpdateByRows(query_tiles.size(tile),
                 Update{s.dq + (first + i) * D, nullptr, s.ds + i * kKeyBlock, s.keys, sees, D});
  }
}

// One head's queries, and delta = dout . out of each.
void GatherHead(const BackwardScratch& s, const AttentionBackwardSequence& w, int64_t D,
                int64_t head) {
  for (int64_t t = 0; t < w.num_tokens; ++t) {
    const float* out = w.out.data + t * w.out.stride + head * D;
    const float* dout = w.dout.data + t * w.dout.stride + head * D;
    F16 sum = Set(0.0f);
    for (int64_t d = 0; d < D; d += 16) {
      const F16 x = Load(dout + d);
      sum = Fma(x, Load(out + d), sum);
      Store(x, s.dout + t * D + d);
      Store(Set(0.0f), s.dq + t * D + d);
    }
    s.delta[t] = Sum16(sum);
    s.lse[t] = w.lse.data[t * w.lse.stride + head];
    w.q.at(t, head * D, [&](const auto* q) HWY_ATTR { CopyRow(s.q + t * D, q, D); });
  }
}

void BackwardSequence(const AttentionBackwardSequence& w, int64_t D, float* scratch) {
  const int64_t T = w.num_tokens, window = std::min(w.window, w.num_tokens);
  const BackwardScratch whole(scratch, T, D);
  for (int64_t head = 0; head < w.group; ++head) {
    GatherHead(whole, w, D, head);
    for (int64_t begin = 0; begin < T; begin += kKeyBlock) {
      const int64_t keys = std::min(kKeyBlock, T - begin);
      const bool first_head = head == 0, last_head = head + 1 == w.group;
      BackwardScratch s = whole;
      if (s.kept) {
        for (float** p : {&s.keys_transposed, &s.values_transposed, &s.keys, &s.dk, &s.dv}) {
          *p += begin * D;
        }
      }
      if (first_head || !s.kept) {
        // The values' rows make way for their gradient below.
        const auto lay_out = [&](const StoredRows& from, float* rows, float* transposed) {
          from.at(begin, 0,
                  [&](const auto* row) HWY_ATTR { CopyRows(rows, D, row, from.stride, keys, D); });
          TransposeBlock(transposed, rows, D, keys, D);
        };
        lay_out(w.k, s.keys, s.keys_transposed);
        lay_out(w.v, s.dv, s.values_transposed);
      }
      float *dk = w.dk.data + begin * w.dk.stride, *dv = w.dv.data + begin * w.dv.stride;
      if (first_head) {
        std::memset(s.dk, 0, static_cast<size_t>(keys * D) * sizeof(float));
        std::memset(s.dv, 0, static_cast<size_t>(keys * D) * sizeof(float));
      } else if (!s.kept) {
        CopyRows(s.dk, D, dk, w.dk.stride, keys, D);
        CopyRows(s.dv, D, dv, w.dv.stride, keys, D);
      }
      // Behind the last query that sees the block's last key.
      const int64_t end = std::min(T, begin + keys - 1 + window);
      for (int64_t first = begin; first < end; first += kQueryBlock) {
        BackwardBlock(s, D, first, std::min(kQueryBlock, end - first), begin, keys, window);
      }
      if (last_head || !s.kept) {
        CopyRows(dk, w.dk.stride, s.dk, D, keys, D);
        CopyRows(dv, w.dv.stride, s.dv, D, keys, D);
      }
    }
    CopyRows(w.dq.data + head * D, w.dq.stride, whole.dq, D, T, D);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(BackwardSequence);

void attention_backward_sequence(const AttentionBackwardSequence& work, int64_t D, float* scratch) {
  HWY_DYNAMIC_DISPATCH(BackwardSequence)(work, D, scratch);
}

}  // namespace ponder::ops
#endif
