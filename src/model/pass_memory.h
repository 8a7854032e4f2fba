// The memory of a pass over a batch: what each layer keeps for backward, and scratch that all of
// them share, as pieces of one arena. How much that is follows from the sizes alone, so
// Decoder::pass_memory says it before the pass.
// T tokens, N targets, C hidden_size, F intermediate_size, V vocab_size, Q = heads * head_dim, KV =
// key-value heads * head_dim.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/batch.h"
#include "model/config.h"
#include "ops/bf16_matmul.h"
#include "tensor/arena.h"
#include "tensor/precision.h"

namespace ponder::model {

// What forward keeps for backward.
enum class Keep {
  kNothing,      // scoring: memory does not grow with the layers
  kCheckpoints,  // training with activation checkpointing: each layer runs again, bit-equal
  kActivations,  // training: everything backward needs
};

// Told of the logits (V) of a target (its index in the batch) and of log_sum_exp of them, from several
// threads at once. The row is gone afterwards.
using LogitRow = std::function<void(int64_t target, std::span<const float> logits, float lse)>;

struct PassSize {
  int64_t tokens = 0, targets = 0;
  int64_t key_blocks = 0;  // of kKeyBlock, rows rounded up to whole ones
  int64_t longest_row = 0;
  Keep keep = Keep::kNothing;
  int64_t sum_blocks = 0;  // of a gradient's sum in bf16: of 32 tokens, each row rounded up
};
PassSize size_of(const PackedBatch& batch, Keep keep);

// Rows of logits computed at a time, in chunks as even as they get: 60 Mi floats (240 MiB) at most,
// whatever the batch (but 14 rows). Each chunk reads the head's weights anew.
int64_t logits_rows(int64_t vocab_size, int64_t targets);

// Targets whose logits are computed together: at most `rows` but, in bf16, for the rest of a block.
// blocks: of the sum over these targets, counted from `begin`; in bf16 alone, where a row's targets
// make blocks of 32 from its first.
struct HeadChunk {
  int64_t begin = 0, rows = 0;
  std::vector<ops::Bf16Run> blocks;
};
std::vector<HeadChunk> head_chunks(const PackedBatch& batch, int64_t rows,
                                   tensor::Precision precision);
// The most rows such a chunk may have.
int64_t head_chunk_rows(int64_t vocab_size, int64_t targets, tensor::Precision precision);

// What a layer makes, and its backward needs. With activation checkpointing only x_in is its own;
// without backward x_in and x_mid are both the residual stream.
struct LayerActivations {
  // Of what is rounded when it is complete, in bf16 arithmetic, backward needs these alone; the
  // layers then share what has the same name below.
  struct Rounded {
    tensor::Bf16* qkv = nullptr;      // (T, Q + 2KV), normed and rotated
    tensor::Bf16* att = nullptr;      // (T, Q)
    tensor::Bf16* gate_up = nullptr;  // (T, 2F)
  } bf16;
  float* x_in = nullptr;                           // (T, C) residual stream at the layer's start
  float* x_mid = nullptr;                          // (T, C) and after attention
  float* qkv = nullptr;                            // (T, Q + 2KV), normed and rotated
  float* att = nullptr;                            // (T, Q)
  float* lse = nullptr;                            // (T, heads); may be null without backward
  float* gate_up = nullptr;                        // (T, 2F); backward leaves its gradient there
  float *inv_rms1 = nullptr, *inv_rms2 = nullptr;  // (T)
  // With norms of queries and keys only: what they were given (T, Q + KV; may be null without
  // backward), and for queries, then for keys, what they divided by: one number a token and head,
  // or a token.
  float *raw_qk = nullptr, *inv_rms_qk = nullptr;
  // With norms of the branches' outputs only: what they were given (T, C).
  float *attention_out = nullptr, *mlp_out = nullptr;
};

// Scratch that the layers share.
struct LayerMemory {
  float *h = nullptr, *delta = nullptr;  // (T, C) a branch's normed input, and its output
  float* act = nullptr;                  // (T, F)
  // Backward: gradients of residual and normed (T, C), of q, k, v (T, Q + 2KV), of attention (T,
  // Q); that of act takes its place.
  float *dx = nullptr, *dh = nullptr, *dqkv = nullptr, *datt = nullptr;
  float* attention_backward = nullptr;
  float* operand = nullptr;  // in bf16: what a weight's gradient sums over, rounded
};

// The head's logits, hidden and dhidden lie where layers compute: once they are written, delta, act, dx, dqkv, datt,
// attention_backward and what layers share of LayerActivations are lost, and the other way round.
struct PassMemory : LayerMemory {
  std::vector<LayerActivations> layers;
  float* x = nullptr;        // (T, C) residual stream
  void* keys = nullptr;      // keys and values in blocks
  float* inv_rms = nullptr;  // (T) before the LM head
  // LM head.
  float* lse = nullptr;     // (N) log-sum-exp of the logits
  float* logits = nullptr;  // (head_chunk_rows, V)
  float *hidden = nullptr,
        *dhidden = nullptr;  // (head_chunk_rows, C) normed hidden states of targets

  // Takes the pieces; pointers are null while the arena counts.
  void lay_out(tensor::Arena& arena, const ModelConfig& config, const PassSize& size, int threads,
               tensor::Precision precision);
};

// Scratch of an inference step over T tokens, N of which want logits.
struct StepMemory : LayerMemory {
  LayerActivations layer;                            // all layers use the same
  float* inv_rms = nullptr;                          // (T)
  float *hidden = nullptr, *hidden_delta = nullptr;  // (N, C)

  void lay_out(tensor::Arena& arena, const ModelConfig& config, int64_t tokens, int64_t targets);
};

}  // namespace ponder::model
