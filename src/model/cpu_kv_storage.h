// Keys and values in the machine's memory, in f32, as attention reads them.
#pragma once

#include <cstdint>
#include <span>

#include "model/batch.h"
#include "model/config.h"
#include "model/kv_storage.h"
#include "model/pass_tokens.h"
#include "tensor/buffer.h"

namespace ponder::model {

class KvCache;

class CpuKvStorage : public KvStorage {
 public:
  // Throws Error when memory is short.
  CpuKvStorage(const ModelConfig& config, int64_t num_pages);
  static int64_t page_bytes(const ModelConfig& config);

  int64_t num_pages() const override { return num_pages_; }
  void copy_page(int32_t to, int32_t from) override;
  // Where the keys and values of the slices' sequences, which are of `cache`, lie.
  KeyValueBlocks blocks(const KvCache& cache, std::span<const SequenceSlice> slices);

 private:
  // A page holds layer by layer, head by head, keys (head_dim, kKeyBlock), then values (kKeyBlock,
  // head_dim).
  int64_t kv_heads_, block_floats_, layer_floats_, page_floats_, num_pages_;
  tensor::Buffer memory_;
};

}  // namespace ponder::model
