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
  const float* q;     // (R, D)
  const float* keys;  // (D, kKeyBlock)
  float* p;           // (R, kKeyBlock): exp(s - top)
  Softmax softmax;
  int64_t D;
  Fetch fetch;
};

template <int R, int N>
HWY_INLINE void ChainScores(F16 (&s)[R][N], const ScoreTile& t, int h, Fetch& fetch) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) s[r][n] = Set(0.0f);
  }
  Chains(s, t.q, t.D, 1, t.keys + h * 16, kKeyBlock, t.D, fetch);
}

template <int R, int N>
HWY_INLINE void StoreScores(const ScoreTile& t, int h, Fetch& fetch) {
  F16 s[R][N];
  ChainScores(s, t, h, fetch);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) Store(s[r][n], t.p + r * kKeyBlock + (h + n) * 16);
  }
}

template <int R, int H>
HWY_INLINE void StoreWeights(const F16 (&p)[R][H], float* to) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int h = 0; h < H; ++h) Store(p[r][h], to + r * kKeyBlock + h * 16);
  }
}

template <int R, int H>
void Scores(const ScoreTile& t) {
  constexpr int kVectors = kTileVectors<R>, kRest = H % kVectors;
  Fetch fetch = t.fetch;
  if constexpr (H <= kVectors) {
    F16 s[R][H];
    ChainScores(s, t, 0, fetch);
    Weights(s, t.softmax, 0);
    StoreWeights(s, t.p);
  } else {
    for (int h = 0; h + kVectors <= H; h += kVectors) StoreScores<R, kVectors>(t, h, fetch);
    if constexpr (kRest > 0) StoreScores<R, kRest>(t, H - kRest, fetch);
    for (int r = 0; r < R; ++r) {
      F16 s[1][H];
      float* p = t.p + r * kKeyBlock;
      for (int h = 0; h < H; ++h) s[0][h] = Load(p + h * 16);
      Weights(s, t.softmax, r);
      StoreWeights(s, p);
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

// Queries of a work that pass by its blocks together, and how far they are.
struct Passing {
  Passing(const AttentionSequence& work, int64_t head_dim, int64_t first_query, int64_t num)
      : w(work), D(head_dim), first(first_query), count(num), tiles(num) {
    thread_local tensor::Buffer scratch("attention scratch", 0);
    scratch.reserve(kQueries * (2 * D + kKeyBlock));
    q = scratch.data();
    out = q + kQueries * D;
    p = out + kQueries * D;
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
  }

  void pass_all() {
    // Few tiles compute less than they wait: the next block is on its way meanwhile.
    const bool fetches = tiles.number <= (kLanes == 16 ? 2 : 1);
    const auto block = [&](const void* const* blocks, int64_t begin) {
      return static_cast<const float*>(blocks[begin / kKeyBlock]);
    };
    const int64_t end = visible[count - 1];
    for (int64_t begin = hidden[0] / kKeyBlock * kKeyBlock; begin < end; begin += kKeyBlock) {
      const int64_t more = std::min(kKeyBlock, end - begin - kKeyBlock);
      Next next;
      if (fetches && more > 0) {
        next.keys = fetch(block(w.key_blocks, begin + kKeyBlock), kKeyBlock);
        next.values = fetch(block(w.value_blocks, begin + kKeyBlock), more);
      }
      pass(begin, block(w.key_blocks, begin), block(w.value_blocks, begin), next);
    }
  }

  void finish() {
    for (int64_t i = 0; i < count; ++i) {
      const F16 inverse = Set(1.0f / l[i]);
      float* to = w.out.data + token(i) * w.out.stride + head(i) * D;
      for (int64_t d = 0; d < D; d += 16) Store(Mul(Load(out + i * D + d), inverse), to + d);
      if (!w.lse.data) continue;
      w.lse.data[token(i) * w.lse.stride + head(i)] =
          static_cast<float>(static_cast<double>(m[i]) + portable_log(static_cast<double>(l[i])));
    }
  }

  int64_t token(int64_t i) const { return (first + i) / w.group; }
  int64_t head(int64_t i) const { return (first + i) % w.group; }

  // What is asked for while a block is passed by.
  struct Next {
    Fetch keys, values;
  };
  Fetch fetch(const float* from, int64_t rows_of_64) const {
    const auto* bytes = reinterpret_cast<const char*>(from);
    return {bytes, bytes + rows_of_64 * D * int64_t{sizeof(float)}};
  }
  // A tile's share.
  Fetch share(const Fetch& fetch, int64_t tile) const {
    Fetch own = fetch.share(tile, tiles.number);
    const int64_t strips = tiles.size(tile) > kTileRows ? 2 : 1;
    own.spread(strips * std::max<int64_t>(D, kKeyBlock) / kFetchSteps);
    return own;
  }

  void pass(int64_t begin, const float* keys, const float* values, const Next& next) {
    int64_t visible_here[kQueries], hidden_here[kQueries];
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
      const int64_t i = tiles.begin(tile), seen = keys_of(tile);
      if (seen == 0) {
        for (int64_t r = i; r < i + tiles.size(tile); ++r) {
          top[r] = m[r];
          sum[r] = 0.0f;
        }
        continue;
      }
      RunScores(tiles.size(tile), (seen + 15) / 16,
                ScoreTile{q + i * D,
                          keys,
                          p + i * kKeyBlock,
                          {m + i, top + i, sum + i, masked ? visible_here + i : nullptr,
                           windowed ? hidden_here + i : nullptr, scale},
                          D,
                          share(next.keys, tile)},
                TileSizes());
    }
    for (int64_t i = 0; i < count; i += 16) {
      const F16 factor = Exp(Sub(Load(m + i), Load(top + i)));
      Store(factor, c + i);
      Store(Fma(Load(l + i), factor, Load(sum + i)), l + i);
      Store(Load(top + i), m + i);
    }
    for (int64_t tile = 0; tile < tiles.number; ++tile) {
      const int64_t i = tiles.begin(tile), seen = keys_of(tile);
      if (seen == 0) continue;
      UpdateByRows(tiles.size(tile), Update{out + i * D, c + i, p + i * kKeyBlock, values, seen, D,
                                            share(next.values, tile)});
    }
  }

  const AttentionSequence& w;
  const int64_t D, first, count;
  const Tiles tiles;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  float *q, *out, *p;
  HWY_ALIGN float m[kQueries], l[kQueries], top[kQueries], sum[kQueries], c[kQueries];
  int64_t visible[kQueries], hidden[kQueries];  // the keys [hidden, visible)
};

void ForwardQueries(const AttentionSequence& w, int64_t D, int64_t first, int64_t count) {
  Passing queries(w, D, first, count);
  queries.pass_all();
  queries.finish();
}

void TransposeKeyRows(float* to, ConstRows keys, int64_t count, int64_t D) {
  TransposeBlock(to, keys.data, keys.stride, count, D);
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(ForwardQueries);
HWY_EXPORT(TransposeKeyRows);

void attend_queries(const AttentionSequence& work, int64_t D, int64_t first, int64_t count) {
  HWY_DYNAMIC_DISPATCH(ForwardQueries)(work, D, first, count);
}

void transpose_key_rows(float* block, ConstRows keys, int64_t count, int64_t D) {
  HWY_DYNAMIC_DISPATCH(TransposeKeyRows)(block, keys, count, D);
}

}  // namespace ponder::ops
#endif
