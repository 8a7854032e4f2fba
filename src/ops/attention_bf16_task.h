// What lies between the bf16 products of attention: for attention_bf16.cpp, and compiled for every
// instruction set.
#pragma once

#include "ops/attention.h"
#include "ops/bf16_task.h"

namespace ponder::ops {

// Queries that meet a block of keys together forward, rows of the left operands; backward takes two
// such groups at once.
constexpr int64_t kGroup = kBf16Group;
// Words of the left operand of a product over a block's keys.
constexpr int64_t kWeightWords = kKeyBlock / Bf16Matrix::kBlock * kGroup * kBf16RowWords;

// Row i (D) of f32 becomes row i of a group as bf16_pack_a leaves it: (blocks of 32 of D, 32, 16
// words). Rows that are not there, and what fills up a block, are zero.
struct Bf16GroupRows {
  const float* row[kGroup];
  int64_t rows, D;
};
void bf16_group_rows(const Bf16GroupRows& from, uint32_t* to);

// One block of keys of the online softmax.
struct Bf16Softmax {
  const float* s;                   // (rows, kKeyBlock) products of queries and keys
  uint32_t* p;                      // (kKeyBlock / 32, 32, 16 words) weights, rounded
  float *m, *l;                     // (kGroup) maximum and sum, which go on
  float* out;                       // (rows, out_stride) times exp(m - new m)
  const int64_t *visible, *hidden;  // (rows) as of Softmax, or nullptr
  int64_t rows, keys, out_stride;   // of the block's keys at least so many are seen
  float scale;
};
void bf16_softmax(const Bf16Softmax& task);

// s and dp become p and ds, in f32 and ds as the left operand of the product with keys.
struct Bf16WeightGradients {
  float *s, *dp;             // (rows, kKeyBlock)
  uint32_t* ds;              // (kKeyBlock / 32, 32, 16 words)
  const float *lse, *delta;  // (rows)
  int64_t rows;
  int64_t visible,
      hidden;  // the first query sees these keys of the block [hidden, visible), the next
               // one each of both more
  float scale;
};
void bf16_weight_gradients(const Bf16WeightGradients& task);

// to (T, D) = rows from element `first` on.
void bf16_widen_rows(float* to, const StoredRows& rows, int64_t first, RowShape shape);
// to (T, D) = dout; delta (T) = dot(dout, out).
void bf16_output_gradients(float* to, float* delta, ConstRows out, ConstRows dout, RowShape shape);

void attend_queries_bf16(const AttentionSequence& work, int64_t D, int64_t first, int64_t count);
void store_bf16_keys(uint32_t* block, int64_t first, ConstRows rows, int64_t count, int64_t D);
void store_bf16_values(uint32_t* block, int64_t first, ConstRows rows, int64_t count, int64_t D);
int64_t bf16_attention_backward_scratch(int64_t max_tokens, int64_t D);
void attention_backward_bf16(const AttentionBackwardSequence& work, int64_t D, float* scratch);

}  // namespace ponder::ops
