#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <functional>
#include <queue>
#include <unordered_map>

namespace ponder::tokenizer {

struct BpeSymbol {
  int32_t id;              // -1: merged into the one before it
  int32_t previous, next;  // indices; -1 and the number of symbols at the ends
};

namespace {

// A pair that could be merged. It is stale once either symbol has changed, and then skipped.
struct Candidate {
  uint64_t order;  // rank, then position: what is merged first
  int32_t left_id, right_id, merged;

  bool operator>(const Candidate& other) const { return order > other.order; }
};

// The places where the pair of one rank was seen, those before `done` merged or stale.
struct Places {
  int32_t left_id = 0, right_id = 0, merged = 0;
  std::vector<int32_t> left;
  size_t done = 0;
  bool sorted = true;
};

// Merges the symbols at `left` and behind it, unless they are no longer those of the pair.
bool merge(std::vector<BpeSymbol>& symbols, int32_t left, int32_t left_id, int32_t right_id,
           int32_t merged) {
  const auto n = static_cast<int32_t>(symbols.size());
  BpeSymbol& a = symbols[static_cast<size_t>(left)];
  if (a.id != left_id || a.next >= n) return false;
  BpeSymbol& b = symbols[static_cast<size_t>(a.next)];
  if (b.id != right_id) return false;
  a.id = merged;
  b.id = -1;
  a.next = b.next;
  if (a.next < n) symbols[static_cast<size_t>(a.next)].previous = left;
  return true;
}

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

const Bpe::Slot* Bpe::merge_at(const std::vector<BpeSymbol>& symbols, int32_t left) const {
  if (left < 0) return nullptr;
  const BpeSymbol& a = symbols[static_cast<size_t>(left)];
  if (a.next >= static_cast<int32_t>(symbols.size())) return nullptr;
  const uint64_t pair = key(a.id, symbols[static_cast<size_t>(a.next)].id);
  const Slot& slot = table_[slot_of(pair)];
  return slot.pair == pair ? &slot : nullptr;
}

// One heap of all candidates: least work for words as they are.
void Bpe::merge_by_heap(std::vector<BpeSymbol>& symbols) const {
  std::vector<Candidate> heap;
  heap.reserve(symbols.size());
  const auto add = [&](int32_t left) {
    const Slot* slot = merge_at(symbols, left);
    if (!slot) return false;
    heap.push_back({uint64_t{slot->rank} << 32 | static_cast<uint32_t>(left),
                    static_cast<int32_t>(slot->pair >> 32), static_cast<int32_t>(slot->pair),
                    slot->merged});
    return true;
  };
  for (size_t i = 0; i < symbols.size(); ++i) add(static_cast<int32_t>(i));
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const Candidate best = heap.back();
    heap.pop_back();
    const auto left = static_cast<int32_t>(best.order & 0xFFFFFFFFu);
    if (!merge(symbols, left, best.left_id, best.right_id, best.merged)) continue;
    if (add(left)) std::push_heap(heap.begin(), heap.end(), std::greater<>());
    if (add(symbols[static_cast<size_t>(left)].previous)) {
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  }
}

// A heap of the ranks alone, and for each the places in their order. A heap of a million candidates
// would miss the cache at every step. A merge never makes the pair of its own rank again: what
// comes of it is longer than either part.
void Bpe::merge_by_rank(std::vector<BpeSymbol>& symbols) const {
  std::unordered_map<uint32_t, Places> places;
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ranks;
  const auto add = [&](int32_t left) {
    const Slot* slot = merge_at(symbols, left);
    if (!slot) return;
    Places& of_rank = places[slot->rank];
    if (of_rank.done == of_rank.left.size()) {  // new, or all done: not in the heap
      of_rank = {static_cast<int32_t>(slot->pair >> 32),
                 static_cast<int32_t>(slot->pair),
                 slot->merged,
                 {},
                 0,
                 true};
      ranks.push(slot->rank);
    } else if (left < of_rank.left.back()) {
      of_rank.sorted = false;
    }
    of_rank.left.push_back(left);
  };
  for (size_t i = 0; i < symbols.size(); ++i) add(static_cast<int32_t>(i));
  uint32_t rank = 0;
  Places* of_rank = nullptr;
  while (!ranks.empty()) {
    if (!of_rank || ranks.top() != rank) {  // also when a merge brought a lower rank up
      rank = ranks.top();
      of_rank = &places[rank];
    }
    if (!of_rank->sorted) {
      std::sort(of_rank->left.begin() + static_cast<ptrdiff_t>(of_rank->done), of_rank->left.end());
      of_rank->sorted = true;
    }
    const int32_t left = of_rank->left[of_rank->done++];
    if (of_rank->done == of_rank->left.size()) ranks.pop();
    if (!merge(symbols, left, of_rank->left_id, of_rank->right_id, of_rank->merged)) continue;
    add(left);
    add(symbols[static_cast<size_t>(left)].previous);
  }
}

void Bpe::encode_word(std::string_view word, std::vector<int32_t>& ids) const {
  const auto n = static_cast<int32_t>(word.size());
  std::vector<BpeSymbol> symbols(word.size());
  for (int32_t i = 0; i < n; ++i) {
    symbols[static_cast<size_t>(i)] = {
        byte_ids_[static_cast<uint8_t>(word[static_cast<size_t>(i)])], i - 1, i + 1};
  }
  if (word.size() < kLongWordBytes) {
    merge_by_heap(symbols);
  } else {
    merge_by_rank(symbols);
  }
  for (int32_t i = 0; i < n; i = symbols[static_cast<size_t>(i)].next) {
    ids.push_back(symbols[static_cast<size_t>(i)].id);
  }
}

}  // namespace ponder::tokenizer
