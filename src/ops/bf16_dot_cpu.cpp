// VDPBF16PS adds the product of the upper halves, then that of the lower ones, each by a fused
// multiply-add that flushes denormals: with elements 0 and 2 in a word (0 in the upper half), 4 and
// 6 in the next, it continues the even chain of a block, with 1 and 3, 5 and 7 the odd one.
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

template <int R>
PONDER_DOT void dot_strip(const Bf16Tile& t, int row) {
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
  for (int64_t block = 0; block < t.blocks; ++block) {
    __m512 even[R][2], odd[R][2];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) even[r][h] = odd[r][h] = _mm512_setzero_ps();
    }
    for (int64_t p = 0; p < 8; ++p) {
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const uint32_t* words = b + h * kBf16HalfWords + p * 32;
        const Words w0 = load_words(words), w1 = load_words(words + 16);
        const auto b_even = (__m512bh)((w0 << 16) | (w1 & 0xFFFFu));
        const auto b_odd = (__m512bh)((w0 & 0xFFFF0000u) | (w1 >> 16));
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
          const uint32_t* word = a + r * kBf16RowWords + p;
          even[r][h] = _mm512_dpbf16_ps(
              even[r][h], (__m512bh)_mm512_set1_epi32(static_cast<int>(word[0])), b_even);
          odd[r][h] = _mm512_dpbf16_ps(
              odd[r][h], (__m512bh)_mm512_set1_epi32(static_cast<int>(word[kOddWords])), b_odd);
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
    b += 2 * kBf16HalfWords;
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) _mm512_storeu_ps(c + r * t.c.stride + h * 16, total[r][h]);
  }
}

template <int... R>
void run_dot_strip(int rows, const Bf16Tile& t, int row, std::integer_sequence<int, R...>) {
  static constexpr void (*kTable[])(const Bf16Tile&, int) = {&dot_strip<R + 1>...};
  kTable[rows - 1](t, row);
}

void dot_tile(const Bf16Tile& t) {
  const int strips = (t.rows + kDotRows - 1) / kDotRows;
  for (int i = 0; i < strips; ++i) {
    const int row = t.rows * i / strips, end = t.rows * (i + 1) / strips;
    run_dot_strip(end - row, t, row, std::make_integer_sequence<int, kDotRows>());
  }
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
  return {
      fma.start, fma.finish, pair_rows, kBf16RowWords, dot_tile, dot_peak, kPeakChains * 16 * 4.0};
}

}  // namespace ponder::ops
#else
namespace ponder::ops {
bool dot_announced() { return false; }
Bf16Kernel bf16_dot_kernel() { return bf16_fma_kernel(); }
}  // namespace ponder::ops
#endif
