// TDPBF16PS adds to each of 16 x 16 elements, for 32 k, the sum of an even and an odd chain of fused
// multiply-adds: the definition of a block.
#include <cstdint>
#include <cstring>

#include "ops/bf16_task.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PONDER_AMX __attribute__((target("amx-tile,amx-bf16")))

namespace ponder::ops {
namespace {

constexpr int64_t kTileWords = 16 * 16;  // a tile register, 1 KiB
constexpr int64_t kRowBytes = 64;

// The compiler takes tile instructions for ones that touch no memory (g++ 12 of loadconfig: eight
// bytes): what they read has to be written before them.
inline void written() { asm volatile("" ::: "memory"); }

struct TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

PONDER_AMX void start_tiles() {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = kRowBytes;
    config.rows[i] = 16;
  }
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}

PONDER_AMX void finish_tiles() { _tile_release(); }

struct TileRows {
  const float* begin;  // or nullptr
  int64_t begin_bytes;
  float* c;
  int64_t c_bytes;
  Rows next;  // of the tile that follows: to be written, a line at a time, they would be waited for
  Fetch fetch;

  // Row i of them.
  void prefetch_next(int64_t i) const {
    const float* row = next.data + i * next.stride;
    __builtin_prefetch(row, 1);
    __builtin_prefetch(row + 16, 1);
  }
};

// Registers 0 to 3 accumulate (rows 0, 1 by columns 0, 1), 4 and 5 are A, 6 and 7 B. A passes by B, which
// stays in L1: its loads say that it will not be read again soon.
PONDER_AMX void two_by_two(const uint32_t* a, const uint32_t* b, int64_t blocks,
                           const TileRows& t) {
  if (t.begin) {
    const float* lower = t.begin + 16 * t.begin_bytes / 4;
    _tile_loadd(0, t.begin, t.begin_bytes);
    _tile_loadd(1, t.begin + 16, t.begin_bytes);
    _tile_loadd(2, lower, t.begin_bytes);
    _tile_loadd(3, lower + 16, t.begin_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  Fetch fetch = t.fetch;
  for (int64_t i = 0; i < blocks; ++i) {
    fetch.step_far();
    if (i < 16) {
      t.prefetch_next(2 * i);
      t.prefetch_next(2 * i + 1);
    }
    _tile_loadd(6, b, kRowBytes);
    _tile_stream_loadd(4, a, kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + kTileWords, kRowBytes);
    _tile_dpbf16ps(1, 4, 7);
    _tile_stream_loadd(5, a + kTileWords, kRowBytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    a += 2 * kTileWords;
    b += 2 * kTileWords;
  }
  float* lower = t.c + 16 * t.c_bytes / 4;
  _tile_stored(0, t.c, t.c_bytes);
  _tile_stored(1, t.c + 16, t.c_bytes);
  _tile_stored(2, lower, t.c_bytes);
  _tile_stored(3, lower + 16, t.c_bytes);
}

// Few rows: here A stays, and B passes by once.
PONDER_AMX void one_by_two(const uint32_t* a, const uint32_t* b, int64_t blocks,
                           const TileRows& t) {
  if (t.begin) {
    _tile_loadd(0, t.begin, t.begin_bytes);
    _tile_loadd(1, t.begin + 16, t.begin_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
  }
  Fetch fetch = t.fetch;
  for (int64_t i = 0; i < blocks; ++i) {
    fetch.step_far();
    if (i < 16) t.prefetch_next(i);
    _tile_loadd(4, a, kRowBytes);
    _tile_stream_loadd(6, b, kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_stream_loadd(7, b + kTileWords, kRowBytes);
    _tile_dpbf16ps(1, 4, 7);
    a += 2 * kTileWords;
    b += 2 * kTileWords;
  }
  _tile_stored(0, t.c, t.c_bytes);
  _tile_stored(1, t.c + 16, t.c_bytes);
}

void amx_tile(const Bf16Tile& t) {
  const auto* a = static_cast<const uint32_t*>(t.a);
  const auto tiles = t.rows > 16 ? two_by_two : one_by_two;
  Fetch fetch = t.fetch;
  fetch.spread(t.blocks);
  const Rows next{t.next, t.c.stride};
  if (t.rows % 16 == 0) {
    written();
    return tiles(a, t.b, t.blocks,
                 {t.begin.data, t.begin.stride * 4, t.c.data, t.c.stride * 4, next, fetch});
  }
  // Whole tiles only: rows that are not there are computed aside.
  alignas(64) float rows[kBf16Group * Bf16Matrix::kPanel];
  constexpr int64_t kBytes = Bf16Matrix::kPanel * 4;
  std::memset(rows, 0, sizeof rows);
  if (t.begin.data) {
    for (int r = 0; r < t.rows; ++r)
      std::memcpy(rows + r * Bf16Matrix::kPanel, t.begin.data + r * t.begin.stride, kBytes);
  }
  written();
  tiles(a, t.b, t.blocks, {rows, kBytes, rows, kBytes, next, fetch});
  for (int r = 0; r < t.rows; ++r)
    std::memcpy(t.c.data + r * t.c.stride, rows + r * Bf16Matrix::kPanel, kBytes);
}

PONDER_AMX void amx_peak(int64_t steps) {
  // Numbers of both signs with all their bits: multiplying zeros takes less power, and may run at a higher
  // clock than any product.
  alignas(64) uint32_t numbers[4 * kTileWords];
  uint32_t seed = 1;
  for (uint32_t& word : numbers) {
    seed = seed * 1664525 + 1013904223;
    word = 0x3C003C00 + (seed & 0x83FF83FF);  // two of magnitude 2^-7 to 2
  }
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  written();
  _tile_loadd(4, numbers, kRowBytes);
  _tile_loadd(5, numbers + kTileWords, kRowBytes);
  _tile_loadd(6, numbers + 2 * kTileWords, kRowBytes);
  _tile_loadd(7, numbers + 3 * kTileWords, kRowBytes);
  for (int64_t s = 0; s < steps; ++s) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

}  // namespace

bool amx_announced() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1);
}

// Once for the whole process; since Linux 5.16.
bool amx_permitted() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return amx_announced() && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

Bf16Kernel bf16_amx_kernel() {
  constexpr double kFlops = 4 * 2.0 * 16 * 16 * Bf16Matrix::kBlock;
  Bf16Kernel kernel{start_tiles,        finish_tiles, nullptr,  kBf16RowWords, nullptr,
                    Bf16Matrix::kWords, amx_tile,     amx_peak, kFlops};
  kernel.flushes = false;
  kernel.rows_at_once = 16;
  // 40 KiB of a panel in an L1 of 48, which A does not fill; 1 MiB of groups in an L2 of 2.
  kernel.blocks_at_once = 20;
  kernel.packed_words = int64_t{1} << 18;
  return kernel;
}

}  // namespace ponder::ops
#else
namespace ponder::ops {
bool amx_announced() { return false; }
bool amx_permitted() { return false; }
Bf16Kernel bf16_amx_kernel() { return bf16_fma_kernel(); }
}  // namespace ponder::ops
#endif
