// VDPBF16PS adds the product of the upper halves, then that of the lower ones, each by a fused
// multiply-add that flushes denormals: with elements 0 and 2 in a word (0 in the upper half), 4 and
// 6 in the next, it continues the even chain of a block, with 1 and 3, 5 and 7 the odd one.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "ops/bf16_task.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define PONDER_DOT __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

namespace ponder::ops {
namespace {

constexpr int kDotRows = 6;  // with two halves, 24 registers of even and odd chains
constexpr int64_t kOddWords = 8;

using Words = uint32_t __attribute__((vector_size(64)));

PONDER_DOT inline Words load_words(const uint32_t* from) { return (Words)_mm512_loadu_si512(from); }

// Sixteen words of four k: those of the even chain, then those of the odd one.
struct Pair {
  __m512bh even, odd;
};
PONDER_DOT inline Pair paired(const uint32_t* words) {
  const Words w0 = load_words(words), w1 = load_words(words + 16);
  return {(__m512bh)((w0 << 16) | (w1 & 0xFFFFu)), (__m512bh)((w0 & 0xFFFF0000u) | (w1 >> 16))};
}

// (8 of four k, 2 halves, even and odd, 16 words), so that a strip of rows only loads them.
PONDER_DOT void pair_panel(const uint32_t* packed, int64_t blocks, uint32_t* to) {
  for (int64_t block = 0; block < blocks; ++block) {
    for (int p = 0; p < 8; ++p) {
      for (int h = 0; h < 2; ++h, to += 32) {
        const Pair pair = paired(packed + h * kBf16HalfWords + p * 32);
        _mm512_storeu_si512(to, (__m512i)pair.even);
        _mm512_storeu_si512(to + 16, (__m512i)pair.odd);
      }
    }
    packed += 2 * kBf16HalfWords;
  }
}

template <int R, bool kPrepared>
PONDER_DOT void dot_strip(Bf16Tile& t, int row) {
  const auto* a = static_cast<const uint32_t*>(t.a) + row * kBf16RowWords;
  const uint32_t* b = t.b;
  const float* begin = t.begin.data ? t.begin.data + row * t.begin.stride : nullptr;
  float* c = t.c.data + row * t.c.stride;
  __m512 total[R][2];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h)
      total[r][h] =
          begin ? _mm512_loadu_ps(begin + r * t.begin.stride + h * 16) : _mm512_setzero_ps();
  }
  Fetch fetch = t.fetch;
  for (int64_t block = 0; block < t.blocks; ++block) {
    fetch.step();
    __m512 even[R][2], odd[R][2];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) even[r][h] = odd[r][h] = _mm512_setzero_ps();
    }
    for (int64_t p = 0; p < 8; ++p) {
      Pair column[2];
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        if constexpr (kPrepared) {
          const uint32_t* words = b + p * 64 + h * 32;
          column[h] = {(__m512bh)load_words(words), (__m512bh)load_words(words + 16)};
        } else {
          column[h] = paired(b + h * kBf16HalfWords + p * 32);
        }
      }
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        const uint32_t* word = a + r * kBf16RowWords + p;
        const auto a_even = (__m512bh)_mm512_set1_epi32(static_cast<int>(word[0]));
        const auto a_odd = (__m512bh)_mm512_set1_epi32(static_cast<int>(word[kOddWords]));
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          even[r][h] = _mm512_dpbf16_ps(even[r][h], a_even, column[h].even);
          odd[r][h] = _mm512_dpbf16_ps(odd[r][h], a_odd, column[h].odd);
        }
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h)
        total[r][h] = _mm512_add_ps(total[r][h], _mm512_add_ps(even[r][h], odd[r][h]));
    }
    a += kBf16Group * kBf16RowWords;
    b += Bf16Matrix::kWords;
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) _mm512_storeu_ps(c + r * t.c.stride + h * 16, total[r][h]);
  }
  t.fetch = fetch;
}

template <bool kPrepared, int... R>
void run_dot_strip(int rows, Bf16Tile& t, int row, std::integer_sequence<int, R...>) {
  static constexpr void (*kTable[])(Bf16Tile&, int) = {&dot_strip<R + 1, kPrepared>...};
  kTable[rows - 1](t, row);
}

void dot_tile(const Bf16Tile& tile) {
  constexpr auto kRows = std::make_integer_sequence<int, kDotRows>();
  const int strips = (tile.rows + kDotRows - 1) / kDotRows;
  const int64_t together =
      strips == 1 ? tile.blocks : kStripBytes / (Bf16Matrix::kWords * int64_t{sizeof(uint32_t)});
  Bf16Tile t = tile;
  t.fetch.spread(strips * tile.blocks);
  int64_t block = 0;
  do {  // once without blocks too: what there is to begin from is the result
    t.blocks = std::min(together, tile.blocks - block);
    for (int i = 0; i < strips; ++i) {
      const int row = t.rows * i / strips, end = t.rows * (i + 1) / strips;
      t.b_prepared ? run_dot_strip<true>(end - row, t, row, kRows)
                   : run_dot_strip<false>(end - row, t, row, kRows);
    }
    t.a = static_cast<const uint32_t*>(t.a) + t.blocks * kBf16Group * kBf16RowWords;
    t.b += t.blocks * Bf16Matrix::kWords;
    t.begin = t.c;
    block += together;
  } while (block < tile.blocks);
}

// A row's 32 elements: 2 0 6 4 10 8 … (the even chain's words), then 3 1 7 5 …
PONDER_DOT void pair_rows(const uint32_t* packed, int64_t rows, uint32_t* to) {
  alignas(64) uint16_t order[32];
  for (int i = 0; i < 16; ++i) {
    const int element = i / 2 * 4 + (i % 2 == 0 ? 2 : 0);
    order[i] = static_cast<uint16_t>(element);
    order[16 + i] = static_cast<uint16_t>(element + 1);
  }
  const __m512i places = _mm512_load_si512(order);
  for (int64_t r = 0; r < rows; ++r) {
    const __m512i row = _mm512_loadu_si512(packed + r * kBf16RowWords);
    _mm512_storeu_si512(to + r * kBf16RowWords, _mm512_permutexvar_epi16(places, row));
  }
}

constexpr int kPeakChains = 12;

PONDER_DOT void dot_peak(int64_t steps) {
  const volatile int seed = 0x3F003F00;  // 0.5, 0.5
  const auto x = (__m512bh)_mm512_set1_epi32(seed);
  __m512 sum[kPeakChains];
  for (int i = 0; i < kPeakChains; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t s = 0; s < steps; ++s) {
#pragma GCC unroll 12
    for (int i = 0; i < kPeakChains; ++i) sum[i] = _mm512_dpbf16_ps(sum[i], x, x);
  }
  for (int i = 1; i < kPeakChains; ++i) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  volatile float sink = _mm512_cvtss_f32(sum[0]);
  (void)sink;
}

}  // namespace

bool dot_announced() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}

Bf16Kernel bf16_dot_kernel() {
  // The sums of chains flush too.
  const Bf16Kernel fma = bf16_fma_kernel();
  return {fma.start,          fma.finish, pair_rows, kBf16RowWords,         pair_panel,
          Bf16Matrix::kWords, dot_tile,   dot_peak,  kPeakChains * 16 * 4.0};
}

}  // namespace ponder::ops
#else
namespace ponder::ops {
bool dot_announced() { return false; }
Bf16Kernel bf16_dot_kernel() { return bf16_fma_kernel(); }
}  // namespace ponder::ops
#endif
