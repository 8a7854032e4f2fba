#include "model/cpu_kv_storage.h"

#include <algorithm>

#include "model/kv_cache.h"
#include "ops/attention.h"

namespace ponder::model {

CpuKvStorage::CpuKvStorage(const ModelConfig& config, int64_t num_pages)
    : kv_heads_(config.num_key_value_heads),
      block_floats_(config.head_dim * ops::kKeyBlock),
      layer_floats_(kv_heads_ * 2 * block_floats_),
      page_floats_(config.num_hidden_layers * layer_floats_),
      num_pages_(num_pages),
      memory_("key-value cache", num_pages * page_floats_) {}

int64_t CpuKvStorage::page_bytes(const ModelConfig& config) {
  return CpuKvStorage(config, 0).page_floats_ * int64_t{sizeof(float)};
}

void CpuKvStorage::copy_page(int32_t to, int32_t from) {
  std::copy_n(memory_.data() + from * page_floats_, page_floats_,
              memory_.data() + to * page_floats_);
}

KeyValueBlocks CpuKvStorage::blocks(const KvCache& cache, std::span<const SequenceSlice> slices) {
  KeyValueBlocks blocks;
  blocks.layer_stride = layer_floats_;
  for (const SequenceSlice& slice : slices) {
    for (int64_t head = 0; head < kv_heads_; ++head) {
      blocks.first.push_back(blocks.keys.size());
      for (const int32_t page : cache.pages(*slice.sequence)) {
        float* keys = memory_.data() + page * page_floats_ + head * 2 * block_floats_;
        blocks.keys.push_back(keys);
        blocks.values.push_back(keys + block_floats_);
      }
    }
  }
  return blocks;
}

}  // namespace ponder::model
