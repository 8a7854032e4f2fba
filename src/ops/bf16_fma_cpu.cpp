#include <algorithm>
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

// Halves of a panel side by side and rows of a strip, whose accumulators fill the registers: with 32
// of them the even and the odd chains side by side, otherwise one after the other.
constexpr int kHalves = kLanes == 16 ? 2 : 1;
constexpr int kStripRows = kLanes == 16 ? 7 : kLanes == 8 ? 6 : 1;

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

// Prepared, a block of B is (16 of two k, 2 halves, even and odd, 16 floats).
constexpr int64_t kWideWords = 2 * Bf16Matrix::kWords;

template <bool kOdd, bool kPrepared>
HWY_INLINE F16 Column(const uint32_t* b, int64_t p, int64_t half) {
  if constexpr (kPrepared)
    return Load(reinterpret_cast<const float*>(b) + p * 64 + half * 32 + 16 * kOdd);
  return Widened<kOdd>(b + half * kBf16HalfWords + p * 16);
}

#define PONDER_TILE                                    \
  _Pragma("GCC unroll 16") for (int r = 0; r < R; ++r) \
      _Pragma("GCC unroll 2") for (int h = 0; h < H; ++h)

template <bool kOdd, bool kPrepared, int R, int H>
HWY_INLINE void Step(const float* a, const uint32_t* b, int64_t p, int64_t half, F16 (&sum)[R][H]) {
  F16 column[H];
  _Pragma("GCC unroll 2") for (int h = 0; h < H; ++h) column[h] =
      Column<kOdd, kPrepared>(b, p, half + h);
  _Pragma("GCC unroll 16") for (int r = 0; r < R; ++r) {
    const F16 row = Set(a[r * kRowFloats + p + 16 * kOdd]);
    _Pragma("GCC unroll 2") for (int h = 0; h < H; ++h) sum[r][h] = Fma(row, column[h], sum[r][h]);
  }
}

// R rows times H halves.
template <bool kPrepared, int R, int H>
void Strip(Bf16Tile& t, int64_t row, int64_t half) {
  constexpr bool kTogether = kLanes == 16 || R * H * kParts <= 8;
  const float* a = static_cast<const float*>(t.a) + row * kRowFloats;
  const uint32_t* b = t.b;
  const float* begin = t.begin.data ? t.begin.data + row * t.begin.stride + half * 16 : nullptr;
  float* c = t.c.data + row * t.c.stride + half * 16;
  F16 total[R][H];
  PONDER_TILE total[r][h] = begin ? Load(begin + r * t.begin.stride + h * 16) : Set(0.0f);
  Fetch fetch = t.fetch;
  for (int64_t block = 0; block < t.blocks; ++block) {
    fetch.step();
    F16 even[R][H], odd[R][H];
    PONDER_TILE even[r][h] = Set(0.0f);
    PONDER_TILE odd[r][h] = Set(0.0f);
    if constexpr (kTogether) {
      for (int64_t p = 0; p < 16; ++p) {
        Step<false, kPrepared, R, H>(a, b, p, half, even);
        Step<true, kPrepared, R, H>(a, b, p, half, odd);
      }
    } else {
      for (int64_t p = 0; p < 16; ++p) Step<false, kPrepared, R, H>(a, b, p, half, even);
      for (int64_t p = 0; p < 16; ++p) Step<true, kPrepared, R, H>(a, b, p, half, odd);
    }
    PONDER_TILE total[r][h] = Add(total[r][h], Add(even[r][h], odd[r][h]));
    a += kBf16Group * kRowFloats;
    b += kPrepared ? kWideWords : Bf16Matrix::kWords;
  }
  PONDER_TILE Store(total[r][h], c + r * t.c.stride + h * 16);
  t.fetch = fetch;
}
#undef PONDER_TILE

template <bool kPrepared, int... R>
void RunStrip(int rows, Bf16Tile& t, int64_t row, std::integer_sequence<int, R...>) {
  static constexpr void (*kTable[])(Bf16Tile&, int64_t,
                                    int64_t) = {&Strip<kPrepared, R + 1, kHalves>...};
  for (int64_t half = 0; half < 2; half += kHalves) kTable[rows - 1](t, row, half);
}

void Bf16FmaTile(const Bf16Tile& tile) {
  constexpr auto kRows = std::make_integer_sequence<int, kStripRows>();
  const int strips = (tile.rows + kStripRows - 1) / kStripRows;
  const int64_t b_words = tile.b_prepared ? kWideWords : Bf16Matrix::kWords;
  const int64_t together =
      strips == 1 ? tile.blocks : kStripBytes / (kWideWords * int64_t{sizeof(uint32_t)});
  Bf16Tile t = tile;
  t.fetch.spread(strips * 2 / kHalves * tile.blocks);
  int64_t block = 0;
  do {  // once without blocks too: what there is to begin from is the result
    t.blocks = std::min(together, tile.blocks - block);
    for (int i = 0; i < strips; ++i) {
      const int row = t.rows * i / strips, end = t.rows * (i + 1) / strips;
      t.b_prepared ? RunStrip<true>(end - row, t, row, kRows)
                   : RunStrip<false>(end - row, t, row, kRows);
    }
    t.a = static_cast<const float*>(t.a) + t.blocks * kBf16Group * kRowFloats;
    t.b += t.blocks * b_words;
    t.begin = t.c;
    block += together;
  } while (block < tile.blocks);
}

void Bf16WidenPanel(const uint32_t* packed, int64_t blocks, uint32_t* to) {
  auto* wide = reinterpret_cast<float*>(to);
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t p = 0; p < 16; ++p) {
      for (int64_t half = 0; half < 2; ++half, wide += 32) {
        const uint32_t* words = packed + half * kBf16HalfWords + p * 16;
        Store(Widened<false>(words), wide);
        Store(Widened<true>(words), wide + 16);
      }
    }
    packed += Bf16Matrix::kWords;
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
HWY_EXPORT(Bf16WidenPanel);
HWY_EXPORT(Bf16FmaPeak);
HWY_EXPORT(Bf16FmaPeakLanes);

bool bf16_registers_of_512_bits() {
  constexpr int64_t kChains = 12;
  return HWY_DYNAMIC_DISPATCH(Bf16FmaPeakLanes)() == kChains * 16;
}

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
          HWY_DYNAMIC_DISPATCH(Bf16WidenPanel),
          2 * Bf16Matrix::kWords,
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
