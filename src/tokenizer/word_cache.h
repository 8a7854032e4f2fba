// Remembers the ids of words met before: text repeats its words, and looking one up is far cheaper
// than merging it again. Bounded; any thread may use it at any time. It never changes a result.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ponder::tokenizer {

class WordCache {
 public:
  static constexpr size_t kMaxWordBytes = 48;  // longer words seldom come twice

  // Appends the word's ids; false if it is not here.
  bool find(std::string_view word, std::vector<int32_t>& ids);
  void insert(std::string_view word, std::span<const int32_t> ids);

 private:
  static constexpr size_t kNumShards = 64;  // so that threads seldom wait for one another
  static constexpr size_t kMaxWordsPerShard = 2048;

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    std::unordered_map<std::string, std::vector<int32_t>, Hash, std::equal_to<>> words;
  };
  Shard& shard_of(std::string_view word) { return shards_[Hash()(word) >> 58]; }

  std::array<Shard, kNumShards> shards_;
};

}  // namespace ponder::tokenizer
