#include "model/cpu_kv_storage.h"

#include <algorithm>

#include "model/kv_cache.h"
#include "ops/attention.h"

namespace ponder::model {

CpuKvStorage::CpuKvStorage(const ModelConfig& config, tensor::Precision precision,
                           int64_t num_pages)
    : kv_heads_(config.num_key_value_heads),
      block_bytes_(ops::key_block_bytes(config.head_dim, precision)),
      layer_bytes_(kv_heads_ * 2 * block_bytes_),
      page_bytes_(page_bytes(config, precision)),
      num_pages_(num_pages),
      memory_("key-value cache", num_pages * page_bytes_ / int64_t{sizeof(float)}) {}

int64_t CpuKvStorage::page_bytes(const ModelConfig& config, tensor::Precision precision) {
  return config.num_hidden_layers * config.num_key_value_heads * 2 *
         ops::key_block_bytes(config.head_dim, precision);
}

void CpuKvStorage::copy_page(int32_t to, int32_t from) {
  std::copy_n(page(from), page_bytes_, page(to));
}

KeyValueBlocks CpuKvStorage::blocks(const KvCache& cache, std::span<const SequenceSlice> slices) {
  KeyValueBlocks blocks;
  blocks.layer_stride = layer_bytes_;
  for (const SequenceSlice& slice : slices) {
    for (int64_t head = 0; head < kv_heads_; ++head) {
      blocks.first.push_back(blocks.keys.size());
      for (const int32_t index : cache.pages(*slice.sequence)) {
        std::byte* keys = page(index) + head * 2 * block_bytes_;
        blocks.keys.push_back(keys);
        blocks.values.push_back(keys + block_bytes_);
      }
    }
  }
  return blocks;
}

}  // namespace ponder::model
