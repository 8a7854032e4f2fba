// What one thread does of attention: for attention.cpp, which checks and shares out, and the
// kernels.
#pragma once

#include "ops/attention.h"

namespace ponder::ops {

// Queries that pass by a block of keys together, counted over tokens and heads: what they take in
// L1 beside the block, against how often blocks come from L2 or memory.
constexpr int64_t kQueries = 48;
// Queries of one head that meet a block of keys together: the length of dk's and dv's chains
// between memory and registers.
constexpr int64_t kQueryBlock = 64;

// Up to so many blocks the keys of a row are laid out once for all heads of a group; in longer
// rows, where that costs little beside the rest and memory much, again for each head.
constexpr int64_t kKeptBlocks = 32;

// What backward has in scratch: one head's queries side by side, blocks of keys, and the weights
// and their gradients of a block of queries and one of keys.
struct BackwardScratch {
  // A null scratch only counts.
  BackwardScratch(float* scratch, int64_t num_tokens, int64_t D) {
    const auto take = [&](int64_t floats) {
      float* piece = scratch ? scratch + used : nullptr;
      used += (floats + 15) / 16 * 16;
      return piece;
    };
    const int64_t blocks = (num_tokens + kKeyBlock - 1) / kKeyBlock;
    kept = blocks <= kKeptBlocks;
    for (float** piece : {&q, &dout, &dq}) *piece = take(num_tokens * D);
    for (float** piece : {&lse, &delta}) *piece = take(num_tokens);
    for (float** piece : {&keys_transposed, &values_transposed, &keys, &dk, &dv}) {
      *piece = take((kept ? blocks : 1) * kKeyBlock * D);
    }
    for (float** piece : {&p, &ds}) *piece = take(kQueryBlock * kKeyBlock);
  }
  float *q, *dout, *dq;  // (num_tokens, D)
  float *lse, *delta;    // (num_tokens)
  // Of the current block of keys: (D, kKeyBlock), then (kKeyBlock, D).
  float *keys_transposed, *values_transposed, *keys, *dk, *dv;
  float *p, *ds;  // (kQueryBlock, kKeyBlock)
  bool kept;
  int64_t used = 0;
};

// Queries [first, first + count) of a work, counted token by token and within a token head by head,
// so that those of a tile see nearly the same keys. count <= kQueries.
void attend_queries(const AttentionSequence& work, int64_t D, int64_t first, int64_t count);
void transpose_key_rows(float* block, ConstRows keys, int64_t count, int64_t D);
void attention_backward_sequence(const AttentionBackwardSequence& work, int64_t D, float* scratch);

}  // namespace ponder::ops
