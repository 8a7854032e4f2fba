#include "model/pass_tokens.h"

#include <algorithm>
#include <cstddef>

#include "model/kv_cache.h"
#include "ops/attention.h"

namespace ponder::model {

PassTokens::PassTokens(const PackedBatch& batch) {
  for (size_t r = 0; r + 1 < batch.row_begin.size(); ++r)
    add(batch.row_begin[r + 1] - batch.row_begin[r], 0);
}

PassTokens::PassTokens(std::span<const SequenceSlice> slices) {
  for (const SequenceSlice& slice : slices)
    add(slice.num_tokens, slice.sequence->length() - slice.num_tokens);
}

void PassTokens::add(int64_t count, int64_t first_position) {
  slices_.push_back({size(), count, first_position});
  for (int64_t i = 0; i < count; ++i)
    positions_.push_back(static_cast<int32_t>(first_position + i));
  longest_ = std::max(longest_, first_position + count);
}

std::vector<ops::Bf16Run> PassTokens::sum_blocks() const {
  constexpr int64_t kBlock = ops::Bf16Matrix::kBlock;
  std::vector<ops::Bf16Run> blocks;
  for (const TokenSlice& slice : slices_) {
    for (int64_t i = 0; i < slice.count; i += kBlock)
      blocks.push_back({slice.begin + i, std::min(kBlock, slice.count - i)});
  }
  return blocks;
}

KeyValueBlocks blocks_of_rows(const PassTokens& tokens, const ModelConfig& config,
                              tensor::Precision precision, void* memory) {
  KeyValueBlocks blocks;
  const int64_t heads = config.num_key_value_heads,
                size = ops::key_block_bytes(config.head_dim, precision);
  auto* next = static_cast<std::byte*>(memory);
  for (const TokenSlice& slice : tokens.slices()) {
    for (int64_t head = 0; head < heads; ++head) {
      blocks.first.push_back(blocks.keys.size());
      for (int64_t begin = 0; begin < slice.count; begin += ops::kKeyBlock) {
        blocks.keys.push_back(next);
        next += size;
      }
    }
  }
  for (size_t i = 0; i < blocks.keys.size(); ++i, next += size) blocks.values.push_back(next);
  return blocks;
}

}  // namespace ponder::model
