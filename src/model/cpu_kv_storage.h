// Keys and values in the machine's memory, as attention reads them: f32, in bf16 arithmetic bf16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/batch.h"
#include "model/config.h"
#include "model/kv_storage.h"
#include "model/pass_tokens.h"
#include "tensor/buffer.h"
#include "tensor/precision.h"

namespace ponder::model {

class KvCache;

class CpuKvStorage : public KvStorage {
 public:
  // Throws Error when memory is short.
  CpuKvStorage(const ModelConfig& config, tensor::Precision precision, int64_t num_pages);
  static int64_t page_bytes(const ModelConfig& config, tensor::Precision precision);

  int64_t num_pages() const override { return num_pages_; }
  void copy_page(int32_t to, int32_t from) override;
  // Where the keys and values of the slices' sequences, which are of `cache`, lie.
  KeyValueBlocks blocks(const KvCache& cache, std::span<const SequenceSlice> slices);

 private:
  // A page holds layer by layer, head by head, a block of keys, then one of values.
  std::byte* page(int32_t index) {
    return reinterpret_cast<std::byte*>(memory_.data()) + index * page_bytes_;
  }

  int64_t kv_heads_, block_bytes_, layer_bytes_, page_bytes_, num_pages_;
  tensor::Buffer memory_;
};

}  // namespace ponder::model
