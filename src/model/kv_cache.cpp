#include "model/kv_cache.h"

#include <cstring>

#include "ops/attention.h"

namespace ponder {

KvCache::KvCache(const ModelConfig& config, int64_t num_pages)
    : layers_(config.num_hidden_layers),
      kv_heads_(config.num_key_value_heads),
      head_dim_(config.head_dim),
      num_pages_(num_pages),
      storage_("key-value cache",
               num_pages * page_bytes(config) / static_cast<int64_t>(sizeof(float))),
      owners_(static_cast<size_t>(num_pages), 0) {
  for (int64_t page = num_pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

int64_t KvCache::page_bytes(const ModelConfig& config) {
  return config.num_hidden_layers * config.num_key_value_heads * 2 * config.head_dim * kKeyBlock *
         static_cast<int64_t>(sizeof(float));
}

int64_t KvCache::pages_for(int64_t num_positions) {
  return (num_positions + kKeyBlock - 1) / kKeyBlock;
}

int32_t KvCache::take_page() {
  const int32_t page = free_.back();
  free_.pop_back();
  owners_[static_cast<size_t>(page)] = 1;
  return page;
}

bool KvCache::extend(KvSequence& sequence, int64_t num_tokens) {
  if (num_tokens == 0) return true;
  const bool partial = sequence.length_ % kKeyBlock != 0;
  const bool copy = partial && owners_[static_cast<size_t>(sequence.pages_.back())] > 1;
  const int64_t fresh = pages_for(sequence.length_ + num_tokens) -
                        static_cast<int64_t>(sequence.pages_.size()) + (copy ? 1 : 0);
  if (fresh > num_free_pages()) return false;
  if (copy) {
    const int32_t shared = sequence.pages_.back();
    const int32_t own = take_page();
    const int64_t page_floats = storage_.size() / num_pages_;
    std::memcpy(storage_.data() + own * page_floats, storage_.data() + shared * page_floats,
                static_cast<size_t>(page_floats) * sizeof(float));
    --owners_[static_cast<size_t>(shared)];
    sequence.pages_.back() = own;
  }
  sequence.length_ += num_tokens;
  while (static_cast<int64_t>(sequence.pages_.size()) < pages_for(sequence.length_)) {
    sequence.pages_.push_back(take_page());
  }
  return true;
}

KvSequence KvCache::fork(const KvSequence& sequence) {
  for (const int32_t page : sequence.pages_) ++owners_[static_cast<size_t>(page)];
  return sequence;
}

void KvCache::release(KvSequence& sequence) {
  for (const int32_t page : sequence.pages_) {
    if (--owners_[static_cast<size_t>(page)] == 0) free_.push_back(page);
  }
  sequence.pages_.clear();
  sequence.length_ = 0;
}

KeyValueBlocks KvCache::blocks(std::span<const StepBatch::Run> runs) {
  // A page holds layer by layer, head by head, keys, then values.
  const int64_t size = head_dim_ * kKeyBlock;
  KeyValueBlocks blocks;
  blocks.layer_stride = kv_heads_ * 2 * size;
  for (const StepBatch::Run& run : runs) {
    for (int64_t head = 0; head < kv_heads_; ++head) {
      blocks.first.push_back(blocks.keys.size());
      for (const int32_t page : run.sequence->pages_) {
        float* keys = storage_.data() + page * layers_ * blocks.layer_stride + head * 2 * size;
        blocks.keys.push_back(keys);
        blocks.values.push_back(keys + size);
      }
    }
  }
  return blocks;
}

}  // namespace ponder
