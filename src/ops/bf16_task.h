// Between the loops of a bf16 product (bf16_matmul.cpp) and its kernels. A lies in groups of 32 rows,
// block by block of 32 k, so that a kernel's operands are contiguous.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/bf16_matmul.h"
#include "ops/fetch.h"

namespace ponder::ops {

constexpr int64_t kBf16Group = 32;                         // rows of A
constexpr int64_t kBf16RowWords = Bf16Matrix::kBlock / 2;  // a row of a block, two elements a word
constexpr int64_t kBf16HalfWords = kBf16RowWords * 16;     // 16 columns of a block of B

// Up to so many rows a panel is not prepared: what that saves them is less than it takes.
constexpr int64_t kFewRows = 16;

// Blocks that a tile's strips of rows pass through together, while they lie in L1: 16 KiB of B, and of
// A as much.
constexpr int64_t kStripBytes = 16 << 10;

// 1 to 32 rows of C times one panel, over some blocks of k.
struct Bf16Tile {
  const void* a;      // (blocks, 32, kRowWords), as prepare() left it
  const uint32_t* b;  // (blocks, 2, 16, 16), or as prepare_b() left it
  bool b_prepared;
  int64_t blocks;
  int rows;
  ConstRows begin;  // what the blocks' sums are added to; null for zero
  Rows c;           // 32 columns
  float* next;      // of C: where the tile after this one lies, or this; its rows are as far apart
  Fetch fetch;      // of B
};

struct Bf16Kernel {
  // Of this thread, around its tiles.
  void (*start)();
  void (*finish)();
  // `rows` rows of words as packed, as tile() reads them: prepared_words words a row. nullptr: as
  // they are.
  void (*prepare)(const uint32_t* packed, int64_t rows, uint32_t* to);
  int64_t prepared_words;
  // Blocks of a panel of B as packed, for tiles that many rows share: prepared_b_words words a block.
  // nullptr: as they are.
  void (*prepare_b)(const uint32_t* packed, int64_t blocks, uint32_t* to);
  int64_t prepared_b_words;
  void (*tile)(const Bf16Tile& tile);
  // `steps` times peak_flops operations in registers.
  void (*peak)(int64_t steps);
  double peak_flops;
  // Whether between start() and finish() all of the thread's arithmetic flushes denormals.
  bool flushes = true;
  // A tile of a multiple of so many rows is written in place.
  int rows_at_once = 1;
  // Blocks of k at a time, so that a panel's (2 KiB a block) and a group's stay near.
  int64_t blocks_at_once = 32;
  // Of so many C is written once; and the size of all groups that a panel passes by, which stay in L2.
  int64_t blocks_packed = 32, packed_words = int64_t{1} << 17;
};

Bf16Kernel bf16_kernel();  // the one that runs
Bf16Kernel bf16_fma_kernel();
Bf16Kernel bf16_dot_kernel();
Bf16Kernel bf16_amx_kernel();
bool bf16_registers_of_512_bits();  // that kernels are dispatched to
bool dot_announced();
bool amx_announced();
bool amx_permitted();  // asks

// Rows [m, m + rows) of A, rows <= 32, and k of blocks [block, block + blocks) of K, rounded, to
// (blocks, 32, kRowWords); beyond K zero, rows up to a multiple of 16 zero. With runs block i is
// runs[i], without them 32 k from the last block's end on.
struct Bf16PackA {
  MatrixA A;
  int64_t m, rows, K, block, blocks;
  const Bf16Run* runs = nullptr;

  Bf16Run run(int64_t b) const {  // of those that are packed
    const int64_t k = (block + b) * Bf16Matrix::kBlock;
    return runs ? runs[block + b] : Bf16Run{k, std::min(Bf16Matrix::kBlock, K - k)};
  }
};
void bf16_pack_a(const Bf16PackA& task, uint32_t* to);

// Sixteen columns of B (K rows): `to` is the half's first block, blocks lie `stride` words apart.
struct Bf16Half {
  int64_t K;
  uint32_t* to;
  int64_t stride;
};
// Column j is row[j] (K of `dtype`); nullptr: stays as it is.
struct Bf16Columns {
  const void* row[16];
  tensor::DType dtype;
};
void bf16_pack_columns(const Bf16Half& half, const Bf16Columns& columns);
// Columns [column, column + count) of all rows of the view; the others become zero.
struct Bf16RowsOfB {
  const MatrixView* view;
  int64_t column, count;
  Bf16Runs runs = {};  // empty: from the first row on
};
void bf16_pack_rows(const Bf16Half& half, const Bf16RowsOfB& rows);

// A block (32 k, 32 columns) with k and columns exchanged.
void bf16_transpose_block(const uint32_t* from, uint32_t* to);

}  // namespace ponder::ops
