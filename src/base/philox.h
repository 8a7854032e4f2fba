// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011). A number is a pure function of (key, counter), so a
// rollout needs no generator state and is the same in any order, batch or process.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ponder {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

// The ten-round block function.
PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key);

// A 64-bit hash of text (FNV-1a with a final mix), for turning ids into key or counter words.
// Stable for ever: stored rollouts depend on it.
uint64_t stable_hash64(std::string_view text);

// A named stream of random numbers: (seed, stream) is the key, `index` the counter. Stateless.
class Random {
 public:
  Random(uint64_t seed, uint64_t stream);

  uint64_t bits(uint64_t index) const;                   // 64 uniform bits
  double uniform(uint64_t index) const;                  // in [0, 1), 53 bits
  double normal(uint64_t index) const;                   // mean 0, variance 1 (Box-Muller)
  uint64_t below(uint64_t index, uint64_t bound) const;  // in [0, bound), bound > 0

 private:
  uint64_t seed_, stream_;
};

// A cursor over a Random, for code that just wants the next number (data synthesis, shuffling).
class RandomSequence {
 public:
  RandomSequence(uint64_t seed, uint64_t stream) : random_(seed, stream) {}
  double uniform() { return random_.uniform(index_++); }
  double normal() { return random_.normal(index_++); }
  uint64_t below(uint64_t bound) { return random_.below(index_++, bound); }
  // An integer in [low, high], both included.
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
  }
  // Fisher-Yates.
  template <class Sequence>
  void shuffle(Sequence& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  Random random_;
  uint64_t index_ = 0;
};

}  // namespace ponder
