#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace ponder {
namespace {

struct Symbol {
  int32_t id;              // -1: merged into the one before it
  int32_t previous, next;  // indices; -1 and the number of symbols at the ends
};

// A pair that could be merged. It is stale once either symbol has changed, and then skipped.
struct Candidate {
  uint64_t order;  // rank, then position: what is merged first
  int32_t left_id, right_id, merged;

  bool operator>(const Candidate& other) const { return order > other.order; }
};

}  // namespace

Bpe::Bpe(const std::array<int32_t, 256>& byte_ids, const std::vector<BpeMerge>& merges)
    : byte_ids_(byte_ids), table_(std::bit_ceil(merges.size() * 2 + 1)) {
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const uint64_t pair = key(merges[rank].left, merges[rank].right);
    Slot& slot = table_[slot_of(pair)];
    if (slot.pair == pair) {
      if (duplicate_ < 0) duplicate_ = static_cast<int64_t>(rank);
      continue;
    }
    slot = {pair, static_cast<uint32_t>(rank), merges[rank].merged};
  }
}

size_t Bpe::slot_of(uint64_t pair) const {
  uint64_t hash = pair * 0x9E3779B97F4A7C15u;
  hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93u;
  const size_t mask = table_.size() - 1;
  size_t slot = (hash ^ hash >> 32) & mask;
  while (table_[slot].pair != pair && table_[slot].pair != kEmpty) slot = (slot + 1) & mask;
  return slot;
}

void Bpe::encode_word(std::string_view word, std::vector<int32_t>& ids) const {
  const auto n = static_cast<int32_t>(word.size());
  std::vector<Symbol> symbols(word.size());
  for (int32_t i = 0; i < n; ++i) {
    symbols[static_cast<size_t>(i)] = {
        byte_ids_[static_cast<uint8_t>(word[static_cast<size_t>(i)])], i - 1, i + 1};
  }
  std::vector<Candidate> heap;
  heap.reserve(word.size());
  const auto add_candidate = [&](int32_t left) {
    const Symbol& a = symbols[static_cast<size_t>(left)];
    if (a.next >= n) return false;
    const Symbol& b = symbols[static_cast<size_t>(a.next)];
    const uint64_t pair = key(a.id, b.id);
    const Slot& slot = table_[slot_of(pair)];
    if (slot.pair != pair) return false;
    heap.push_back(
        {uint64_t{slot.rank} << 32 | static_cast<uint32_t>(left), a.id, b.id, slot.merged});
    return true;
  };
  for (int32_t i = 0; i + 1 < n; ++i) add_candidate(i);
  std::make_heap(heap.begin(), heap.end(), std::greater<>());

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const Candidate best = heap.back();
    heap.pop_back();
    const auto left = static_cast<int32_t>(best.order & 0xFFFFFFFFu);
    Symbol& a = symbols[static_cast<size_t>(left)];
    if (a.id != best.left_id || a.next >= n) continue;
    Symbol& b = symbols[static_cast<size_t>(a.next)];
    if (b.id != best.right_id) continue;
    a.id = best.merged;
    b.id = -1;
    a.next = b.next;
    if (a.next < n) symbols[static_cast<size_t>(a.next)].previous = left;
    if (add_candidate(left)) std::push_heap(heap.begin(), heap.end(), std::greater<>());
    if (a.previous >= 0 && add_candidate(a.previous)) {
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  }
  for (int32_t i = 0; i < n; i = symbols[static_cast<size_t>(i)].next) {
    ids.push_back(symbols[static_cast<size_t>(i)].id);
  }
}

}  // namespace ponder
