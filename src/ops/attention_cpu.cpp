#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/portable_math.h"
#include "ops/attention_task.h"
#include "tensor/buffer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/attention_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

// R queries against 16 H keys of a block.
struct ScoreTile {
  const float* q;          // (R, D)
  const float* keys;       // (D, kKeyBlock)
  float* p;                // (R, kKeyBlock): exp(s - top)
  const float* m;          // (R) maximum up to here
  float *top, *sum;        // (R) maximum with this block; sum of p
  const int64_t* visible;  // (R) how many of the block's keys a query sees, or nullptr: all
  const int64_t* hidden;   // (R) how many of these, the first, lie before its window; or nullptr
  int64_t D;
  float scale;
};

template <int R, int H>
HWY_INLINE void Weights(F16 (&s)[R][H], const ScoreTile& t, int first) {
  const F16 scale = Set(t.scale), nothing = Set(-__builtin_inff());
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) s[r][h] = Mul(s[r][h], scale);
  }
  if (t.visible) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h)
        s[r][h] = KeepFirst(s[r][h], t.visible[first + r] - h * 16, nothing);
    }
  }
  if (t.hidden) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h)
        s[r][h] = KeepFirst(nothing, t.hidden[first + r] - h * 16, s[r][h]);
    }
  }
  F16 top[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    F16 high = s[r][0];
#pragma GCC unroll 4
    for (int h = 1; h < H; ++h) high = Max(high, s[r][h]);
    const float x = std::max(t.m[first + r], Max16(high));
    t.top[first + r] = x;
    top[r] = Set(x);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) s[r][h] = Sub(s[r][h], top[r]);
    ExpBounded<H>(s[r]);
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) Store(s[r][h], t.p + (first + r) * kKeyBlock + h * 16);
  }
  // (v0 + v1) + (v2 + v3); what is missing would be zeros.
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    F16 sum = s[r][0];
    if constexpr (H > 1) sum = Add(sum, s[r][1]);
    if constexpr (H == 3) sum = Add(sum, s[r][2]);
    if constexpr (H == 4) sum = Add(sum, Add(s[r][2], s[r][3]));
    t.sum[first + r] = Sum16(sum);
  }
}

template <int R, int H>
void Scores(const ScoreTile& t) {
  if constexpr (kTileVectors == 4) {
    F16 s[R][H];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) s[r][h] = Set(0.0f);
    }
    Chains(s, t.q, t.D, 1, t.keys, kKeyBlock, t.D);
    Weights(s, t, 0);
  } else {
    for (int h = 0; h < H; ++h) {
      F16 s[R][1];
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) s[r][0] = Set(0.0f);
      Chains(s, t.q, t.D, 1, t.keys + h * 16, kKeyBlock, t.D);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) Store(s[r][0], t.p + r * kKeyBlock + h * 16);
    }
    for (int r = 0; r < R; ++r) {
      F16 s[1][H];
      for (int h = 0; h < H; ++h) s[0][h] = Load(t.p + r * kKeyBlock + h * 16);
      Weights(s, t, r);
    }
  }
}

template <int... R>
HWY_INLINE void RunScores(int rows, int64_t vectors, const ScoreTile& t,
                          std::integer_sequence<int, R...>) {
  static constexpr void (*kTable[][4])(const ScoreTile&) = {
      {&Scores<R + 1, 1>, &Scores<R + 1, 2>, &Scores<R + 1, 3>, &Scores<R + 1, 4>}...};
  kTable[rows - 1][vectors - 1](t);
}

void ForwardQueries(const AttentionSequence& w, int64_t D, int64_t first, int64_t count) {
  thread_local tensor::Buffer scratch("attention scratch", 0);
  scratch.reserve(kQueries * (2 * D + kKeyBlock));
  float *q = scratch.data(), *out = q + kQueries * D, *p = out + kQueries * D;
  HWY_ALIGN float m[kQueries], l[kQueries], top[kQueries], sum[kQueries], c[kQueries];
  int64_t visible[kQueries], hidden[kQueries];  // the keys [hidden, visible)
  int64_t visible_here[kQueries], hidden_here[kQueries];
  const auto token = [&](int64_t i) { return (first + i) / w.group; };
  const auto head = [&](int64_t i) { return (first + i) % w.group; };
  // m begins from the lowest number, as good as -inf before the first score but for one thing: a
  // query that sees no key of a block whose other queries do keeps its m, as lowest - lowest is 0.
  for (int64_t i = 0; i < kQueries; ++i) {
    m[i] = top[i] = std::numeric_limits<float>::lowest();
    l[i] = sum[i] = 0.0f;
  }
  for (int64_t i = 0; i < count; ++i) {
    visible[i] = w.first_position + token(i) + 1;
    hidden[i] = std::max<int64_t>(0, visible[i] - w.window);
    CopyRow(q + i * D, w.q.data + token(i) * w.q.stride + head(i) * D, D);
  }
  std::memset(out, 0, static_cast<size_t>(count * D) * sizeof(float));
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  const Tiles tiles(count);
  const int64_t first_block = hidden[0] / kKeyBlock;
  for (int64_t begin = first_block * kKeyBlock; begin < visible[count - 1]; begin += kKeyBlock) {
    const int64_t block = begin / kKeyBlock;
    // The block's keys up to the last that some query of a tile sees; 0 if none sees any.
    const auto keys_of = [&](int64_t tile) -> int64_t {
      if (hidden[tiles.begin(tile)] >= begin + kKeyBlock) return 0;
      return std::clamp<int64_t>(visible[tiles.begin(tile + 1) - 1] - begin, 0, kKeyBlock);
    };
    const bool masked = visible[0]<begin + kKeyBlock, windowed = hidden[count - 1]> begin;
    for (int64_t i = 0; masked && i < count; ++i) visible_here[i] = visible[i] - begin;
    for (int64_t i = 0; windowed && i < count; ++i)
      hidden_here[i] = std::clamp<int64_t>(hidden[i] - begin, 0, kKeyBlock);
    for (int64_t tile = 0; tile < tiles.number; ++tile) {
      const int64_t i = tiles.begin(tile), keys = keys_of(tile);
      if (keys == 0) {
        for (int64_t r = i; r < i + tiles.size(tile); ++r) {
          top[r] = m[r];
          sum[r] = 0.0f;
        }
        continue;
      }
      RunScores(
          tiles.size(tile), (keys + 15) / 16,
          {q + i * D, w.key_blocks[block], p + i * kKeyBlock, m + i, top + i, sum + i,
           masked ? visible_here + i : nullptr, windowed ? hidden_here + i : nullptr, D, scale},
          TileSizes());
    }
    for (int64_t i = 0; i < count; i += 16) {
      const F16 factor = Exp(Sub(Load(m + i), Load(top + i)));
      Store(factor, c + i);
      Store(Fma(Load(l + i), factor, Load(sum + i)), l + i);
      Store(Load(top + i), m + i);
    }
    for (int64_t tile = 0; tile < tiles.number; ++tile) {
      const int64_t i = tiles.begin(tile), keys = keys_of(tile);
      if (keys == 0) continue;
      UpdateByRows(tiles.size(tile),
                   {out + i * D, c + i, p + i * kKeyBlock, w.value_blocks[block], keys, D});
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    const F16 inverse = Set(1.0f / l[i]);
    float* to = w.out.data + token(i) * w.out.stride + head(i) * D;
    for (int64_t d = 0; d < D; d += 16) Store(Mul(Load(out + i * D + d), inverse), to + d);
    if (!w.lse.data) continue;
    w.lse.data[token(i) * w.lse.stride + head(i)] =
        static_cast<float>(static_cast<double>(m[i]) + portable_log(static_cast<double>(l[i])));
  }
}

void TransposeRows(float* to, ConstRows keys, int64_t count, int64_t D) {
  for (int64_t begin = 0; begin < count; begin += kKeyBlock) {
    TransposeBlock(to + begin * D, keys.data + begin * keys.stride, keys.stride,
                   std::min(kKeyBlock, count - begin), D);
  }
}

void CopyValues(float* to, ConstRows values, int64_t count, int64_t D) {
  CopyRows(to, D, values.data, values.stride, count, D);
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(ForwardQueries);
HWY_EXPORT(TransposeRows);
HWY_EXPORT(CopyValues);

void attend_queries(const AttentionSequence& work, int64_t D, int64_t first, int64_t count) {
  HWY_DYNAMIC_DISPATCH(ForwardQueries)(work, D, first, count);
}

void transpose_key_rows(float* blocks, ConstRows keys, int64_t count, int64_t D) {
  HWY_DYNAMIC_DISPATCH(TransposeRows)(blocks, keys, count, D);
}

void copy_value_rows(float* blocks, ConstRows values, int64_t count, int64_t D) {
  HWY_DYNAMIC_DISPATCH(CopyValues)(blocks, values, count, D);
}

}  // namespace ponder::ops
#endif
