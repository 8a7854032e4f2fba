// Causal attention with grouped query heads, computed block by block (online softmax, Milakov &
// Gimelshein 2018; Dao et al. 2022): score matrices are never stored. Keys and values come in
// blocks of kKeyBlock, keys transposed.
//
// Definition, per query (head_dim D, scale 1/sqrt(D)), over the row's blocks of 64 keys in
// ascending order:
//   s_j = (fma chain over d of q_d k_jd) * scale; keys that the query does not see are -inf
//   m' = max(m, max s); p_j = exp(s_j - m'); c = exp(m - m')
//   l = fma(l, c, sum p): p in four vectors of 16, (v0 + v1) + (v2 + v3), then the folding tree
//   o_d = (o_d * c), then a fma chain over j of p_j v_jd
// and at the end o / l (times 1/l), lse = m + log l. A query at position t sees keys 0 .. t; with a
// sliding window (as Mistral's; transformers' sliding_window) only the last `window` of them,
// itself among them: blocks of which it sees no key are left out, and the blocks stay where they
// are, so a window that reaches to the first key changes no bit. Nothing depends on how many
// queries are computed together, so training, prefill and single-token decode give the same bits.
// In bf16 arithmetic both chains are bf16 products (ops/bf16_matmul.h), p rounded in the second one
// alone; what lies between them is the f32 of above.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "base/thread_pool.h"
#include "ops/stored_rows.h"
#include "ops/view.h"
#include "tensor/precision.h"

namespace ponder::ops {

constexpr int64_t kKeyBlock = 64;
constexpr int64_t kNoWindow = std::numeric_limits<int64_t>::max();

// Bytes of a block of keys, and of one of values: kKeyBlock rows of D, in f32 keys as (D, kKeyBlock)
// and values as (kKeyBlock, D), in bf16 both as a Bf16Matrix (B of the product that reads them).
int64_t key_block_bytes(int64_t D, tensor::Precision precision);
// Rows (count, D) become rows [first, first + count) of a block (Error beyond kKeyBlock), rounded in
// bf16. A block's rows are stored in order, from its first on; what it held before behind them, of
// whatever content, no query that ends at them meets.
void store_keys(void* block, tensor::Precision precision, int64_t first, ConstRows rows,
                int64_t count, int64_t D);
void store_values(void* block, tensor::Precision precision, int64_t first, ConstRows rows,
                  int64_t count, int64_t D);

// Queries of one sequence against one key-value head: num_queries consecutive tokens times `group`
// query heads. Threads share out the queries, so a work may be as long as a row.
struct AttentionSequence {
  ConstRows q;                    // token t, head g: row t, from g * D on
  Rows out;                       // likewise; overwritten
  Rows lse;                       // token t, head g: row t, element g; null data: not wanted
  const void* const* key_blocks;  // as store_keys and store_values left them, aligned to 64 bytes
  const void* const* value_blocks;
  int64_t num_queries;
  int64_t first_position;  // of the first query in its sequence: it sees keys 0 .. first_position
  int64_t group;
  int64_t window = kNoWindow;  // at least 1; blocks before all windows are not looked at
  tensor::Precision precision = tensor::Precision::kF32;
};

// D must be a multiple of 16. Impossible shapes are an Error, here and below.
void attention(std::span<const AttentionSequence> sequences, int64_t D, ThreadPool& threads);

// The backward pass of one row and one key-value head, over all the row's tokens.
struct AttentionBackwardSequence {
  StoredRows q, k, v;   // token t: row t (q: head g from g * D on)
  ConstRows out, dout;  // token t, head g: row t, from g * D on
  ConstRows lse;        // token t, head g: row t, element g
  Rows dq, dk, dv;      // as q, k, v; overwritten
  int64_t num_tokens;
  int64_t group;
  int64_t window = kNoWindow;
  tensor::Precision precision = tensor::Precision::kF32;
};

// Floats of scratch one thread needs for rows of at most max_tokens.
int64_t attention_backward_scratch(int64_t max_tokens, int64_t D,
                                   tensor::Precision precision = tensor::Precision::kF32);

// dk_j and dv_j are fma chains over the group's heads, then over queries ascending; dq_i over keys
// ascending. In bf16 they are bf16 products, continued from head to head, whose blocks are 32 of the
// row's queries or keys from its first on; p, ds and dout are rounded in them. scratch: num_threads *
// attention_backward_scratch floats, aligned to 64 bytes.
void attention_backward(std::span<const AttentionBackwardSequence> sequences, int64_t D,
                        float* scratch, int64_t scratch_per_thread, ThreadPool& threads);

}  // namespace ponder::ops
