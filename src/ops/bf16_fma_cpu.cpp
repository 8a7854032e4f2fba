#include <cstdint>
#include <utility>

#include "base/error.h"
#include "ops/bf16_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/bf16_fma_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#if HWY_ARCH_X86
#include <xmmintrin.h>
#endif

#include "ops/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

// Widened: a row of a block of A is its 16 even elements, then its 16 odd ones.
constexpr int64_t kRowFloats = Bf16Matrix::kBlock;

// Halves of a panel side by side and rows of a strip, whose accumulators fill the registers.
constexpr int kHalves = kLanes == 16 ? 2 : 1;
constexpr int kStripRows = kLanes == 16 ? 11 : kLanes == 8 ? 6 : 1;

// Sixteen words of B: the even elements (low halves) or the odd ones.
template <bool kOdd>
HWY_INLINE F16 Widened(const uint32_t* words) {
  const D16 d;
  const hn::RebindToUnsigned<D16> du;
  F16 r;
  PONDER_EACH {
    const auto w = hn::LoadU(du, words + i * kLanes);
    r.part[i] = hn::BitCast(d, kOdd ? hn::And(w, hn::Set(du, 0xFFFF0000u)) : hn::ShiftLeft<16>(w));
  }
  return r;
}

#define PONDER_TILE                                    \
  _Pragma("GCC unroll 16") for (int r = 0; r < R; ++r) \
      _Pragma("GCC unroll 2") for (int h = 0; h < H; ++h)

template <bool kOdd, int R, int H>
HWY_INLINE void Step(const float* a, const uint32_t* b, F16 (&sum)[R][H]) {
  F16 column[H];
  _Pragma("GCC unroll 2") for (int h = 0; h < H; ++h) column[h] =
      Widened<kOdd>(b + h * kBf16HalfWords);
  _Pragma("GCC unroll 16") for (int r = 0; r < R; ++r) {
    const F16 row = Set(a[r * kRowFloats + 16 * kOdd]);
    _Pragma("GCC unroll 2") for (int h = 0; h < H; ++h) sum[r][h] = Fma(row, column[h], sum[r][h]);
  }
}

// R rows times H halves. The odd chains follow the even ones in the same registers; where there are
// registers for both they run side by side, since few chains alone wait for their own results.
template <int R, int H>
void Strip(const Bf16Tile& t, int64_t row, int64_t half) {
  constexpr bool kTogether = R * H * kParts <= 8;
  const float* a = static_cast<const float*>(t.a) + row * kRowFloats;
  const uint32_t* b = t.b + half * kBf16HalfWords;
  const float* begin = t.begin.data ? t.begin.data + row * t.begin.stride + half * 16 : nullptr;
  float* c = t.c.data + row * t.c.stride + half * 16;
  F16 total[R][H];
  PONDER_TILE total[r][h] = begin ? Load(begin + r * t.begin.stride + h * 16) : Set(0.0f);
  for (int64_t block = 0; block < t.blocks; ++block) {
    F16 even[R][H], odd[R][H];
    PONDER_TILE even[r][h] = Set(0.0f);
    PONDER_TILE odd[r][h] = Set(0.0f);
    if constexpr (kTogether) {
      for (int64_t p = 0; p < 16; ++p) {
        Step<false, R, H>(a + p, b + p * 16, even);
        Step<true, R, H>(a + p, b + p * 16, odd);
      }
    } else {
      for (int64_t p = 0; p < 16; ++p) Step<false, R, H>(a + p, b + p * 16, even);
      for (int64_t p = 0; p < 16; ++p) Step<true, R, H>(a + p, b + p * 16, odd);
    }
    PONDER_TILE total[r][h] = Add(total[r][h], Add(even[r][h], odd[r][h]));
    a += kBf16Group * kRowFloats;
    b += 2 * kBf16HalfWords;
  }
  PONDER_TILE Store(total[r][h], c + r * t.c.stride + h * 16);
}
#undef PONDER_TILE

template <int... R>
void RunStrip(int rows, const Bf16Tile& t, int64_t row, std::integer_sequence<int, R...>) {
  static constexpr void (*kTable[])(const Bf16Tile&, int64_t,
                                    int64_t) = {&Strip<R + 1, kHalves>...};
  for (int64_t half = 0; half < 2; half += kHalves) kTable[rows - 1](t, row, half);
}

void Bf16FmaTile(const Bf16Tile& t) {
  const int strips = (t.rows + kStripRows - 1) / kStripRows;
  for (int i = 0; i < strips; ++i) {
    const int row = t.rows * i / strips, end = t.rows * (i + 1) / strips;
    RunStrip(end - row, t, row, std::make_integer_sequence<int, kStripRows>());
  }
}

// Twelve registers of independent chains, from a value that the compiler does not know.
void Bf16FmaPeak(int64_t steps) {
  constexpr int kChains = 12;
  const volatile float seed = 0.5f;
  V sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = hn::Set(D16(), seed + 0.01f * static_cast<float>(i));
  const V factor = hn::Set(D16(), seed);
  for (int64_t s = 0; s < steps; ++s) {
    _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) sum[i] =
        FmaV(sum[i], factor, factor);
  }
  for (int i = 1; i < kChains; ++i) sum[0] = hn::Add(sum[0], sum[i]);
  volatile float sink = hn::GetLane(sum[0]);
  (void)sink;
}
int64_t Bf16FmaPeakLanes() { return 12 * kLanes; }

void Bf16Widen(const uint32_t* packed, int64_t rows, uint32_t* to) {
  auto* wide = reinterpret_cast<float*>(to);
  for (int64_t r = 0; r < rows; ++r) {
    Store(Widened<false>(packed + r * kBf16RowWords), wide + r * kRowFloats);
    Store(Widened<true>(packed + r * kBf16RowWords), wide + r * kRowFloats + 16);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(Bf16FmaTile);
HWY_EXPORT(Bf16Widen);
HWY_EXPORT(Bf16FmaPeak);
HWY_EXPORT(Bf16FmaPeakLanes);

#if HWY_ARCH_X86
namespace {
constexpr unsigned kFlushDenormals = 0x8040;  // of results (FTZ) and of operands (DAZ)
thread_local unsigned mxcsr_before = 0;

void flush_denormals() {
  mxcsr_before = _mm_getcsr();
  _mm_setcsr(mxcsr_before | kFlushDenormals);
}
void restore_denormals() { _mm_setcsr(mxcsr_before); }
}  // namespace

Bf16Kernel bf16_fma_kernel() {
  return {flush_denormals,
          restore_denormals,
          HWY_DYNAMIC_DISPATCH(Bf16Widen),
          2 * kBf16RowWords,
          HWY_DYNAMIC_DISPATCH(Bf16FmaTile),
          HWY_DYNAMIC_DISPATCH(Bf16FmaPeak),
          2.0 * static_cast<double>(HWY_DYNAMIC_DISPATCH(Bf16FmaPeakLanes)())};
}
#else
Bf16Kernel bf16_fma_kernel() {
  // Arm detects what is to be flushed before rounding, x86 after it.
  throw Error("bf16 matmul", "bf16 arithmetic is defined for x86-64", "compute in f32");
}
#endif

}  // namespace ponder::ops
#endif
