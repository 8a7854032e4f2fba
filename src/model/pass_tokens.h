// The tokens of a pass through the layers, sequence by sequence, and where the keys and values of
// each sequence lie: the only thing in which training, scoring, prefill and decode differ.
// T tokens, D head_dim.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/batch.h"
#include "model/config.h"
#include "ops/bf16_matmul.h"
#include "tensor/precision.h"

namespace ponder::model {

// Consecutive tokens of one sequence: those of the pass from `begin` on.
struct TokenSlice {
  int64_t begin, count;
  int64_t first_position;  // in its sequence; keys before it are there already
};

class PassTokens {
 public:
  // Whole rows.
  explicit PassTokens(const PackedBatch& batch);
  // The next tokens of sequences that lie in a cache.
  explicit PassTokens(std::span<const SequenceSlice> slices);

  const std::vector<TokenSlice>& slices() const { return slices_; }
  const std::vector<int32_t>& positions() const { return positions_; }  // (T), each in its sequence
  int64_t size() const { return static_cast<int64_t>(positions_.size()); }
  int64_t longest() const { return longest_; }  // positions of the longest sequence
  // Of a sum over the tokens in bf16 arithmetic: 32 at a time, from each slice's first on.
  std::vector<ops::Bf16Run> sum_blocks() const;

 private:
  void add(int64_t count, int64_t first_position);

  std::vector<TokenSlice> slices_;
  std::vector<int32_t> positions_;
  int64_t longest_ = 0;
};

// Blocks of kKeyBlock positions, as ops::store_keys and store_values leave them. Borrowed.
// They are of f32, in bf16 arithmetic, where they are rounded already, of bf16.
struct KeyValueBlocks {
  // Of the first layer: slice by slice, key-value head by head, the sequence's blocks in order.
  std::vector<void*> keys, values;
  std::vector<size_t> first;  // of each slice and head, its place in keys; slice * heads + head
  // Bytes from a layer's blocks to the next layer's; 0: each layer writes over the last one's.
  int64_t layer_stride = 0;
};

// Blocks of whole rows in `memory`: 2 * PassSize::key_blocks * key-value heads blocks.
KeyValueBlocks blocks_of_rows(const PassTokens& tokens, const ModelConfig& config,
                              tensor::Precision precision, void* memory);

}  // namespace ponder::model
