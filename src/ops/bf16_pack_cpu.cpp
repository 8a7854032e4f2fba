#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "ops/bf16_task.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/bf16_pack_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/bf16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ponder::ops {
namespace HWY_NAMESPACE {

using DU = hn::RebindToUnsigned<D16>;
using U = hn::Vec<DU>;
constexpr int64_t kBlock = Bf16Matrix::kBlock;

HWY_INLINE U RoundedAt(const float* from) { return RoundedBits(hn::LoadU(D16(), from)); }

// A row's 32 elements, two to a word.
HWY_INLINE void RoundRow(const float* from, uint32_t* to) {
  const hn::RebindToSigned<D16> di;
  const hn::Rebind<uint16_t, D16> dn;
  auto* narrow = reinterpret_cast<uint16_t*>(to);
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    const auto high = hn::BitCast(di, hn::ShiftRight<16>(RoundedAt(from + i)));
    hn::StoreU(hn::DemoteTo(dn, high), dn, narrow + i);
  }
}

// Sixteen words of which each joins even[i] (low half) and odd[i].
HWY_INLINE void RoundPairs(const float* even, const float* odd, uint32_t* to) {
  const DU du;
  for (int i = 0; i < 16; i += kLanes) {
    const U high = hn::And(RoundedAt(odd + i), hn::Set(du, 0xFFFF0000u));
    hn::StoreU(hn::Or(hn::ShiftRight<16>(RoundedAt(even + i)), high), du, to + i);
  }
}

#if HWY_TARGET == HWY_AVX3
// Of four vectors of four 128 bits each: to[i] has the i-th of each.
HWY_INLINE void Transpose4(const __m512i (&from)[4], __m512i (&to)[4]) {
  const __m512i low01 = _mm512_shuffle_i32x4(from[0], from[1], 0x44),
                high01 = _mm512_shuffle_i32x4(from[0], from[1], 0xEE),
                low23 = _mm512_shuffle_i32x4(from[2], from[3], 0x44),
                high23 = _mm512_shuffle_i32x4(from[2], from[3], 0xEE);
  to[0] = _mm512_shuffle_i32x4(low01, low23, 0x88);
  to[1] = _mm512_shuffle_i32x4(low01, low23, 0xDD);
  to[2] = _mm512_shuffle_i32x4(high01, high23, 0x88);
  to[3] = _mm512_shuffle_i32x4(high01, high23, 0xDD);
}
#endif

// to[c][r] = from[r][c], of sixteen by sixteen words.
HWY_INLINE void Transpose16(const uint32_t* from, uint32_t* to) {
#if HWY_TARGET == HWY_AVX3
  // Within each 128 bits: column 4 i + j of four rows.
  __m512i columns[4][4];
  _Pragma("GCC unroll 4") for (int r = 0; r < 4; ++r) {
    const uint32_t* at = from + r * 64;
    const __m512i x0 = _mm512_loadu_si512(at), x1 = _mm512_loadu_si512(at + 16),
                  x2 = _mm512_loadu_si512(at + 32), x3 = _mm512_loadu_si512(at + 48);
    const __m512i low01 = _mm512_unpacklo_epi32(x0, x1), low23 = _mm512_unpacklo_epi32(x2, x3),
                  high01 = _mm512_unpackhi_epi32(x0, x1), high23 = _mm512_unpackhi_epi32(x2, x3);
    columns[0][r] = _mm512_unpacklo_epi64(low01, low23);
    columns[1][r] = _mm512_unpackhi_epi64(low01, low23);
    columns[2][r] = _mm512_unpacklo_epi64(high01, high23);
    columns[3][r] = _mm512_unpackhi_epi64(high01, high23);
  }
  _Pragma("GCC unroll 4") for (int j = 0; j < 4; ++j) {
    __m512i turned[4];
    Transpose4(columns[j], turned);
    for (int i = 0; i < 4; ++i) _mm512_storeu_si512(to + (4 * i + j) * 16, turned[i]);
  }
#elif HWY_TARGET == HWY_SCALAR
  for (int r = 0; r < 16; ++r) {
    for (int c = 0; c < 16; ++c) to[c * 16 + r] = from[r * 16 + c];
  }
#else
  const DU d;
  const hn::Repartition<uint64_t, DU> d64;
  const auto wide = [&](U x) HWY_ATTR { return hn::BitCast(d64, x); };
  HWY_ALIGN uint32_t four[4][kLanes];
  for (int r = 0; r < 16; r += 4) {
    for (int c = 0; c < 16; c += kLanes) {
      // Within each 128 bits: columns c + 4 i + 0, 1, 2, 3 of the four rows.
      const uint32_t* at = from + r * 16 + c;
      const U x0 = hn::LoadU(d, at), x1 = hn::LoadU(d, at + 16);
      const U x2 = hn::LoadU(d, at + 32), x3 = hn::LoadU(d, at + 48);
      const auto low01 = wide(hn::InterleaveLower(d, x0, x1));
      const auto low23 = wide(hn::InterleaveLower(d, x2, x3));
      const auto high01 = wide(hn::InterleaveUpper(d, x0, x1));
      const auto high23 = wide(hn::InterleaveUpper(d, x2, x3));
      hn::Store(hn::BitCast(d, hn::InterleaveLower(d64, low01, low23)), d, four[0]);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23)), d, four[1]);
      hn::Store(hn::BitCast(d, hn::InterleaveLower(d64, high01, high23)), d, four[2]);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23)), d, four[3]);
      for (int i = 0; i < kLanes / 4; ++i) {
        for (int j = 0; j < 4; ++j)
          std::memcpy(to + (c + 4 * i + j) * 16 + r, four[j] + 4 * i, 4 * sizeof(uint32_t));
      }
    }
  }
#endif
}

// A's columns lie side by side: sixteen rows of two k make sixteen words.
void PackColumnsOfA(const Bf16PackA& t, uint32_t* to) {
  float even[16] = {}, odd[16] = {};
  uint32_t pairs[16 * 16];
  for (int64_t b = 0; b < t.blocks; ++b) {
    const Bf16Run run = t.run(b);
    for (int64_t r = 0; r < t.rows; r += 16) {
      const int64_t rows = std::min<int64_t>(16, t.rows - r);
      for (int64_t p = 0; p < 16; ++p) {
        const int64_t here = run.count - 2 * p;  // of the two k
        const float* from = t.A.data + (run.begin + 2 * p) * t.A.column_stride + t.m + r;
        if (rows == 16 && here >= 2) {
          RoundPairs(from, from + t.A.column_stride, pairs + p * 16);
          continue;
        }
        for (int64_t i = 0; i < rows; ++i) {
          even[i] = here >= 1 ? from[i] : 0.0f;
          odd[i] = here >= 2 ? from[t.A.column_stride + i] : 0.0f;
        }
        RoundPairs(even, odd, pairs + p * 16);
      }
      Transpose16(pairs, to + (b * kBf16Group + r) * kBf16RowWords);
    }
  }
}

void PackRowsOfA(const Bf16PackA& t, uint32_t* to) {
  float row[kBlock];
  const int64_t filled = (t.rows + 15) / 16 * 16;
  for (int64_t b = 0; b < t.blocks; ++b) {
    const Bf16Run run = t.run(b);
    uint32_t* block = to + b * kBf16Group * kBf16RowWords;
    for (int64_t r = 0; r < t.rows; ++r) {
      const float* from = t.A.data + (t.m + r) * t.A.row_stride + run.begin * t.A.column_stride;
      if (run.count < kBlock || t.A.column_stride != 1) {
        for (int64_t k = 0; k < kBlock; ++k)
          row[k] = k < run.count ? from[k * t.A.column_stride] : 0;
        from = row;
      }
      RoundRow(from, block + r * kBf16RowWords);
    }
    std::fill(block + t.rows * kBf16RowWords, block + filled * kBf16RowWords, 0u);
  }
}

void Bf16PackAny(const Bf16PackA& t, uint32_t* to) {
  t.A.row_stride == 1 && t.A.column_stride != 1 ? PackColumnsOfA(t, to) : PackRowsOfA(t, to);
}

void Bf16PackColumns(const Bf16Half& half, const Bf16Columns& columns) {
  uint32_t words[16 * 16], transposed[16 * 16];
  float wide[kBlock];
  const int64_t width = ponder::tensor::size_bytes(columns.dtype);
  bool whole = true;
  for (int j = 0; j < 16; ++j) whole = whole && columns.row[j];
  for (int64_t k0 = 0; k0 < half.K; k0 += kBlock) {
    const int64_t count = std::min(kBlock, half.K - k0);
    for (int j = 0; j < 16; ++j) {
      if (!columns.row[j]) continue;
      const char* from = static_cast<const char*>(columns.row[j]) + k0 * width;
      uint32_t* to = words + j * 16;
      if (columns.dtype == tensor::DType::kBF16) {
        if (count < kBlock) std::fill(to, to + 16, 0u);
        std::memcpy(to, from, static_cast<size_t>(count * width));
        continue;
      }
      if (count < kBlock) std::fill(wide, wide + kBlock, 0.0f);
      tensor::to_f32(std::span(wide, static_cast<size_t>(count)), from, columns.dtype);
      RoundRow(wide, to);
    }
    Transpose16(words, transposed);
    uint32_t* to = half.to + k0 / kBlock * half.stride;
    if (whole) {
      std::memcpy(to, transposed, sizeof transposed);
      continue;
    }
    for (int p = 0; p < 16; ++p) {
      for (int j = 0; j < 16; ++j) {
        if (columns.row[j]) to[p * 16 + j] = transposed[p * 16 + j];
      }
    }
  }
}

void Bf16PackRows(const Bf16Half& half, const Bf16RowsOfB& rows) {
  float even[16] = {}, odd[16] = {};
  for (int64_t b = 0; b < (half.K + kBlock - 1) / kBlock; ++b) {
    const int64_t k0 = b * kBlock;
    const Bf16Run run = rows.runs.empty() ? Bf16Run{k0, std::min(kBlock, half.K - k0)}
                                          : rows.runs[static_cast<size_t>(b)];
    uint32_t* to = half.to + b * half.stride;
    for (int64_t k = 0; k < kBlock; k += 2, to += 16) {
      const auto row = [&](int64_t i) {
        return i < run.count ? rows.view->row(run.begin + i) + rows.column : nullptr;
      };
      const float *low = row(k), *high = row(k + 1);
      if (rows.count == 16 && high) {
        RoundPairs(low, high, to);
        continue;
      }
      for (int64_t i = 0; i < rows.count; ++i) {
        even[i] = low ? low[i] : 0.0f;
        odd[i] = high ? high[i] : 0.0f;
      }
      RoundPairs(even, odd, to);
    }
  }
}

// Two neighbouring words of row q, (k, k + 1) of columns j and j + 1, hold what two neighbouring words
// of row j / 2 have to: the pair's four elements with the middle ones exchanged. The pairs then move
// as in a transposition of 8 by 8.
void Bf16TransposeBlock(const uint32_t* from, uint32_t* to) {
  for (int64_t h = 0; h < 2; ++h) {    // columns from 16 h on become k
    for (int64_t g = 0; g < 2; ++g) {  // k from 16 g on become columns
      const uint32_t* rows = from + h * kBf16HalfWords + g * 8 * 16;
      uint32_t* turned = to + g * kBf16HalfWords + h * 8 * 16;
#if HWY_TARGET == HWY_AVX3
      const __m512i exchange = _mm512_broadcast_i32x4(
          _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
      __m512i even[4], odd[4];  // pairs 2 i and 2 i + 1 of two rows
      _Pragma("GCC unroll 4") for (int q = 0; q < 4; ++q) {
        const __m512i x0 = _mm512_shuffle_epi8(_mm512_loadu_si512(rows + q * 32), exchange),
                      x1 = _mm512_shuffle_epi8(_mm512_loadu_si512(rows + q * 32 + 16), exchange);
        even[q] = _mm512_unpacklo_epi64(x0, x1);
        odd[q] = _mm512_unpackhi_epi64(x0, x1);
      }
      __m512i columns[4];
      Transpose4(even, columns);
      for (int i = 0; i < 4; ++i) _mm512_storeu_si512(turned + 2 * i * 16, columns[i]);
      Transpose4(odd, columns);
      for (int i = 0; i < 4; ++i) _mm512_storeu_si512(turned + (2 * i + 1) * 16, columns[i]);
#else
      uint64_t pairs[8 * 8], moved[8 * 8];
      std::memcpy(pairs, rows, sizeof pairs);
      for (int q = 0; q < 8; ++q) {
        for (int i = 0; i < 8; ++i) {
          const uint64_t x = pairs[q * 8 + i];
          moved[i * 8 + q] =
              (x & 0xFFFF00000000FFFFu) | (x >> 16 & 0xFFFF0000u) | (x & 0xFFFF0000u) << 16;
        }
      }
      std::memcpy(turned, moved, sizeof moved);
#endif
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ponder::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ponder::ops {
HWY_EXPORT(Bf16PackAny);
HWY_EXPORT(Bf16PackColumns);
HWY_EXPORT(Bf16PackRows);
HWY_EXPORT(Bf16TransposeBlock);

void bf16_pack_a(const Bf16PackA& task, uint32_t* to) {
  HWY_DYNAMIC_DISPATCH(Bf16PackAny)(task, to);
}
void bf16_pack_columns(const Bf16Half& half, const Bf16Columns& columns) {
  HWY_DYNAMIC_DISPATCH(Bf16PackColumns)(half, columns);
}
void bf16_pack_rows(const Bf16Half& half, const Bf16RowsOfB& rows) {
  HWY_DYNAMIC_DISPATCH(Bf16PackRows)(half, rows);
}
void bf16_transpose_block(const uint32_t* from, uint32_t* to) {
  HWY_DYNAMIC_DISPATCH(Bf16TransposeBlock)(from, to);
}

}  // namespace ponder::ops
#endif
