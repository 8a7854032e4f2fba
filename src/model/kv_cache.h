// Keys and values of running sequences, in pages of kKeyBlock positions drawn from a fixed budget.
// A page holds all layers and key-value heads. Pages are counted: sequences that begin with the
// same tokens share full pages, and a page with other owners is copied before it is written.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/kv_storage.h"

namespace ponder::model {

class KvCache;

// One sequence's place in the cache. Created, forked and released through the cache.
class KvSequence {
 public:
  int64_t length() const { return length_; }  // positions filled

 private:
  friend class KvCache;
  int64_t length_ = 0;
  std::vector<int32_t> pages_;
};

// Not thread-safe.
class KvCache {
 public:
  // The pages of a backend: Decoder::make_cache.
  explicit KvCache(std::unique_ptr<KvStorage> storage);

  static int64_t pages_for(int64_t num_positions);
  int64_t num_pages() const { return storage_->num_pages(); }
  int64_t num_free_pages() const { return static_cast<int64_t>(free_.size()); }

  // Appends positions [length, length + num_tokens), to be filled by the next Decoder::step,
  // copying a shared last page first. False, and nothing changed, when the pages run out.
  [[nodiscard]] bool extend(KvSequence& sequence, int64_t num_tokens);
  // A sequence with the same contents; pages are shared.
  KvSequence fork(const KvSequence& sequence);
  void release(KvSequence& sequence);  // gives its pages back; length becomes 0

  const std::vector<int32_t>& pages(const KvSequence& sequence) const { return sequence.pages_; }
  KvStorage& storage() { return *storage_; }

 private:
  int32_t take_page();

  std::unique_ptr<KvStorage> storage_;
  std::vector<int32_t> owners_;  // per page
  std::vector<int32_t> free_;
};

}  // namespace ponder::model
