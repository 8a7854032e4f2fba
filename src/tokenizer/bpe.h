// Byte-pair encoding of one word: neighbouring symbols are merged, the pair of the lowest rank (of
// equal pairs the leftmost) first, until no pair has a rank.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ponder::tokenizer {

struct BpeMerge {
  int32_t left = 0, right = 0;  // the pair
  int32_t merged = 0;           // what it becomes
};

// Of a word that is being merged; defined in bpe.cpp.
struct BpeSymbol;

// Immutable; every method may be called from any thread.
class Bpe {
 public:
  // `byte_ids`: the symbol of each byte. `merges` in order of rank; if a pair stands there twice,
  // `duplicate()` gives the index of the second.
  Bpe(const std::array<int32_t, 256>& byte_ids, const std::vector<BpeMerge>& merges);

  // Appends the ids of `word` (fewer than 2^31 bytes) to `ids`. O(n log n) for n bytes, and linear
  // where merges of one rank are found from left to right, as in long runs of one character.
  void encode_word(std::string_view word, std::vector<int32_t>& ids) const;
  static constexpr size_t kLongWordBytes = 512;  // from here on by rank, see bpe.cpp

  int64_t duplicate() const { return duplicate_; }  // -1: none

 private:
  struct Slot {  // of an open-addressing table
    uint64_t pair = kEmpty;
    uint32_t rank = 0;
    int32_t merged = 0;
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};

  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t pair) const;
  // The merge of the symbols at `left` and behind it; nullptr if there is none.
  const Slot* merge_at(const std::vector<BpeSymbol>& symbols, int32_t left) const;
  void merge_by_heap(std::vector<BpeSymbol>& symbols) const;
  void merge_by_rank(std::vector<BpeSymbol>& symbols) const;

  std::array<int32_t, 256> byte_ids_;
  std::vector<Slot> table_;  // a power of two, at most half full
  int64_t duplicate_ = -1;
};

}  // namespace ponder::tokenizer
