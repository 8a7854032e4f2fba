#include "model/kv_cache.h"

#include <utility>

#include "ops/attention.h"

namespace ponder::model {

KvCache::KvCache(std::unique_ptr<KvStorage> storage)
    : storage_(std::move(storage)), owners_(static_cast<size_t>(num_pages()), 0) {
  for (int64_t page = num_pages(); page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

int64_t KvCache::pages_for(int64_t num_positions) {
  return (num_positions + ops::kKeyBlock - 1) / ops::kKeyBlock;
}

int32_t KvCache::take_page() {
  const int32_t page = free_.back();
  free_.pop_back();
  owners_[static_cast<size_t>(page)] = 1;
  return page;
}

bool KvCache::extend(KvSequence& sequence, int64_t num_tokens) {
  if (num_tokens == 0) return true;
  const bool partial = sequence.length_ % ops::kKeyBlock != 0;
  const bool copy = partial && owners_[static_cast<size_t>(sequence.pages_.back())] > 1;
  const int64_t fresh = pages_for(sequence.length_ + num_tokens) -
                        static_cast<int64_t>(sequence.pages_.size()) + (copy ? 1 : 0);
  if (fresh > num_free_pages()) return false;
  if (copy) {
    const int32_t shared = sequence.pages_.back();
    const int32_t own = take_page();
    storage_->copy_page(own, shared);
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

}  // namespace ponder::model
